# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Tensors in memory that the host and a worker share.

Each direction has a region of its own: an anonymous file (`memfd`, so nothing is left behind by a
crash), which one side writes and the other reads.  The writer copies an array in once and sends its
description; the reader's array is a view, and when the last view of it is gone its place goes back
to the writer with the next message.  A region that is too small grows, while old views stay valid.

Strings are Triton's BYTES: four bytes of length, little-endian, before each element.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
import threading
import weakref
from collections import deque
from collections.abc import Iterable
from typing import Any

import numpy as np

Array = Any
"""A `numpy.ndarray`."""

Description = list[Any]
"""``[numpy dtype or "O", shape, offset, bytes]``."""

_ALIGNMENT = 64
_LENGTH = struct.Struct("<I")


class Allocator:
    """Places in a region: first fit, neighbours merged.  Not thread-safe; knows no memory."""

    def __init__(self, size: int, growth: int) -> None:
        self.size = size
        self._growth = growth
        self._free: list[tuple[int, int]] = [(0, size)]
        self._used: dict[int, int] = {}

    def allocate(self, size: int) -> int:
        """An offset; `size` of the region grows where nothing fits."""
        wanted = max(_ALIGNMENT, -(-size // _ALIGNMENT) * _ALIGNMENT)
        for index, (offset, free) in enumerate(self._free):
            if free >= wanted:
                rest = [(offset + wanted, free - wanted)] if free > wanted else []
                self._free[index : index + 1] = rest
                self._used[offset] = wanted
                return offset
        self._grow(wanted)
        return self.allocate(size)

    def free(self, offset: int) -> None:
        """Raises `KeyError` for a place that is not in use."""
        size = self._used.pop(offset)
        before = [place for place in self._free if place[0] < offset]
        after = self._free[len(before) :]
        if before and sum(before[-1]) == offset:
            offset, size = before[-1][0], before[-1][1] + size
            before.pop()
        if after and offset + size == after[0][0]:
            size += after[0][1]
            after.pop(0)
        self._free = [*before, (offset, size), *after]

    @property
    def used(self) -> int:
        """Places that are in use."""
        return len(self._used)

    def _grow(self, wanted: int) -> None:
        more = -(-max(wanted, self._growth) // _ALIGNMENT) * _ALIGNMENT
        offset = self.size
        self.size += more
        self._used[offset] = more
        self.free(offset)


class Writer:
    """The side that fills a region.  Thread-safe."""

    def __init__(self, file: int, size: int, growth: int) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._places = Allocator(size, growth)
        os.ftruncate(file, size)
        self._memory = mmap.mmap(file, size)

    def write(self, value: Array) -> Description:
        """Copy an array in."""
        if value.dtype.kind in "OSU":
            data = serialized(value)
            description: Description = ["O", list(value.shape), -1, len(data)]
            if data:
                memory, description[2] = self._place(len(data))
                memory[:] = data
            return description
        description = [value.dtype.str, list(value.shape), -1, value.nbytes]
        if value.nbytes:
            memory, description[2] = self._place(value.nbytes)
            target = np.frombuffer(memory, value.dtype).reshape(value.shape)
            np.copyto(target, value)
        return description

    def free(self, offsets: Iterable[int]) -> None:
        """Places that the reader needs no longer."""
        with self._lock:
            for offset in offsets:
                self._places.free(offset)

    @property
    def used(self) -> int:
        """Arrays that the reader still has."""
        return self._places.used

    def _place(self, size: int) -> tuple[memoryview, int]:
        with self._lock:
            offset = self._places.allocate(size)
            if self._places.size > len(self._memory):
                os.ftruncate(self._file, self._places.size)
                self._memory = mmap.mmap(self._file, self._places.size)
            return memoryview(self._memory)[offset : offset + size], offset


class Reader:
    """The side that sees a region."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._memory: Any = None
        self._released: deque[int] = deque()

    def read(self, description: Description) -> Array:
        """A view, whose place is given back when nobody has it any more; strings are copied."""
        kind, shape, offset, size = description
        if offset < 0:
            return np.empty(shape, np.object_ if kind == "O" else np.dtype(kind))
        memory = memoryview(self._mapped(offset + size))[offset : offset + size]
        if kind == "O":
            array = deserialized(memory, shape)
            self._released.append(offset)
            return array
        flat = np.frombuffer(memory, np.dtype(kind))
        weakref.finalize(flat, self._released.append, offset).atexit = False
        return flat.reshape(shape)

    def released(self) -> list[int]:
        """Places given back since the last call.  Any thread may ask: each place is told once."""
        found = []
        with contextlib.suppress(IndexError):
            while True:
                found.append(self._released.popleft())
        return found

    def _mapped(self, end: int) -> Any:
        with self._lock:
            if self._memory is None or len(self._memory) < end:
                size = os.fstat(self._file).st_size
                if end > size:
                    raise ValueError("a tensor outside the shared memory was announced")
                self._memory = mmap.mmap(self._file, size)
            return self._memory


def serialized(value: Array) -> bytes:
    """Elements as BYTES; what is neither text nor bytes is written as text."""
    parts = []
    for item in value.ravel().tolist():
        data = item if isinstance(item, bytes) else str(item).encode()
        parts += [_LENGTH.pack(len(data)), data]
    return b"".join(parts)


def deserialized(memory: Any, shape: Iterable[int]) -> Array:
    """The elements as `bytes`; raises `ValueError` where the shape says another number."""
    data, items, offset = bytes(memory), [], 0
    while offset + _LENGTH.size <= len(data):
        (length,) = _LENGTH.unpack_from(data, offset)
        offset += _LENGTH.size
        items.append(data[offset : offset + length])
        offset += length
    array = np.empty(len(items), np.object_)
    array[:] = items
    return array.reshape(list(shape))
