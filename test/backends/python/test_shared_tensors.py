# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Places in shared memory, and arrays that live there."""

from __future__ import annotations

import gc
import os
from collections import deque
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triton_ros.backends.python.shared_tensors import Allocator, Reader, Writer


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5000)), max_size=60))
def test_places_never_overlap_and_all_come_back(steps: list[tuple[bool, int]]) -> None:
    places = Allocator(4096, 1024)
    used: dict[int, int] = {}
    for take, size in steps:
        if take or not used:
            offset = places.allocate(size)
            assert offset % 64 == 0
            assert offset + size <= places.size
            for other, length in used.items():
                assert offset + size <= other or other + length <= offset
            used[offset] = max(size, 1)
        else:
            places.free(used.popitem()[0])
        assert places.used == len(used)
    for offset in used:
        places.free(offset)
    whole = places.size
    assert places.allocate(whole) == 0, "all of it is one place again"
    assert places.size == whole


@pytest.fixture
def sides() -> Iterator[tuple[Writer, Reader]]:
    file = os.memfd_create("test")
    yield Writer(file, 4096, 4096), Reader(file)
    os.close(file)


@pytest.mark.parametrize(
    "value",
    [
        np.arange(12, dtype=np.int64).reshape(3, 4),
        np.float16([[1.5]]),
        np.array(True),
        np.empty((0, 4), np.float32),
        np.asfortranarray(np.arange(6).reshape(2, 3)),
        np.arange(10)[::2],
    ],
)
def test_arrays_come_out_as_they_went_in(
    sides: tuple[Writer, Reader], value: np.ndarray[tuple[int, ...], np.dtype[np.generic]]
) -> None:
    writer, reader = sides
    got = reader.read(writer.write(value))
    assert (got.dtype, got.shape) == (value.dtype, value.shape)
    np.testing.assert_array_equal(got, value)


def test_strings_are_bytes(sides: tuple[Writer, Reader]) -> None:
    writer, reader = sides
    value = np.array([["a", b"\xff\0", ""], ["grün", "b", 3]], np.object_)
    got = reader.read(writer.write(value))
    assert got.tolist() == [[b"a", b"\xff\0", b""], ["grün".encode(), b"b", b"3"]]
    assert reader.read(writer.write(np.empty((0,), np.object_))).shape == (0,)


def test_a_place_comes_back_when_its_last_view_is_gone(sides: tuple[Writer, Reader]) -> None:
    writer, reader = sides
    whole = reader.read(writer.write(np.arange(100)))
    part = whole.reshape(10, 10)[3:4]
    del whole
    gc.collect()
    assert reader.released() == []
    assert part.tolist() == [list(range(30, 40))]
    del part
    gc.collect()
    writer.free(reader.released())
    assert writer.used == 0


def test_places_may_be_asked_for_by_many_threads(sides: tuple[Writer, Reader]) -> None:
    """Between a look and a grasp, another thread may have taken the last one."""

    class Taken(deque[int]):
        def __bool__(self) -> bool:
            return True

        def __len__(self) -> int:
            return 1

    _, reader = sides
    reader._released = Taken([64, 128])
    assert reader.released() == [64, 128]


def test_old_views_stay_valid_while_the_region_grows(sides: tuple[Writer, Reader]) -> None:
    writer, reader = sides
    arrays = [np.full(1000, number, np.int64) for number in range(20)]
    views = [reader.read(writer.write(array)) for array in arrays]
    for array, view in zip(arrays, views, strict=True):
        np.testing.assert_array_equal(array, view)


def test_a_place_outside_is_refused(sides: tuple[Writer, Reader]) -> None:
    _, reader = sides
    with pytest.raises(ValueError, match="outside"):
        reader.read(["<f4", [2048], 0, 8192])
