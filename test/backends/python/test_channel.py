# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Messages between host and worker, and what is none."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

import pytest

from triton_ros.backends.python.channel import Channel, UnreadableError

Ends = tuple[Channel, socket.socket]


@pytest.fixture
def ends() -> Iterator[Ends]:
    """A channel, and the bare socket at its other end."""
    here, there = socket.socketpair()
    channel = Channel(here)
    yield channel, there
    channel.close()
    there.close()


def framed(data: bytes) -> bytes:
    return struct.pack("<I", len(data)) + data


def test_messages_come_whole_and_in_order(ends: Ends) -> None:
    channel, there = ends
    data = framed(b'{"a":1}') + framed(b'{"b":[2]}')
    there.sendall(data[:13])
    assert channel.receive() == {"a": 1}
    assert channel.receive(timeout=0) is None, "the second one is not there yet"
    there.sendall(data[13:])
    assert channel.receive() == {"b": [2]}
    other = Channel(there)
    channel.send({"c": "ü"})
    assert other.receive() == {"c": "ü"}


def test_the_other_end_is_gone(ends: Ends) -> None:
    channel, there = ends
    there.sendall(framed(b'{"a":1}')[:6])
    there.close()
    with pytest.raises(EOFError):
        channel.receive()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (framed(b"{"), "Expecting property name"),
        (framed(b"[1]"), r"\[1\] is no message"),
        (framed(b"[" * 100_000), "recursion"),
        (struct.pack("<I", 1 << 31), "a message of 2147483648 bytes was announced"),
    ],
)
def test_what_is_no_message(ends: Ends, data: bytes, words: str) -> None:
    channel, there = ends
    there.sendall(data)
    with pytest.raises(UnreadableError, match=words):
        channel.receive()
