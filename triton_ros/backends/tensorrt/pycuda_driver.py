# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The CUDA driver by pycuda.

pycuda keeps a stack of contexts for each thread, and its objects can be released only on the thread
that made them.  So the primary context is retained and detached by one thread (the device's owner),
which also makes and frees everything; other threads push it around their work.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from triton_ros.backends.support import import_failure
from triton_ros.backends.tensorrt.cuda_driver import CudaError, Stream
from triton_ros.core.errors import UnsupportedError
from triton_ros.core.tensor import Array


class PycudaDriver:
    """Initializes CUDA; raises `UnsupportedError` where that cannot be."""

    def __init__(self) -> None:
        try:
            import pycuda.driver as cuda  # noqa: PLC0415 (lazy on purpose)
        except ModuleNotFoundError as error:
            raise import_failure(error, "tensorrt", "pycuda") from error
        except ImportError as error:
            raise UnsupportedError(
                f"the tensorrt backend: pycuda cannot be used on this machine ({error}); it needs"
                " NVIDIA's driver (libcuda.so.1)"
            ) from error
        self._cuda: Any = cuda

    def device_count(self) -> int:
        with _translated(self._cuda):
            self._cuda.init()
            return int(self._cuda.Device.count())

    def open(self, index: int) -> PycudaDevice:
        with _translated(self._cuda):
            return PycudaDevice(self._cuda, index)


class PycudaDevice:
    """One GPU."""

    def __init__(self, cuda: Any, index: int) -> None:
        self._cuda = cuda
        device = cuda.Device(index)
        attribute = cuda.device_attribute
        self.name: str = device.name()
        self.compute_capability: tuple[int, int] = device.compute_capability()
        self.integrated = bool(device.get_attribute(attribute.INTEGRATED))
        self._context: Any = device.retain_primary_context()

    @contextmanager
    def current(self) -> Iterator[None]:
        with _translated(self._cuda):
            self._context.push()
        try:
            with _translated(self._cuda):
                yield
        finally:
            self._context.pop()

    def stream(self) -> Stream:
        stream: Stream = self._cuda.Stream()
        return stream

    def event(self, *, busy_wait: bool = False) -> Any:
        flags = self._cuda.event_flags
        kind = flags.DISABLE_TIMING | (0 if busy_wait else flags.BLOCKING_SYNC)
        return self._cuda.Event(kind)

    def allocate(self, size: int) -> _DeviceMemory:
        with _translated(self._cuda):
            return _DeviceMemory(self._cuda.mem_alloc(size), size)

    def open_shared(self, handle: bytes) -> _SharedMemory:
        with _translated(self._cuda):
            return _SharedMemory(self._cuda, handle)

    def allocate_host(self, size: int, *, mapped: bool = False) -> _HostMemory:
        flags = self._cuda.host_alloc_flags.DEVICEMAP if mapped else 0
        with _translated(self._cuda):
            array = self._cuda.pagelocked_empty(size, np.uint8, mem_flags=flags)
            return _HostMemory(array, mapped)

    def copy_in(self, address: int, source: Array, stream: Stream) -> None:
        self._cuda.memcpy_htod_async(address, source, stream)

    def copy_out(self, target: Array, address: int, stream: Stream) -> None:
        self._cuda.memcpy_dtoh_async(target, address, stream)

    def free_memory(self) -> tuple[int, int]:
        free, total = self._cuda.mem_get_info()
        return int(free), int(total)

    def close(self) -> None:
        self._context.detach()  # left to the garbage collector, the context would stay
        # detach makes it current for that and leaves it so, unseen by pycuda's own stack
        ctypes.CDLL("libcuda.so.1").cuCtxPopCurrent_v2(ctypes.byref(ctypes.c_void_p()))


class _DeviceMemory:
    def __init__(self, allocation: Any, size: int) -> None:
        self._allocation = allocation
        self.address = int(allocation)
        self.size = size

    def free(self) -> None:
        self._allocation.free()


class _SharedMemory:
    def __init__(self, cuda: Any, handle: bytes) -> None:
        self._opened = cuda.IPCMemoryHandle(bytearray(handle))
        self.address = int(self._opened)
        self.size = int(cuda.mem_get_address_range(self.address)[1])

    def free(self) -> None:
        self._opened.close()


class _HostMemory:
    def __init__(self, array: Any, mapped: bool) -> None:
        self.array: Any = array
        self.size = int(array.nbytes)
        self.address = int(array.base.get_device_pointer()) if mapped else 0

    def free(self) -> None:
        allocation, self.array = self.array.base, None
        allocation.free()


@contextmanager
def _translated(cuda: Any) -> Iterator[None]:
    """Pycuda's exceptions have nothing in common with Python's of the same names."""
    try:
        yield
    except cuda.Error as error:
        full = isinstance(error, cuda.MemoryError)
        raise CudaError(str(error), out_of_memory=full) from error
