# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The fake TensorRT's way into the fake CUDA: device bytes, host functions, counters, faults."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

CUDA = ctypes.CDLL("libcuda.so.1", mode=ctypes.RTLD_GLOBAL)
CUDA.fakecuda_bytes.restype = ctypes.c_void_p
CUDA.fakecuda_bytes.argtypes = [ctypes.c_uint64, ctypes.c_size_t]
CUDA.fakecuda_device_of.argtypes = [ctypes.c_uint64]
CUDA.fakecuda_allocate.restype = ctypes.c_uint64
CUDA.fakecuda_allocate.argtypes = [ctypes.c_int, ctypes.c_size_t]
CUDA.fakecuda_release.argtypes = [ctypes.c_uint64]
CUDA.fakecuda_violation.argtypes = [ctypes.c_char_p]
CUDA.fakecuda_fault.argtypes = [ctypes.c_char_p]
CUDA.fakecuda_add.argtypes = [ctypes.c_char_p, ctypes.c_long]
CUDA.fakecuda_get.argtypes = [ctypes.c_char_p]
CUDA.fakecuda_get.restype = ctypes.c_long
_HOST_FUNCTION = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
CUDA.cuLaunchHostFunc.argtypes = [ctypes.c_void_p, _HOST_FUNCTION, ctypes.c_void_p]
CUDA.cuStreamSynchronize.argtypes = [ctypes.c_void_p]
CUDA.cuStreamIsCapturing.argtypes = [ctypes.c_void_p, ctypes.POINTER(ctypes.c_int)]

_KEPT: list[object] = []
"""Host functions of graphs may run as long as the process does."""


def violation(text: str) -> None:
    """Note a broken rule; a test that used the rig fails for it."""
    CUDA.fakecuda_violation(text.encode())


def fault(text: str) -> None:
    """What a GPU answers with an illegal memory access: noted, and sticky."""
    CUDA.fakecuda_fault(text.encode())


def add(counter: str, change: int = 1) -> None:
    CUDA.fakecuda_add(counter.encode(), change)


def knob(name: str) -> int:
    return int(CUDA.fakecuda_get(name.encode()))


def current_device() -> int | None:
    """The device of the calling thread's context; None when it has none."""
    device = ctypes.c_int()
    return None if CUDA.cuCtxGetDevice(ctypes.byref(device)) else device.value


def device_ready() -> bool:
    """Whether the driver was started and has a device."""
    number = ctypes.c_int()
    return not CUDA.cuDeviceGetCount(ctypes.byref(number)) and number.value > 0


def read(address: int, dtype: np.dtype, shape: tuple[int, ...]) -> NDArray | None:
    """A copy of what is at a device address; None where that is out of bounds."""
    size = dtype.itemsize * int(np.prod(shape))
    if size == 0:
        return np.empty(shape, dtype)
    place = CUDA.fakecuda_bytes(address, size)
    if not place:
        return None
    return np.frombuffer(ctypes.string_at(place, size), dtype).reshape(shape)


def write(address: int, value: NDArray) -> bool:
    """False where a device address is out of bounds."""
    if value.nbytes == 0:
        return True
    place = CUDA.fakecuda_bytes(address, value.nbytes)
    if not place:
        return False
    ctypes.memmove(place, np.ascontiguousarray(value).ctypes.data, value.nbytes)
    return True


def is_capturing(stream: int) -> bool:
    status = ctypes.c_int()
    return not CUDA.cuStreamIsCapturing(stream, ctypes.byref(status)) and status.value == 1


def synchronize(stream: int) -> bool:
    return CUDA.cuStreamSynchronize(stream) == 0


def launch(stream: int, function: Callable[[], None]) -> bool:
    """Have the stream call `function` in its turn."""
    called = _HOST_FUNCTION(lambda _: function())
    _KEPT.append(called)
    return CUDA.cuLaunchHostFunc(stream, called, None) == 0
