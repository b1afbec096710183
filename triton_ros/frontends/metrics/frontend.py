# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The metrics' own port: ``GET /metrics`` and nothing else, one small thread a scrape."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from triton_ros.core.errors import ConfigError
from triton_ros.core.telemetry.stream_figures import StreamFigures
from triton_ros.frontends.data_plane import DataPlane
from triton_ros.frontends.metrics.collector import Collector
from triton_ros.frontends.options import FrontendOptions
from triton_ros.frontends.tls import server_context

_HEADS = re.compile(rb"^(# HELP|# TYPE) (nv_\w+)_total ", re.MULTILINE)
"""The library's ``_total`` where it describes Triton's counters, whose samples have none."""

MAX_SCRAPES = 8
"""At once; more are refused."""


MAX_CONNECTIONS = 32
"""At once; for one more the oldest is cut off, so clients that keep theirs keep nobody out."""


class MetricsFrontend:
    """Prometheus text for one data plane and the streams beside it."""

    def __init__(
        self,
        plane: DataPlane,
        options: FrontendOptions,
        streams: Callable[[], Iterable[StreamFigures]],
    ) -> None:
        self._options = options
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(Collector(plane.server, streams, lambda: plane.inference.in_flight))
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        self.port = 0

    def start(self) -> None:
        """Listen.  Raises `ConfigError` for an address, a port or a certificate that cannot be."""
        options = self._options
        context = server_context(options)
        try:
            server = _Server((options.metrics_address, options.metrics_port), self._registry)
        except (OSError, OverflowError) as error:
            raise ConfigError(
                f"metrics_address '{options.metrics_address}', metrics_port"
                f" {options.metrics_port}: {error}; accepted: an address of this machine and a"
                " port that is free"
            ) from error
        if context is not None:
            # the handshake is done by the thread of the connection, not by the one that accepts
            server.socket = context.wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._server = server
        self.port = int(server.server_address[1])
        self._thread = threading.Thread(target=server.serve_forever, name="triton_ros metrics")
        self._thread.start()

    def close(self, timeout: float) -> None:
        """Take no more scrapes; those under way are cut off."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], registry: CollectorRegistry) -> None:
        self.registry = registry
        self.scrapes = threading.BoundedSemaphore(MAX_SCRAPES)
        self._lock = threading.Lock()
        self._connections: dict[socket.socket, None] = {}
        """Those that are open, the oldest first."""
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: object) -> None:
        with self._lock:
            self._connections[request] = None
            if len(self._connections) > MAX_CONNECTIONS:
                oldest = next(iter(self._connections))
                del self._connections[oldest]
                _cut_off(oldest)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.pop(request, None)
        super().shutdown_request(request)

    def server_close(self) -> None:
        super().server_close()
        with self._lock:
            for connection in self._connections:
                _cut_off(connection)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hung up, or no TLS: nothing to say."""


def _cut_off(connection: socket.socket) -> None:
    """End it; its thread sees that, and closes it."""
    with suppress(OSError):  # it is gone already
        socket.socket.shutdown(connection, socket.SHUT_RDWR)  # a TLS socket's own needs its thread


class _Handler(BaseHTTPRequestHandler):
    timeout = 10.0
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != "/metrics":
            self._answer(404, "text/plain; charset=utf-8", b"Not Found\n")
            return
        if not self.server.scrapes.acquire(blocking=False):
            self._answer(503, "text/plain; charset=utf-8", b"too many scrapes\n")
            return
        try:
            text = _HEADS.sub(rb"\1 \2 ", generate_latest(self.server.registry))
            self._answer(200, CONTENT_TYPE_PLAIN_0_0_4, text)
        finally:
            self.server.scrapes.release()

    def _refuse(self) -> None:
        self._answer(405, "text/plain; charset=utf-8", b"Method Not Allowed\n")

    do_POST = do_PUT = do_DELETE = do_PATCH = _refuse

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, format: str, *arguments: object) -> None:
        """Not on stderr: who scrapes is of no interest."""
