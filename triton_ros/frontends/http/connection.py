# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Connections of HTTP clients within limits: how many there are, and how slow they may be.

aiohttp closes a connection that is idle for too long.  What is added here: a client that drips the
head of a request is cut off, and so is one that takes nothing of its answer; one that drips its
body is answered with 408 (see `bodies`); connections beyond the limit are answered with 503 and
closed at once.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from triton_ros.frontends.refusals import Refusals

_TOO_MANY = b'{"error":"too many connections"}'
_REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
    b"Connection: close\r\nContent-Length: %d\r\n\r\n%s"
) % (len(_TOO_MANY), _TOO_MANY)


class Connection(RequestHandler):
    """One client; the limit for a request's head begins with its first byte."""

    def __init__(self, manager: Server, **arguments: Any) -> None:
        super().__init__(manager, **arguments)
        self._server = manager
        self._refused = False
        self._busy = False
        self._timer: asyncio.TimerHandle | None = None
        self._untaken: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if len(self._server.connections) >= self._server.max_connections:
            self._refused = True
            self._tell("too many connections", transport)
            assert isinstance(transport, asyncio.Transport)
            transport.write(_REFUSAL)
            transport.close()
            return
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        if not self._busy and self._timer is None:
            self._timer = self._loop.call_later(self._server.header_timeout_s, self._too_slow)
        super().data_received(data)

    def eof_received(self) -> None:
        if not self._refused:
            super().eof_received()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._stop_timer()
        self._taken()
        if not self._refused:
            super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client has not taken what it was sent."""
        super().pause_writing()
        if self.transport is not None:
            patience = self._server.write_timeout_s
            self._untaken = self._loop.call_later(patience, self._give_up)

    def resume_writing(self) -> None:
        """It has."""
        self._taken()
        super().resume_writing()

    def began(self) -> None:
        """A request's head is there."""
        self._busy = True
        self._stop_timer()

    def ended(self) -> None:
        """Its answer is made."""
        self._busy = False

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What is no HTTP is answered as everything else is: as JSON."""
        self._stop_timer()
        if status < 500:
            self._tell("what is no request", self.transport)
        text = message or (str(exc) if exc is not None else "") or "Bad Request"
        response = web.Response(
            status=status,
            body=json.dumps({"error": text}).encode(),
            content_type="application/json",
        )
        response.force_close()
        return response

    def _too_slow(self) -> None:
        self._timer = None
        if not self._busy:
            self._tell("slow head", self.transport)
            self.force_close()

    def _give_up(self) -> None:
        if self.transport is not None:
            self._tell("an answer that it does not take", self.transport)
            self.transport.abort()

    def _tell(self, kind: str, transport: asyncio.BaseTransport | None) -> None:
        place = transport.get_extra_info("peername") if transport is not None else None
        self._server.refusals.tell("HTTP connection", str(place[0]) if place else None, kind)

    def _taken(self) -> None:
        if self._untaken is not None:
            self._untaken.cancel()
            self._untaken = None

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Server(web.Server):
    """Makes the connections."""

    refusals: Refusals
    max_connections = 0
    header_timeout_s = 0.0
    write_timeout_s = 0.0

    def __call__(self) -> Connection:
        return Connection(self, loop=self._loop, **self._kwargs)
