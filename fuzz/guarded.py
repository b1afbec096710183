# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Memory that ends where a page begins which nobody may read.

A byte read behind (or, of what lies at the front, before) a message that was put here ends the
process, whoever reads it: Python, numpy, or OpenCV's vector instructions.
"""

from __future__ import annotations

import ctypes
import mmap

_NONE = 0


class GuardedMemory:
    """`size` bytes between two pages that cannot be read."""

    def __init__(self, size: int) -> None:
        page = mmap.PAGESIZE
        self._room = -(-size // page) * page
        self._map = mmap.mmap(-1, self._room + 2 * page)
        self._view = memoryview(self._map)
        address = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        library = ctypes.CDLL(None, use_errno=True)
        for begin in (address, address + page + self._room):
            if library.mprotect(ctypes.c_void_p(begin), ctypes.c_size_t(page), _NONE):
                raise OSError(ctypes.get_errno(), "mprotect")
        self._begin = page

    def at_end(self, data: bytes) -> memoryview:
        """The bytes, right in front of the page behind."""
        return self._put(data, self._begin + self._room - len(data))

    def at_begin(self, data: bytes) -> memoryview:
        """The bytes, right behind the page in front."""
        return self._put(data, self._begin)

    def _put(self, data: bytes, at: int) -> memoryview:
        if len(data) > self._room:
            raise ValueError(f"{len(data)} bytes, there is room for {self._room}")
        self._view[at : at + len(data)] = data
        return self._view[at : at + len(data)].toreadonly()
