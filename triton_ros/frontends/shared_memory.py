# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Shared memory that clients registered: attached once, and never used outside what they said.

A *lease* keeps a region attached while a request uses it; a region that is unregistered meanwhile
is gone for new requests at once, and its memory is let go with the last lease and the last array
that views it.

System memory is used in place.  Whoever may write to a shared memory object may also shrink it,
and reading a page that is gone kills a process: so the object's size is looked at with each lease,
and a region that has become too short is refused.  A client that shrinks an object between that
look and the end of its own request can still do harm; this is one reason why clients may register
nothing unless `allow_client_shm` says so.
"""

from __future__ import annotations

import mmap
import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

from triton_ros.core.errors import (
    AlreadyExistsError,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    OutOfBoundsError,
    UnsupportedError,
)
from triton_ros.core.tensor_bytes import Buffer
from triton_ros.frontends.exchange import RegionSlice

DIRECTORY = Path("/dev/shm")
"""Where POSIX shared memory objects are on Linux."""

RESERVED_PREFIXES = ("triton_python_backend_shm_region_", "triton_ros_")
"""Objects of servers' own: Triton's, and ours."""

CUDA_HANDLE_BYTES = 64
SYSTEM, CUDA = "system", "cuda"


class SharedMemoryOffError(UnsupportedError):
    """Clients may register none."""

    forbidden = True


class Memory(Protocol):
    """The bytes of a region."""

    def check(self) -> None:
        """Raise `InvalidArgumentError` if they are no longer there."""
        ...

    def read(self, offset: int, size: int) -> Buffer:
        """In place where the host can."""
        ...

    def write(self, offset: int, data: Buffer) -> None: ...

    def close(self) -> None: ...


OpenCuda: TypeAlias = Callable[[bytes, int, int], Memory]
"""(handle, device, byte size) to the memory; raises `TritonError`."""


def no_cuda(handle: bytes, device: int, byte_size: int) -> Memory:
    """Where no driver layer offers it."""
    raise UnsupportedError("CUDA shared memory is not available: this server has no CUDA driver")


@dataclass(frozen=True, slots=True)
class Region:
    """What a client registered; `key` and `offset` are system memory's, `device_id` is CUDA's."""

    kind: str
    name: str
    byte_size: int
    key: str = ""
    offset: int = 0
    device_id: int = 0


class _Attached:
    """A region and its memory.  Under `Regions`' lock, but for the bytes."""

    __slots__ = ("memory", "region", "retired", "users")

    def __init__(self, region: Region, memory: Memory) -> None:
        self.region = region
        self.memory = memory
        self.users = 0
        self.retired = False

    def close_if_unused(self) -> None:
        if self.retired and not self.users:
            self.memory.close()


@dataclass(frozen=True, slots=True)
class Lease:
    """A slice of a region, for as long as the request runs."""

    memory: Memory
    offset: int
    size: int

    def read(self) -> Buffer:
        """The bytes, in place where the host can."""
        return self.memory.read(self.offset, self.size)

    def write(self, data: Buffer) -> None:
        """From the slice's beginning; `data` is no longer than it."""
        self.memory.write(self.offset, data)


