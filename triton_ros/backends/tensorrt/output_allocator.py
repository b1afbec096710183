# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Outputs whose size is known only once they were computed: TensorRT asks for the memory itself."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

Reserve = Callable[[str, int], int]
"""Name and bytes to the device's address."""


def make_allocator(trt: Any, reserve: Reserve) -> Any:
    """An `IOutputAllocator` with `shape` (of the last execution) and `failure`.

    TensorRT turns an exception of a callback into a null pointer and prints it; so it is kept.
    """
    return _class(trt)(reserve)


@cache  # a class is a circle: one for each instance would wait for the garbage collector
def _class(trt: Any) -> Any:
    class Allocator(trt.IOutputAllocator):  # type: ignore[misc]
        def __init__(self, reserve: Reserve) -> None:
            trt.IOutputAllocator.__init__(self)
            self.shape: tuple[int, ...] | None = None
            self.failure: Exception | None = None
            self._reserve = reserve

        def reallocate_output(self, name: str, memory: int, size: int, alignment: int) -> int:
            return self._address(name, size)

        def reallocate_output_async(
            self, name: str, memory: int, size: int, alignment: int, stream: int
        ) -> int:
            return self._address(name, size)

        def notify_shape(self, name: str, shape: Any) -> None:
            self.shape = tuple(int(size) for size in shape)

        def _address(self, name: str, size: int) -> int:
            try:
                return self._reserve(name, size)
            except Exception as error:
                self.failure = error
                return 0

    return Allocator
