# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""HTTP connections with a deadline for the whole exchange, and that another thread can cut.

`http.client` bounds each wait only, so a server that sends a byte now and then would hold a request
for ever; here every wait gets what is left of the deadline.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import select
import socket
import ssl
import threading
import time
from functools import partial
from typing import Any


class _Reader(io.RawIOBase):
    def __init__(self, timed: TimedSocket) -> None:
        self._timed = timed

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._timed.receive_into(buffer)

    def close(self) -> None:
        if not self.closed:
            self._timed.reader_closed()
        super().close()


class TimedSocket:
    """What `http.client` needs of a socket; closed when its last reader is, as a real one."""

    def __init__(self, sock: socket.socket) -> None:
        self.deadline = 0.0
        self._sock = sock
        self._readers = 0
        self._closed = False

    def sendall(self, data: Any) -> None:
        """All of it before the deadline."""
        self._arm()
        self._sock.sendall(data)

    def receive_into(self, buffer: Any) -> int:
        """Some bytes before the deadline."""
        self._arm()
        return self._sock.recv_into(buffer)

    def makefile(self, mode: str) -> io.BufferedReader:
        """For a response."""
        self._readers += 1
        return io.BufferedReader(_Reader(self), 1 << 16)

    def close(self) -> None:
        self._closed = True
        if not self._readers:
            self._sock.close()

    def reader_closed(self) -> None:
        """A file of `makefile` is."""
        self._readers -= 1
        if self._closed:
            self.close()

    def cut(self) -> None:
        """End what another thread waits for."""
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)  # of TLS, too: without its manners

    @property
    def stale(self) -> bool:
        """Whether the server hung up (or said something unasked) while it was idle."""
        poll = select.poll()
        try:
            poll.register(self._sock, select.POLLIN)
            return bool(poll.poll(0))
        except (OSError, ValueError):
            return True

    def _arm(self) -> None:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline is over")
        self._sock.settimeout(left)


class Connection(http.client.HTTPConnection):
    """One connection, used by one thread at a time."""

    def __init__(
        self, host: str, port: int, connect_timeout: float, context: ssl.SSLContext | None
    ) -> None:
        super().__init__(host, port)
        self._connect_timeout = connect_timeout
        self._context = context
        self.timed: TimedSocket | None = None

    def open(self, deadline: float) -> TimedSocket:
        """Connect, if it is not; raises `OSError`."""
        if self.timed is None:
            until = min(deadline, time.monotonic() + self._connect_timeout)
            self.sock = self.timed = TimedSocket(self._connected(until))
        self.timed.deadline = deadline
        return self.timed

    def _connected(self, until: float) -> socket.socket:
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError("no time is left to connect")
        sock = socket.create_connection((self.host, self.port), left)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._context is None:
                return sock
            sock.settimeout(max(0.001, until - time.monotonic()))
            return self._context.wrap_socket(sock, server_hostname=self.host)
        except BaseException:
            sock.close()
            raise


class ConnectionPool:
    """Idle connections to one server; the last one used goes first."""

    def __init__(
        self, host: str, port: int, connect_timeout: float, context: ssl.SSLContext | None
    ) -> None:
        self._make = partial(Connection, host, port, connect_timeout, context)
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._closed = False

    def take(self) -> Connection:
        """An idle connection that still stands, or a new one."""
        while True:
            with self._lock:
                if not self._idle:
                    return self._make()
                connection = self._idle.pop()
            if connection.timed is not None and not connection.timed.stale:
                return connection
            connection.close()

    def give(self, connection: Connection) -> None:
        """Keep it for the next one."""
        with self._lock:
            if not self._closed:
                self._idle.append(connection)
                return
        connection.close()

    def close(self) -> None:
        """No connection is kept from now on."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
