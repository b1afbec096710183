# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The HTTP server: an event loop in a thread of its own, from `start` to `close`."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import Future
from typing import Any

import aiohttp
from aiohttp import web

from triton_ros.core.errors import ConfigError, UnsupportedError
from triton_ros.frontends.data_plane import DataPlane
from triton_ros.frontends.http.connection import Connection, Server
from triton_ros.frontends.http.endpoints import Endpoints
from triton_ros.frontends.options import FrontendOptions
from triton_ros.frontends.tls import server_context

_BACKLOG = 256
_LEAST_S = 0.05
_LINGER_S = 1.0
"""How long the rest of a body is read that nobody wants."""


class HttpFrontend:
    """KServe V2 over HTTP for one data plane."""

    def __init__(self, plane: DataPlane, options: FrontendOptions) -> None:
        self._plane = plane
        self._options = options
        self._endpoints = Endpoints(plane)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="triton_ros http")
        self._server: Server | None = None
        self._listener: asyncio.AbstractServer | None = None
        self.port = 0

    def start(self) -> None:
        """Listen.  Raises `ConfigError` for an address, a port or a certificate that cannot be, and
        `UnsupportedError` for an aiohttp that is too old.
        """
        if not hasattr(Server, "pre_shutdown"):
            raise UnsupportedError(
                f"allow_http needs aiohttp 3.9 or newer, found {aiohttp.__version__}:"
                " pip install 'aiohttp>=3.9'"
            )
        self._thread.start()
        try:
            self._run(self._listen())
        except BaseException:
            self._end()
            raise

    def close(self, timeout: float) -> None:
        """Take no more connections, give what is under way `timeout` seconds, end the thread."""
        if self._listener is not None:
            deadline = time.monotonic() + timeout
            self._run(self._stop_listening())
            self._plane.inference.wait_idle(timeout)
            left = deadline - time.monotonic()
            self._run(self._disconnect(max(left, _LEAST_S)))  # aiohttp takes 0 for "for ever"
        self._end()

    def _run(self, work: Any) -> None:
        done: Future[None] = asyncio.run_coroutine_threadsafe(work, self._loop)
        done.result()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        for task in (left := asyncio.all_tasks(self._loop)):
            task.cancel()
        self._loop.run_until_complete(asyncio.wait(left) if left else asyncio.sleep(0))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    async def _listen(self) -> None:
        options = self._options
        context = server_context(options)
        server = Server(
            self._handle,
            handler_cancellation=True,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=options.http_idle_timeout_secs,
            lingering_time=_LINGER_S,
        )
        server.refusals = self._plane.refusals
        server.max_connections = options.max_connections
        server.header_timeout_s = options.http_header_timeout_secs
        server.write_timeout_s = options.http_idle_timeout_secs
        try:
            self._listener = await self._loop.create_server(
                server,
                options.http_address,
                options.http_port,
                ssl=context,
                backlog=_BACKLOG,
                ssl_handshake_timeout=options.http_header_timeout_secs if context else None,
            )
        except (OSError, OverflowError) as error:
            raise ConfigError(
                f"http_address '{options.http_address}', http_port {options.http_port}: {error};"
                " accepted: an address of this machine and a port that is free"
            ) from error
        self._server = server
        self.port = self._listener.sockets[0].getsockname()[1]

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        assert isinstance(connection, Connection)
        connection.began()
        try:
            return await self._endpoints.answer(request)
        finally:
            connection.ended()

    async def _stop_listening(self) -> None:
        assert self._listener is not None
        self._listener.close()

    async def _disconnect(self, timeout: float) -> None:
        assert self._server is not None
        self._server.pre_shutdown()
        await self._server.shutdown(timeout)
