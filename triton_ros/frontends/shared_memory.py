# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Shared memory that clients registered: attached once, and never used outside what they said.

A *lease* keeps a region attached while a request uses it; a region that is unregistered meanwhile
is gone for new requests at once and detached with its last lease.
"""

from __future__ import annotations

import mmap
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from triton_ros.core.errors import (
    AlreadyExistsError,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    UnavailableError,
)
from triton_ros.core.tensor_bytes import Buffer
from triton_ros.frontends.exchange import RegionSlice

DIRECTORY = Path("/dev/shm")
"""Where POSIX shared memory objects are on Linux."""


@dataclass(frozen=True, slots=True)
class SystemRegion:
    """What a client registered."""

    name: str
    key: str
    offset: int
    byte_size: int


class _Attached:
    """A region and its memory; `users` is how many leases there are.  Under `Regions`' lock."""

    def __init__(self, region: SystemRegion, memory: mmap.mmap) -> None:
        self.region = region
        self.memory = memory
        self.users = 0
        self.retired = False

    def close_if_unused(self) -> None:
        if self.retired and not self.users:
            self.memory.close()


class Lease:
    """A slice of a region, for as long as the request runs."""

    def __init__(self, view: memoryview) -> None:
        self._view = view

    def read(self) -> Buffer:
        """The bytes, in place."""
        return self._view

    def write(self, data: Buffer) -> None:
        """From the slice's beginning; `data` is no longer than it."""
        self._view[: len(data)] = data


class Regions:
    """All registered regions; thread-safe.  `allowed` is Triton's ``--allow-client-shm``."""

    def __init__(self, allowed: bool) -> None:
        self._allowed = allowed
        self._lock = threading.Lock()
        self._regions: dict[str, _Attached] = {}

    def register_system(self, name: str, key: str, offset: int, byte_size: int) -> None:
        """Attach to a POSIX shared memory object of this machine."""
        self._check_allowed()
        with self._lock:
            if name in self._regions:
                raise AlreadyExistsError(f"shared memory region '{name}' already in manager")
            memory = _attach(name, key, offset, byte_size)
            self._regions[name] = _Attached(SystemRegion(name, key, offset, byte_size), memory)

    def unregister_system(self, name: str = "") -> None:
        """Forget a region ("" for all); an unknown one is no error."""
        self._check_allowed()
        with self._lock:
            for each in [name] if name else list(self._regions):
                attached = self._regions.pop(each, None)
                if attached is not None:
                    attached.retired = True
                    attached.close_if_unused()

    def system_status(self, name: str = "") -> list[SystemRegion]:
        """One region, or all; raises `NotFoundError` for an unknown one."""
        self._check_allowed()
        with self._lock:
            if name and name not in self._regions:
                raise NotFoundError(f"Unable to find system shared memory region: '{name}'")
            return [self._regions[each].region for each in ([name] if name else self._regions)]

    @contextmanager
    def lease(self, part: RegionSlice) -> Iterator[Lease]:
        """The slice, held within the block.

        Raises `NotFoundError` and `InvalidArgumentError`.
        """
        self._check_allowed()
        with self._lock:
            attached = self._regions.get(part.region)
            if attached is None:
                raise NotFoundError(f"Unable to find shared memory region: '{part.region}'")
            region = attached.region
            if part.offset < 0 or not 0 <= part.byte_size <= region.byte_size - part.offset:
                raise InvalidArgumentError(
                    f"Invalid offset + byte size for shared memory region: '{part.region}'"
                )
            attached.users += 1
        begin = region.offset + part.offset
        view = memoryview(attached.memory)[begin : begin + part.byte_size]
        try:
            yield Lease(view)
        finally:
            with self._lock:
                attached.users -= 1
                attached.close_if_unused()

    def close(self) -> None:
        """Forget everything."""
        if self._allowed:
            self.unregister_system()

    def _check_allowed(self) -> None:
        if not self._allowed:
            raise UnavailableError(
                "Client shared memory is disabled. Start the server with '--allow-client-shm=true'"
                " to enable."
            )


def _attach(name: str, key: str, offset: int, byte_size: int) -> mmap.mmap:
    file = key.removeprefix("/")
    if not file or "/" in file or file in (".", ".."):
        raise InvalidArgumentError(
            f"shared memory key '{key}' of region '{name}' is not a name of shared memory"
        )
    try:
        descriptor = os.open(DIRECTORY / file, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise InternalError(f"Unable to open shared memory region: '{key}'") from error
    try:
        size = os.fstat(descriptor).st_size
        if offset < 0 or byte_size < 1 or offset + byte_size > size:
            raise InvalidArgumentError(
                f"failed to register shared memory region '{name}': invalid args"
            )
        return mmap.mmap(descriptor, size)
    except OSError as error:
        raise InternalError(f"unable to map shared memory region '{key}': {error}") from error
    finally:
        os.close(descriptor)
