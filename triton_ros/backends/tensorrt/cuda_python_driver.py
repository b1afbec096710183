# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The CUDA driver by NVIDIA's own bindings (cuda-bindings), where pycuda is not to be compiled.

They are the C functions: what was made is destroyed here, when the object that stands for it goes.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from triton_ros.backends.support import import_failure
from triton_ros.backends.tensorrt.cuda_driver import CudaError, Event, Stream
from triton_ros.core.errors import UnsupportedError
from triton_ros.core.tensor import Array


class _Calls:
    """The driver's functions, which answer an error and what they are for."""

    def __init__(self, cuda: Any) -> None:
        self.cuda = cuda

    def __call__(self, name: str, *arguments: Any) -> Any:
        """Raises `CudaError`."""
        error, *results = getattr(self.cuda, name)(*arguments)
        if error:
            full = error == self.cuda.CUresult.CUDA_ERROR_OUT_OF_MEMORY
            raise CudaError(f"{name} failed: {self._text(error)}", out_of_memory=full)
        return results[0] if len(results) == 1 else tuple(results)

    def _text(self, error: Any) -> str:
        _, text = self.cuda.cuGetErrorString(error)
        return text.decode() if isinstance(text, bytes) else str(error.name)


class CudaPythonDriver:
    """Initializes CUDA; raises `UnsupportedError` where that cannot be."""

    def __init__(self) -> None:
        try:
            import cuda.bindings.driver  # noqa: PLC0415 (lazy on purpose)
        except ImportError as error:
            raise import_failure(error, "tensorrt", "cuda-bindings") from error
        self._call = _Calls(cuda.bindings.driver)

    def device_count(self) -> int:
        try:
            self._call("cuInit", 0)
        except CudaError:
            raise
        except Exception as error:  # of finding the library: of no common kind
            raise UnsupportedError(
                f"the tensorrt backend: cuda-bindings cannot be used on this machine ({error}); it"
                " needs NVIDIA's driver (libcuda.so.1)"
            ) from error
        return int(self._call("cuDeviceGetCount"))

    def open(self, index: int) -> CudaPythonDevice:
        return CudaPythonDevice(self._call, index)


class CudaPythonDevice:
    """One GPU."""

    def __init__(self, call: _Calls, index: int) -> None:
        self._call = call
        self._device = call("cuDeviceGet", index)
        self.name: str = call("cuDeviceGetName", 256, self._device).split(b"\0")[0].decode()
        self.compute_capability: tuple[int, int] = (
            self._attribute("COMPUTE_CAPABILITY_MAJOR"),
            self._attribute("COMPUTE_CAPABILITY_MINOR"),
        )
        self.integrated = bool(self._attribute("INTEGRATED"))
        self._context = call("cuDevicePrimaryCtxRetain", self._device)

    @contextmanager
    def current(self) -> Iterator[None]:
        self._call("cuCtxPushCurrent", self._context)
        try:
            yield
        finally:
            self._call("cuCtxPopCurrent")

    def stream(self) -> Stream:
        return _Stream(self._call)

    def event(self, *, busy_wait: bool = False) -> Event:
        return _Event(self._call, busy_wait)

    def allocate(self, size: int) -> _DeviceMemory:
        return _DeviceMemory(self._call, size)

    def open_shared(self, handle: bytes) -> _SharedMemory:
        return _SharedMemory(self._call, handle)

    def allocate_host(self, size: int, *, mapped: bool = False) -> _HostMemory:
        return _HostMemory(self._call, size, mapped)

    def copy_in(self, address: int, source: Array, stream: Stream) -> None:
        self._call(
            *("cuMemcpyHtoDAsync", address, source.ctypes.data, source.nbytes, stream.handle)
        )

    def copy_out(self, target: Array, address: int, stream: Stream) -> None:
        self._call(
            *("cuMemcpyDtoHAsync", target.ctypes.data, address, target.nbytes, stream.handle)
        )

    def free_memory(self) -> tuple[int, int]:
        free, total = self._call("cuMemGetInfo")
        return int(free), int(total)

    def close(self) -> None:
        self._call("cuDevicePrimaryCtxRelease", self._device)

    def _attribute(self, name: str) -> int:
        attribute = getattr(self._call.cuda.CUdevice_attribute, f"CU_DEVICE_ATTRIBUTE_{name}")
        return int(self._call("cuDeviceGetAttribute", attribute, self._device))


class _Stream:
    def __init__(self, call: _Calls) -> None:
        self._call = call
        self._stream = call("cuStreamCreate", 0)
        self.handle = int(self._stream)

    def synchronize(self) -> None:
        self._call("cuStreamSynchronize", self._stream)

    def __del__(self) -> None:
        if hasattr(self, "_stream"):
            self._call.cuda.cuStreamDestroy(self._stream)


class _Event:
    def __init__(self, call: _Calls, busy_wait: bool) -> None:
        self._call = call
        flags = call.cuda.CUevent_flags
        kind = int(flags.CU_EVENT_DISABLE_TIMING)
        kind |= 0 if busy_wait else int(flags.CU_EVENT_BLOCKING_SYNC)
        self._event = call("cuEventCreate", kind)

    def record(self, stream: Stream) -> None:
        self._call("cuEventRecord", self._event, stream.handle)

    def synchronize(self) -> None:
        self._call("cuEventSynchronize", self._event)

    def __del__(self) -> None:
        if hasattr(self, "_event"):
            self._call.cuda.cuEventDestroy(self._event)


class _DeviceMemory:
    def __init__(self, call: _Calls, size: int) -> None:
        self._call = call
        self._pointer = call("cuMemAlloc", size)
        self.address = int(self._pointer)
        self.size = size

    def free(self) -> None:
        self._call("cuMemFree", self._pointer)


class _SharedMemory:
    def __init__(self, call: _Calls, handle: bytes) -> None:
        self._call = call
        given = call.cuda.CUipcMemHandle()
        ctypes.memmove(given.getPtr(), handle, len(handle))
        flags = int(call.cuda.CUipcMem_flags.CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS)
        self._pointer = call("cuIpcOpenMemHandle", given, flags)
        self.address = int(self._pointer)
        self.size = int(call("cuMemGetAddressRange", self._pointer)[1])

    def free(self) -> None:
        self._call("cuIpcCloseMemHandle", self._pointer)


class _HostMemory:
    def __init__(self, call: _Calls, size: int, mapped: bool) -> None:
        self._call = call
        self.size = size
        flags = call.cuda.CU_MEMHOSTALLOC_DEVICEMAP if mapped else 0
        self._pointer = int(call("cuMemHostAlloc", size, flags))
        bytes_there: Any = (ctypes.c_uint8 * size).from_address(self._pointer)
        self.array: Any = np.frombuffer(bytes_there, np.uint8)
        self.address = int(call("cuMemHostGetDevicePointer", self._pointer, 0)) if mapped else 0

    def free(self) -> None:
        self.array = None
        self._call("cuMemFreeHost", self._pointer)
