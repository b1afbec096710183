# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Shared memory: never outside what was registered, and nothing of it is left behind."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from triton_ros.core.errors import (
    AlreadyExistsError,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    TritonError,
    UnsupportedError,
)
from triton_ros.core.tensor_bytes import from_bytes
from triton_ros.frontends.exchange import RegionSlice
from triton_ros.frontends.shared_memory import DIRECTORY, Regions

SIZE = 256
BEGIN, LENGTH = 64, 128
"""Of the region within its object; the rest are canaries."""


@pytest.fixture
def key() -> Iterator[str]:
    """An object of 256 bytes that say where they are."""
    path = DIRECTORY / f"test_shm_{os.getpid()}"
    path.write_bytes(bytes(range(SIZE)))
    yield f"/{path.name}"
    path.unlink(missing_ok=True)


@pytest.fixture
def regions(key: str) -> Iterator[Regions]:
    """With the region "r" in the middle of the object."""
    found = Regions(allowed=True)
    found.register_system("r", key, BEGIN, LENGTH)
    yield found
    found.close()


def content(key: str) -> bytes:
    return (DIRECTORY / key.lstrip("/")).read_bytes()


def test_bytes_are_read_and_written_in_place(regions: Regions, key: str) -> None:
    with regions.lease(RegionSlice("r", 4, 8)) as lease:
        assert bytes(lease.read()) == bytes(range(72, 76))
        view = from_bytes("input 'x'", "UINT8", [4], lease.read())
        lease.write(b"abc")
        assert view.tobytes() == b"abc" + bytes([75])
    assert content(key)[70:77] == bytes([70, 71]) + b"abc" + bytes([75, 76])


@settings(
    max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.integers(-2, LENGTH + 2) | st.integers(-(1 << 65), 1 << 65),
    st.integers(-2, LENGTH + 2) | st.integers(-(1 << 65), 1 << 65),
)
def test_no_slice_reaches_beyond_its_region(
    regions: Regions, key: str, offset: int, size: int
) -> None:
    before = content(key)
    try:
        with regions.lease(RegionSlice("r", size, offset)) as lease:
            assert bytes(lease.read()) == before[BEGIN + offset : BEGIN + offset + size]
            lease.write(b"\xee" * size)
    except InvalidArgumentError:
        assert not (0 <= offset < LENGTH and 0 <= size <= LENGTH - offset)
        return
    after = content(key)
    assert after[:BEGIN] == before[:BEGIN]
    assert after[BEGIN + LENGTH :] == before[BEGIN + LENGTH :]
    with regions.lease(RegionSlice("r", LENGTH)) as lease:
        lease.write(bytes(range(BEGIN, BEGIN + LENGTH)))


@pytest.mark.parametrize(
    ("offset", "size"),
    [(0, SIZE + 1), (SIZE, 1), (1, SIZE), (0, 0), (-1, 1), (1 << 63, 1), (0, 1 << 70)],
)
def test_regions_beyond_the_object_are_refused(key: str, offset: int, size: int) -> None:
    regions = Regions(allowed=True)
    with pytest.raises(InvalidArgumentError, match="failed to register shared memory region 'x'"):
        regions.register_system("x", key, offset, size)
    assert regions.status("system") == []


@pytest.mark.parametrize(
    ("key", "kind", "text"),
    [
        ("/no_such_object", InternalError, "Unable to open shared memory region"),
        ("", InvalidArgumentError, "invalid shm key ''"),
        ("///", InvalidArgumentError, "invalid shm key '///'"),
        ("/../etc/passwd", InvalidArgumentError, "invalid shm key"),
        ("..", InvalidArgumentError, "invalid shm key '..'"),
        ("/a\0b", InvalidArgumentError, "invalid shm key"),
        ("/triton_python_backend_shm_region_1", InvalidArgumentError, "reserved prefix"),
        ("/" + "x" * 300, InternalError, "Unable to open"),
    ],
)
def test_keys_that_are_no_objects_of_clients(key: str, kind: type[TritonError], text: str) -> None:
    with pytest.raises(kind) as error:
        Regions(allowed=True).register_system("x", key, 0, 1)
    assert text in str(error.value)


def test_links_pipes_and_directories_are_no_shared_memory(key: str, tmp_path: Path) -> None:
    name = f"test_shm_other_{os.getpid()}"
    path = DIRECTORY / name
    makers: list[Any] = [
        lambda: path.symlink_to(DIRECTORY / key.lstrip("/")),
        lambda: os.mkfifo(path),
        path.mkdir,
    ]
    for make in makers:
        make()
        try:
            with pytest.raises(InternalError, match="Unable to open shared memory region"):
                Regions(allowed=True).register_system("x", f"/{name}", 0, 1)
        finally:
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


