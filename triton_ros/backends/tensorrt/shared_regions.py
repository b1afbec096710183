# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""CUDA memory of other processes, for frontends whose clients register it as shared memory.

CUDA looks at a handle, not at a size: how much a client may name is asked of the driver.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import numpy as np

from triton_ros.backends.tensorrt.cuda_driver import CudaDriver, CudaError, Stream
from triton_ros.backends.tensorrt.cuda_python_driver import CudaPythonDriver
from triton_ros.backends.tensorrt.device_owner import DeviceOwner, DeviceOwners
from triton_ros.backends.tensorrt.pycuda_driver import PycudaDriver
from triton_ros.core.errors import InternalError, InvalidArgumentError, UnsupportedError
from triton_ros.core.tensor_bytes import Buffer


class CudaRegions:
    """Opens regions, with the first driver library that this machine has."""

    def __init__(self, driver: CudaDriver | None = None) -> None:
        self._driver = driver
        self._owners: DeviceOwners | None = None

    def __call__(self, handle: bytes, device: int, byte_size: int) -> CudaRegion:
        """The memory that a handle stands for; raises `TritonError`."""
        if self._owners is None:
            self._driver = self._driver or _any_driver()
            self._owners = DeviceOwners(self._driver)
        try:
            count = self._driver.device_count() if self._driver else 0
            if not 0 <= device < count:
                raise InvalidArgumentError(
                    f"device_id is {device}; accepted: the number of a GPU, of which this machine"
                    f" has {count}"
                )
            return CudaRegion(self._owners, device, handle, byte_size)
        except CudaError as error:
            raise InvalidArgumentError(f"failed to open CUDA IPC handle: {error}") from error


class CudaRegion:
    """One region; see `frontends.shared_memory.Memory`."""

    def __init__(self, owners: DeviceOwners, device: int, handle: bytes, byte_size: int) -> None:
        self._owners = owners
        self._owner: DeviceOwner = owners.take(device)
        try:
            self._memory = self._owner.run(lambda: self._owner.device.open_shared(handle))
        except BaseException:
            owners.release(self._owner)
            raise
        if self._memory.size < byte_size:
            size = self._memory.size
            self.close()
            raise InvalidArgumentError(
                f"byte_size is {byte_size}; accepted: up to {size}, which the handle's memory has"
            )

    def check(self) -> None:
        """The driver keeps the memory while it is open."""

    def read(self, offset: int, size: int) -> Buffer:
        """A copy: the host has no view of it."""
        found = np.empty(size, np.uint8)
        address = self._memory.address + offset
        self._copy(lambda stream: self._owner.device.copy_out(found, address, stream))
        return found.data

    def write(self, offset: int, data: Buffer) -> None:
        """From `offset` on."""
        source = np.frombuffer(data, np.uint8)
        address = self._memory.address + offset
        self._copy(lambda stream: self._owner.device.copy_in(address, source, stream))

    def close(self) -> None:
        """Let go of it; the process that made it keeps it."""
        with suppress(CudaError):  # of a device that has failed: it is all gone then
            self._owner.run(self._memory.free)
        self._owners.release(self._owner)

    def _copy(self, enqueue: Callable[[Stream], None]) -> None:
        def copy() -> None:
            stream = self._owner.device.stream()
            enqueue(stream)
            stream.synchronize()

        try:
            self._owner.run(copy)
        except CudaError as error:
            raise InternalError(f"CUDA shared memory: {error}") from error


def _any_driver() -> CudaDriver:
    why = []
    for make in (PycudaDriver, CudaPythonDriver):
        try:
            driver: CudaDriver = make()
            driver.device_count()
        except (UnsupportedError, CudaError) as error:
            why.append(str(error))
        else:
            return driver
    raise UnsupportedError(f"CUDA shared memory is not available: {'; '.join(why)}")
