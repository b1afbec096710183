# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Small messages between the host and a worker: JSON with a length before it, over sockets."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from typing import Any

Message = dict[str, Any]

_LENGTH = struct.Struct("<I")
_AT_ONCE = 1 << 16
_LONGEST = 1 << 28
"""Bytes; tensors are not in messages."""


class Channel:
    """One end.  Any thread may send; one thread receives."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._sending = threading.Lock()
        self._read = bytearray()
        """What came beyond the last message."""

    def send(self, message: Message) -> None:
        """Raises `OSError` when the other end is gone."""
        data = json.dumps(message, separators=(",", ":")).encode()
        with self._sending:
            self._socket.sendall(_LENGTH.pack(len(data)) + data)

    def receive(self) -> Message | None:
        """The next message; None when the other end is gone.

        Raises `ValueError` for what is no message.
        """
        head = self._exactly(_LENGTH.size)
        if head is None:
            return None
        (length,) = _LENGTH.unpack(head)
        if length > _LONGEST:
            raise ValueError(f"a message of {length} bytes was announced")
        body = self._exactly(length)
        return None if body is None else json.loads(body)

    def close(self) -> None:
        """Wakes who receives, here and there."""
        with contextlib.suppress(OSError):  # the other end was faster
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _exactly(self, size: int) -> bytes | None:
        """The next bytes; reads as many at once as there are."""
        while len(self._read) < size:
            try:
                part = self._socket.recv(max(_AT_ONCE, size - len(self._read)))
            except OSError:
                return None
            if not part:
                return None
            self._read += part
        found = bytes(self._read[:size])
        del self._read[:size]
        return found