def test_names_are_taken_once_whatever_their_kind(regions: Regions, key: str) -> None:
    with pytest.raises(AlreadyExistsError, match="shared memory region 'r' already in manager"):
        regions.register_system("r", key, 0, 1)
    with pytest.raises(AlreadyExistsError, match="'r' already in manager"):
        regions.register_cuda("r", bytes(64), 0, 1)
    regions.unregister("cuda", "r")
    assert [region.name for region in regions.status("system")] == ["r"]
    regions.unregister("system", "r")
    regions.unregister("system", "r")
    with pytest.raises(NotFoundError, match="Unable to find system shared memory region: 'r'"):
        regions.status("system", "r")


def test_a_region_outlives_its_registration_while_it_is_used(regions: Regions, key: str) -> None:
    with regions.lease(RegionSlice("r", LENGTH)) as lease:
        view = from_bytes("input 'x'", "UINT8", [LENGTH], lease.read())
        regions.unregister("system")
        with pytest.raises(NotFoundError), regions.lease(RegionSlice("r", 1)):
            pass
        assert bytes(lease.read()) == content(key)[BEGIN : BEGIN + LENGTH]
    assert view.tobytes() == content(key)[BEGIN : BEGIN + LENGTH], "an array keeps its memory"
    assert open_maps(key) == 1
    del view, lease
    assert open_maps(key) == 0


def open_maps(key: str) -> int:
    return Path("/proc/self/maps").read_text().count(key.lstrip("/"))


def test_an_object_that_was_shortened_is_refused(regions: Regions, key: str) -> None:
    os.truncate(DIRECTORY / key.lstrip("/"), 100)
    lease = regions.lease(RegionSlice("r", 4))
    with pytest.raises(InvalidArgumentError, match="is shorter than it was registered"), lease:
        pass


def test_nothing_is_allowed_unless_it_is(key: str) -> None:
    regions = Regions(allowed=False)
    attempts: list[Any] = [
        lambda: regions.register_system("x", key, 0, 1),
        lambda: regions.register_cuda("x", bytes(64), 0, 1),
        lambda: regions.unregister("system"),
        lambda: regions.lease(RegionSlice("x", 1)).__enter__(),
    ]
    for attempt in attempts:
        with pytest.raises(UnsupportedError, match="Client shared memory is disabled"):
            attempt()
    assert regions.status("system") == []


class FakeCuda:
    """Memory of a GPU, as the driver layer would give it."""

    def __init__(self, handle: bytes, device: int, size: int) -> None:
        self.bytes = bytearray(size)
        self.closed = False

    def check(self) -> None:
        assert not self.closed

    def read(self, offset: int, size: int) -> bytes:
        return bytes(self.bytes[offset : offset + size])

    def write(self, offset: int, data: Any) -> None:
        self.bytes[offset : offset + len(data)] = data

    def close(self) -> None:
        self.closed = True


def test_memory_of_a_gpu_goes_through_the_driver_layer() -> None:
    opened: list[FakeCuda] = []

    def open_cuda(handle: bytes, device: int, size: int) -> FakeCuda:
        opened.append(FakeCuda(handle, device, size))
        return opened[-1]

    regions = Regions(allowed=True, open_cuda=open_cuda)
    for handle in (b"", bytes(63), bytes(65)):
        with pytest.raises(InvalidArgumentError, match="'raw_handle' must be a valid base64"):
            regions.register_cuda("c", handle, 0, 16)
    regions.register_cuda("c", bytes(64), 1, 16)
    with regions.lease(RegionSlice("c", 8, 8)) as lease:
        lease.write(b"12345678")
        regions.unregister("cuda")
        assert not opened[0].closed
        assert lease.read() == b"12345678"
    assert opened[0].closed
    assert opened[0].bytes == bytes(8) + b"12345678"
    with pytest.raises(UnsupportedError, match="no CUDA driver"):
        Regions(allowed=True).register_cuda("c", bytes(64), 0, 16)


def test_thousands_of_registrations_by_many_threads_leave_nothing(key: str) -> None:
    regions = Regions(allowed=True)
    before = len(os.listdir("/proc/self/fd"))
    errors: list[BaseException] = []

    def work(number: int) -> None:
        rng = np.random.default_rng(number)
        try:
            for _ in range(500):
                name = f"r{rng.integers(0, 3)}"
                with suppress(AlreadyExistsError):
                    regions.register_system(name, key, 0, SIZE)
                with suppress(NotFoundError), ExitStack() as stack:
                    lease = stack.enter_context(regions.lease(RegionSlice(name, 16)))
                    if rng.integers(0, 2):
                        regions.unregister("system", name)
                    assert bytes(lease.read()) == bytes(range(16))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    regions.close()
    assert open_maps(key) == 0
    assert len(os.listdir("/proc/self/fd")) == before
