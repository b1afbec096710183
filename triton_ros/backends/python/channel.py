# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Small messages between the host and a worker: JSON with a length before it, over sockets."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import struct
import threading
import time
from typing import Any

Message = dict[str, Any]

_LENGTH = struct.Struct("<I")
_AT_ONCE = 1 << 16
_LONGEST = 1 << 28
"""Bytes; tensors are not in messages."""


class UnreadableError(Exception):
    """What came is no message, or none that the other end sends."""


class Channel:
    """One end.  Any thread may send; one at a time receives."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._sending = threading.Lock()
        self._read = bytearray()
        """What came beyond the last message."""
        self._arrival = select.poll()
        self._arrival.register(end, select.POLLIN)

    def fileno(self) -> int:
        """The socket's."""
        return self._socket.fileno()

    def send(self, message: Message) -> None:
        """Raises `OSError` when the other end is gone."""
        data = json.dumps(message, separators=(",", ":")).encode()
        with self._sending:
            self._socket.sendall(_LENGTH.pack(len(data)) + data)

    def receive(self, timeout: float | None = None) -> Message | None:
        """The next message; None if none came within so many seconds.

        Raises `EOFError` when the other end is gone, `UnreadableError` for what is no message.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while (message := self.received()) is None:
            if deadline is not None:
                left = max(0.0, deadline - time.monotonic())
                if not self._arrival.poll(left * 1e3):
                    return None
            self._read_more()
        return message

    def received(self) -> Message | None:
        """The next message if it was read already.  Raises `UnreadableError`."""
        if len(self._read) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._read)
        if length > _LONGEST:
            raise UnreadableError(f"a message of {length} bytes was announced")
        end = _LENGTH.size + length
        if len(self._read) < end:
            return None
        data = self._read[_LENGTH.size : end]
        del self._read[:end]
        try:
            message = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise UnreadableError(str(error)) from error
        if not isinstance(message, dict):
            raise UnreadableError(f"{message!r:.100} is no message")
        return message

    def end(self) -> None:
        """Wakes who receives, here and there: the other end is gone for both."""
        with contextlib.suppress(OSError):  # the other end was faster
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Only when nobody receives any more."""
        self._socket.close()

    def _read_more(self) -> None:
        """As much at once as there is, at least one byte."""
        try:
            part = self._socket.recv(_AT_ONCE)
        except OSError:
            part = b""
        if not part:
            raise EOFError
        self._read += part
