# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A gRPC client that does only what it is told to: HTTP/2's frames by hand.

It opens no windows by itself, so a server cannot send it more than 64 KiB of answers.
"""

from __future__ import annotations

import socket

from http_client import place

_DATA, _HEADERS, _RESET, _SETTINGS, _WINDOW = 0, 1, 3, 4, 8
_END_STREAM, _END_HEADERS = 1, 4
_CANCEL = 8
_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class WireClient:
    """One connection."""

    def __init__(self, address: str) -> None:
        self.socket = socket.create_connection(place(address))
        self.socket.sendall(_HELLO + _frame(_SETTINGS, 0, 0))
        self._stream = -1

    def __enter__(self) -> WireClient:
        return self

    def __exit__(self, *args: object) -> None:
        self.socket.close()

    def call(self, path: str, message: bytes | None, *, end: bool = True) -> int:
        """Begin a call; gives its stream."""
        self._stream += 2
        fields = ((":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "x"))
        fields += (("content-type", "application/grpc"), ("te", "trailers"))
        block = b"".join(_literal(name, value) for name, value in fields)
        self.socket.sendall(_frame(_HEADERS, _END_HEADERS, self._stream, block))
        if message is not None:
            body = b"\0" + len(message).to_bytes(4, "big") + message
            self.socket.sendall(_frame(_DATA, _END_STREAM if end else 0, self._stream, body))
        return self._stream

    def cancel(self, stream: int) -> None:
        """Withdraw a call."""
        self.socket.sendall(_frame(_RESET, 0, stream, _CANCEL.to_bytes(4, "big")))

    def open_window(self, stream: int, size: int) -> None:
        """Take so many bytes more of a call's answer, and of all of them."""
        for which in (0, stream):
            self.socket.sendall(_frame(_WINDOW, 0, which, size.to_bytes(4, "big")))

    def read_all(self) -> bytes:
        """Until the server ends the connection."""
        found = b""
        while data := self.socket.recv(1 << 16):
            found += data
        return found


def _frame(kind: int, flags: int, stream: int, body: bytes = b"") -> bytes:
    head = len(body).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big")
    return head + body


def _literal(name: str, value: str) -> bytes:
    """A header as HPACK has it without tables or Huffman's code."""
    return b"".join((b"\0", *(bytes([len(each)]) + each.encode() for each in (name, value))))