class Regions:
    """All registered regions; thread-safe.  `allowed` is Triton's ``--allow-client-shm``."""

    def __init__(self, allowed: bool, open_cuda: OpenCuda = no_cuda) -> None:
        self._allowed = allowed
        self._open_cuda = open_cuda
        self._lock = threading.Lock()
        self._regions: dict[str, _Attached] = {}

    def check_allowed(self) -> None:
        """Raise `UnsupportedError` where clients may not use shared memory."""
        if not self._allowed:
            raise SharedMemoryOffError(
                "Client shared memory is disabled. Start the server with '--allow-client-shm=true'"
                " to enable."
            )

    def register_system(self, name: str, key: str, offset: int, byte_size: int) -> None:
        """Attach to a POSIX shared memory object of this machine."""
        self.check_allowed()
        region = Region(SYSTEM, name, byte_size, key, offset)
        self._register(region, lambda: SystemMemory(region))

    def register_cuda(self, name: str, handle: bytes, device_id: int, byte_size: int) -> None:
        """Attach to memory of a GPU, by the handle of CUDA's interprocess communication."""
        self.check_allowed()
        if len(handle) != CUDA_HANDLE_BYTES:
            raise InvalidArgumentError(
                "'raw_handle' must be a valid base64 encoded cudaIpcMemHandle_t"
                f" ({CUDA_HANDLE_BYTES} bytes), got {len(handle)} bytes"
            )
        region = Region(CUDA, name, byte_size, device_id=device_id)
        self._register(region, lambda: self._open_cuda(handle, device_id, byte_size))

    def _register(self, region: Region, attach: Callable[[], Memory]) -> None:
        if region.byte_size < 1:
            raise InvalidArgumentError(
                f"failed to register shared memory region '{region.name}': invalid args"
            )
        with self._lock:
            if region.name in self._regions:
                raise AlreadyExistsError(f"shared memory region '{region.name}' already in manager")
            self._regions[region.name] = _Attached(region, attach())

    def unregister(self, kind: str, name: str = "") -> None:
        """Forget a region ("" for all of its kind); an unknown one is no error."""
        self.check_allowed()
        self._forget(kind, name)

    def _forget(self, kind: str, name: str = "") -> None:
        with self._lock:
            for each in [name] if name else list(self._regions):
                attached = self._regions.get(each)
                if attached is not None and attached.region.kind == kind:
                    del self._regions[each]
                    attached.retired = True
                    attached.close_if_unused()

    def status(self, kind: str, name: str = "") -> list[Region]:
        """One region of a kind, or all; raises `NotFoundError` for an unknown one."""
        with self._lock:
            found = [a.region for a in self._regions.values() if a.region.kind == kind]
        if name:
            found = [region for region in found if region.name == name]
            if not found:
                raise NotFoundError(f"Unable to find {kind} shared memory region: '{name}'")
        return found

    @contextmanager
    def lease(self, part: RegionSlice) -> Iterator[Lease]:
        """The slice, held within the block.  Raises `NotFoundError`, `InvalidArgumentError`."""
        self.check_allowed()
        attached = self._borrow(part)
        try:
            attached.memory.check()
            yield Lease(attached.memory, part.offset, part.byte_size)
        finally:
            with self._lock:
                attached.users -= 1
                attached.close_if_unused()

    def _borrow(self, part: RegionSlice) -> _Attached:
        with self._lock:
            attached = self._regions.get(part.region)
            if attached is None:
                raise NotFoundError(f"Unable to find shared memory region: '{part.region}'")
            size = attached.region.byte_size
            if not 0 <= part.offset < size:
                raise OutOfBoundsError(f"Invalid offset for shared memory region: '{part.region}'")
            if not 0 <= part.byte_size <= size - part.offset:
                raise OutOfBoundsError(
                    f"Invalid offset + byte size for shared memory region: '{part.region}'"
                )
            attached.users += 1
            return attached

    def close(self) -> None:
        """Forget everything."""
        for kind in (SYSTEM, CUDA):
            self._forget(kind)


class SystemMemory:
    """A POSIX shared memory object, mapped whole; offsets begin at the region's own."""

    def __init__(self, region: Region) -> None:
        self._region = region
        self._end = region.offset + region.byte_size
        self._file = _open(region)
        try:
            if region.offset < 0 or self._end > os.fstat(self._file).st_size:
                raise OutOfBoundsError(
                    f"failed to register shared memory region '{region.name}': invalid args"
                )
            self._map = mmap.mmap(self._file, self._end)
            self._view = memoryview(self._map)[region.offset : self._end]
        except (OSError, ValueError, OverflowError) as error:
            os.close(self._file)
            raise InvalidArgumentError(
                f"failed to register shared memory region '{region.name}': {error}"
            ) from error
        except BaseException:
            os.close(self._file)
            raise

    def check(self) -> None:
        """The object may have been shortened: see above."""
        if os.fstat(self._file).st_size < self._end:
            raise OutOfBoundsError(
                f"shared memory region '{self._region.name}' is shorter than it was registered:"
                f" '{self._region.key}' no longer has {self._end} bytes"
            )

    def read(self, offset: int, size: int) -> Buffer:
        return self._view[offset : offset + size]

    def write(self, offset: int, data: Buffer) -> None:
        self._view[offset : offset + len(data)] = data

    def close(self) -> None:
        os.close(self._file)
        self._view.release()
        with suppress(BufferError):  # an array still views it; it goes with that
            self._map.close()


def _open(region: Region) -> int:
    key = region.key
    file = key.lstrip("/")
    if not file or "/" in file or "\0" in file or file in (".", ".."):
        raise OutOfBoundsError(
            f"cannot register shared memory region '{region.name}' - invalid shm key '{key}'"
        )
    for prefix in RESERVED_PREFIXES:
        if file.startswith(prefix):
            raise OutOfBoundsError(
                f"cannot register shared memory region '{region.name}' with key '{key}' as the key"
                f" contains the reserved prefix '{prefix}'"
            )
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        found = os.open(DIRECTORY / file, flags)
    except OSError as error:
        raise InternalError(f"Unable to open shared memory region: '{key}'") from error
    if not stat.S_ISREG(os.fstat(found).st_mode):
        os.close(found)
        raise InternalError(f"Unable to open shared memory region: '{key}' is no shared memory")
    return found
