# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Merging and splitting, including what fails and what must not be copied or shared."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fake_backend import Source, row
from hypothesis import given, settings
from hypothesis import strategies as st

from triton_ros.core.errors import InternalError, InvalidArgumentError
from triton_ros.core.execution.batch_tensors import BatchPlan
from triton_ros.core.execution.merging import Batch, merge, split
from triton_ros.core.execution.payload import BufferPool, Item, item_key

PLAN = BatchPlan("m", batched=True)
UNBATCHED = BatchPlan("m", batched=False)


def item(value: Any, rows: int = 1, element: bool = False) -> Item:
    inputs = {"x": value}
    return Item(inputs, lambda o, t: None, rows, element, item_key(inputs, element))


def element(value: Any) -> Item:
    return item(value, element=True)


def test_a_lone_array_is_not_copied() -> None:
    x = row(1)
    assert np.shares_memory(merge([item(x)], BufferPool(), PLAN).inputs["x"], x)
    part = merge([element(x[0])], BufferPool(), PLAN).inputs["x"]
    assert part.shape == (1, 4)
    assert np.shares_memory(part, x)


def test_a_lone_strided_array_becomes_contiguous() -> None:
    x = np.zeros((8, 8), np.float32)[::2, ::2]
    merged = merge([item(x, rows=4)], BufferPool(), PLAN).inputs["x"]
    assert merged.flags.c_contiguous
    np.testing.assert_array_equal(merged, x)


def test_a_scalar_stays_a_scalar() -> None:
    merged = merge([item(np.array(3, np.float32))], BufferPool(), UNBATCHED).inputs["x"]
    assert merged.shape == ()


def test_elements_that_are_scalars_merge_and_split() -> None:
    items = [element(np.array(v, np.float32)) for v in (1, 2)]
    batch = merge(items, BufferPool(), PLAN)
    assert not batch.failed
    np.testing.assert_array_equal(batch.inputs["x"], np.float32([1, 2]))
    for answer, expected in zip(split({"y": batch.inputs["x"]}, batch, PLAN), (1, 2), strict=True):
        assert isinstance(answer["y"], np.ndarray)
        assert answer["y"].shape == ()
        assert answer["y"] == expected
    assert merge(items[:1], BufferPool(), PLAN).inputs["x"].shape == (1,)


def test_text_of_different_lengths_is_not_cut() -> None:
    batch = merge([item(np.array([["ab"]])), item(np.array([["abcdef"]]))], BufferPool(), PLAN)
    assert batch.inputs["x"].tolist() == [["ab"], ["abcdef"]]
    assert batch.inputs["x"].dtype == np.object_


@pytest.mark.parametrize("count", [1, 2])
def test_the_model_gets_native_byte_order(count: int) -> None:
    foreign = row(3).astype(">f4")
    merged = merge([item(foreign)] * count, BufferPool(), PLAN).inputs["x"]
    assert merged.dtype == np.dtype("=f4")
    assert merged.dtype.isnative
    np.testing.assert_array_equal(merged, row(3, count))


def test_a_failing_source_fails_alone() -> None:
    items = [
        element(Source(1)),
        element(Source(InvalidArgumentError("bad image"))),
        element(Source(ValueError("broken"))),
        element(row(2)[0]),
    ]
    batch = merge(items, BufferPool(), PLAN)
    assert batch.items == [items[0], items[3]]
    np.testing.assert_array_equal(batch.inputs["x"], np.concatenate([row(1), row(2)]))
    (first, error), (second, foreign) = batch.failed
    assert (first, second) == (items[1], items[2])
    assert isinstance(error, InvalidArgumentError)
    assert isinstance(foreign, InternalError)
    assert "broken" in str(foreign)


def test_all_sources_failing_leaves_no_rows() -> None:
    batch = merge([element(Source(ValueError()))] * 2, BufferPool(), PLAN)
    assert batch.items == []
    assert batch.inputs["x"].shape == (0, 4)


def test_a_source_without_batch_dim() -> None:
    batch = merge([element(Source(5, (2, 3)))], BufferPool(), UNBATCHED)
    np.testing.assert_array_equal(batch.inputs["x"], np.full((2, 3), 5, np.float32))


def test_the_pool_gives_a_buffer_back_unless_an_answer_looks_into_it() -> None:
    pool = BufferPool()
    buffer = pool.take((2, 4), np.dtype(np.float32))
    pool.give(buffer, {"y": buffer[1:]})
    assert pool.take((2, 4), np.dtype(np.float32)) is not buffer
    pool.give(buffer, {"y": row(0)})
    assert pool.take((2, 4), np.dtype(np.float64)) is not buffer
    assert pool.take((2, 4), np.dtype(np.float32)) is buffer


def test_the_pool_is_bounded() -> None:
    pool = BufferPool(capacity=2)
    buffers = [pool.take((n, 4), np.dtype(np.float32)) for n in range(5)]
    for buffer in buffers:
        pool.give(buffer, {})
    again = [pool.take(b.shape, b.dtype) is b for b in buffers]
    assert sum(again) == 2


@pytest.mark.parametrize("output", [np.zeros(()), np.zeros((3, 4))])
def test_an_answer_with_another_batch_size_is_refused(output: np.ndarray[Any, Any]) -> None:
    with pytest.raises(InternalError, match=r"output 'y' has shape \[.*\] for a batch of 2"):
        items = [item(row()), item(row())]
        split({"y": output}, Batch({}, items, items), PLAN)


def test_keys_tell_names_and_row_shapes_apart() -> None:
    x = np.zeros((2, 3))
    assert item_key({"x": x}, False) == item_key({"x": np.zeros((5, 3))}, False)
    assert item_key({"x": x}, False) == item_key({"x": x[0]}, True)
    assert item_key({"x": x}, False) != item_key({"x": x.T}, False)
    assert item_key({"x": x}, False) != item_key({"z": x}, False)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["rows", "element", "source", "bad"]), st.integers(1, 3)),
        min_size=1,
        max_size=8,
    )
)
def test_every_item_gets_its_own_rows_back(kinds: list[tuple[str, int]]) -> None:
    def make(number: int, kind: str, rows: int) -> Item:
        if kind == "rows":
            return item(row(number, rows), rows)
        if kind == "element":
            return element(row(number)[0])
        return element(Source(number if kind == "source" else ValueError("bad")))

    items = [make(number, *kind) for number, kind in enumerate(kinds)]
    pool = BufferPool()
    batch = merge(items, pool, PLAN)
    failed = [i for i, _ in batch.failed]
    assert failed == [i for i, (kind, _) in zip(items, kinds, strict=True) if kind == "bad"]
    assert len(batch.inputs["x"]) == batch.rows
    answers = split({"y": batch.inputs["x"] + 0.5}, batch, PLAN)
    for done, answer in zip(batch.items, answers, strict=True):
        number = items.index(done)
        shape = (4,) if done.element else (done.rows, 4)
        np.testing.assert_array_equal(answer["y"], np.full(shape, number + 0.5, np.float32))
