# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What this backend needs of CUDA: the port that a driver library implements.

Whatever a library raises becomes a `CudaError` where it enters.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from triton_ros.core.tensor import Array


class CudaError(Exception):
    """A call of the driver failed; the message is the driver's."""

    def __init__(self, message: str, *, out_of_memory: bool = False) -> None:
        super().__init__(message)
        self.out_of_memory = out_of_memory


class Stream(Protocol):
    """Work in order."""

    @property
    def handle(self) -> int: ...

    def synchronize(self) -> None:
        """Wait for all of it; the GIL is free."""
        ...


class Event(Protocol):
    """A place in a stream."""

    def record(self, stream: Stream) -> None: ...

    def synchronize(self) -> None:
        """Wait until the stream is there; the GIL is free."""
        ...


class Memory(Protocol):
    """Memory that the device can use."""

    @property
    def address(self) -> int:
        """The device's."""
        ...

    @property
    def size(self) -> int:
        """Bytes."""
        ...

    def free(self) -> None:
        """On the thread that made it."""
        ...


class HostMemory(Memory, Protocol):
    """Memory of the host that copies to and from the device need not lock first."""

    @property
    def array(self) -> Array:
        """UINT8."""
        ...


class CudaDevice(Protocol):
    """One GPU and its primary context, which TensorRT and other libraries share."""

    name: str
    compute_capability: tuple[int, int]
    integrated: bool
    """Its memory is the host's (a Jetson): mapped host memory needs no copies."""

    def current(self) -> AbstractContextManager[None]:
        """A block in which this thread's calls go to this device."""
        ...

    def stream(self) -> Stream: ...

    def event(self, *, busy_wait: bool = False) -> Event: ...

    def allocate(self, size: int) -> Memory:
        """Raises `CudaError`."""
        ...

    def open_shared(self, handle: bytes) -> Memory:
        """Memory of another process, by the 64 bytes of CUDA's interprocess communication.

        Raises `CudaError`.
        """
        ...

    def allocate_host(self, size: int, *, mapped: bool = False) -> HostMemory:
        """`mapped`: with an address on the device.  Raises `CudaError`."""
        ...

    def copy_in(self, address: int, source: Array, stream: Stream) -> None:
        """Enqueue; the source must stay as it is until the stream has been synchronized."""
        ...

    def copy_out(self, target: Array, address: int, stream: Stream) -> None: ...

    def free_memory(self) -> tuple[int, int]:
        """Bytes that are free, and that there are."""
        ...

    def close(self) -> None:
        """Give the primary context back, on the thread that opened the device."""
        ...


class CudaDriver(Protocol):
    """A driver library."""

    def device_count(self) -> int:
        """Raises `CudaError` where there is no driver, or no device."""
        ...

    def open(self, index: int) -> CudaDevice:
        """On the thread that will close it."""
        ...
