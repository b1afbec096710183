# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The memory that one instance executes in.

Each tensor has a place on the device and, for copying, one in locked host memory; both are made
once, as large as the profile allows, and grow only where that was not known.  On a device whose
memory is the host's (a Jetson) the two are one, locked memory that the device sees: no copies.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from triton_ros.backends.tensorrt.cuda_driver import CudaError, HostMemory, Memory, Stream
from triton_ros.backends.tensorrt.device_owner import DeviceOwner
from triton_ros.core.errors import UnavailableError
from triton_ros.core.tensor import Array

ALIGNMENT = 256
"""Bytes, of every tensor's address."""


@dataclass(slots=True)
class _Place:
    device: Memory
    host: HostMemory | None
    """None where copies go from and to any memory; the same as `device` where it is mapped."""


class Buffers:
    """Of one instance; made and released on the device's thread, used on the instance's."""

    def __init__(self, owner: DeviceOwner, model: str, *, pinned: dict[str, bool]) -> None:
        """`pinned`: for each tensor, whether its copies go through locked memory."""
        self._owner = owner
        self._model = model
        self._pinned = pinned
        self._places: dict[str, _Place] = {}

    @property
    def mapped(self) -> bool:
        """Whether the device sees the host's memory."""
        return self._owner.device.integrated

    @property
    def device_bytes(self) -> int:
        return sum(place.device.size for place in self._places.values())

    def reserve(self, name: str, size: int) -> int:
        """The device's address of a place of at least `size` bytes.

        Raises `UnavailableError` when the device is full.
        """
        place = self._places.get(name)
        if place is None or place.device.size < size:
            rounded = max(1, -(-size // ALIGNMENT)) * ALIGNMENT
            self._owner.run(lambda: self._make(name, rounded))
        return self._places[name].device.address

    def copy_in(self, name: str, value: Array, stream: Stream) -> None:
        """Enqueue the copy of an input (C-contiguous) into its place."""
        place = self._places[name]
        source = value.reshape(-1).view(np.uint8)
        if place.host is not None:
            staging = place.host.array[: value.nbytes]
            np.copyto(staging, source)
            source = staging
        if place.host is not place.device:
            self._owner.device.copy_in(place.device.address, source, stream)

    def copy_out(self, name: str, size: int, stream: Stream) -> Array:
        """Enqueue the copy of an output out of its place; UINT8, there once the stream is."""
        place = self._places[name]
        target = np.empty(size, np.uint8) if place.host is None else place.host.array[:size]
        if place.host is not place.device:
            self._owner.device.copy_out(target, place.device.address, stream)
        return target

    def is_own(self, name: str) -> bool:
        """Whether what `copy_out` gave is nobody else's, so that it can be answered as it is."""
        return self._places[name].host is None

    def release(self) -> None:
        """On the device's thread."""
        for place in self._places.values():
            _free(place)
        self._places.clear()

    def _make(self, name: str, size: int) -> None:
        """On the device's thread; the old place goes first, for there may not be room for both."""
        old = self._places.pop(name, None)
        if old is not None:
            _free(old)
        device = self._owner.device
        try:
            if self.mapped:
                memory = device.allocate_host(size, mapped=True)
                self._places[name] = _Place(memory, memory)
                return
            place = _Place(device.allocate(size), None)
            self._places[name] = place
            if self._pinned[name]:
                place.host = device.allocate_host(size)
        except CudaError as error:
            free, total = device.free_memory()
            raise UnavailableError(
                f"model '{self._model}': no {size} bytes for tensor '{name}' on device"
                f" {self._owner.index} ({free} of {total} are free): {error}"
            ) from error


def _free(place: _Place) -> None:
    if place.host is not None and place.host is not place.device:
        place.host.free()
    place.device.free()
