# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Reshape, ragged inputs, batch inputs and batch outputs: Triton's values, each its own part."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triton_ros.core.config.model_config import InputConfig, ModelConfig, OutputConfig
from triton_ros.core.config.scheduling_config import (
    BatchInput,
    BatchInputKind,
    BatchOutput,
    ControlKind,
    DirectStrategy,
    SequenceBatching,
    SequenceControl,
)
from triton_ros.core.errors import InternalError
from triton_ros.core.execution.batch_tensors import BatchPlan, Reshape, batch_inputs
from triton_ros.core.execution.merging import merge, split
from triton_ros.core.execution.payload import BufferPool, Item, item_key
from triton_ros.core.tensor import Array, TensorSpec

X = TensorSpec("x", "FP32", (-1,))
Y = TensorSpec("y", "FP32", (-1,))


class Part:
    """A `TensorSource` that writes an array, or fails after writing rubbish."""

    def __init__(self, value: Array, bad: bool = False) -> None:
        self.shape = value.shape
        self.dtype = value.dtype
        self._value = value
        self._bad = bad

    def write(self, out: Array) -> None:
        assert out.shape == self.shape
        out[...] = 666 if self._bad else self._value
        if self._bad:
            raise ValueError("bad")


def item(value: Any, element: bool = False, null: bool = False) -> Item:
    rows = 1 if element else value.shape[0]
    return Item({"x": value}, lambda o, t: None, rows, element, null=null)


def numbers(*shape: int) -> Array:
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


def config(**fields: Any) -> ModelConfig:
    defaults: dict[str, Any] = {
        "max_batch_size": 8,
        "input": (InputConfig(X),),
        "output": (OutputConfig(Y),),
    }
    return ModelConfig("m", **defaults | fields)


def plan(**fields: Any) -> BatchPlan:
    return BatchPlan.of(config(**fields))


def ragged(kind: BatchInputKind | None = None, datatype: str = "INT32", **fields: Any) -> BatchPlan:
    made = (BatchInput(kind, ("extra",), datatype, ("x",)),) if kind else ()
    return plan(
        input=(InputConfig(X, allow_ragged_batch=True),),
        batch_input=made,
        **fields,
    )


def test_a_plain_model_has_a_plain_plan() -> None:
    assert plan().plain
    assert not ragged().plain
    assert not plan(input=(InputConfig(X, reshape=(1, -1)),)).plain
    assert not plan(output=(OutputConfig(Y, reshape=(1, -1)),)).plain


# reshape ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_dims", "wanted", "shape", "expected"),
    [
        ((4,), (2, 2), (4,), (2, 2)),
        ((1,), (), (1,), ()),
        ((), (1,), (), (1,)),
        ((2, 4, -1, 6), (8, -1, 1, 6), (2, 4, 5, 6), (8, 5, 1, 6)),
        ((-1, -1), (-1, 1, -1), (0, 3), (0, 1, 3)),
    ],
)
def test_variable_dims_keep_their_order(
    given_dims: Any, wanted: Any, shape: Any, expected: Any
) -> None:
    assert Reshape(given_dims, wanted)(shape) == expected


@pytest.mark.parametrize("alone", [True, False])
def test_the_model_sees_reshaped_inputs_and_callers_do_not(alone: bool) -> None:
    p = plan(
        input=(InputConfig(TensorSpec("x", "FP32", (4,)), reshape=(2, 2)),),
        output=(OutputConfig(TensorSpec("y", "FP32", (4,)), reshape=(2, 2)),),
    )
    x = numbers(3, 4)
    items = [item(x)] if alone else [item(x[:1]), item(x[1], element=True), item(Part(x[2]), True)]
    batch = merge(items, BufferPool(), p)
    np.testing.assert_array_equal(batch.inputs["x"], x.reshape(3, 2, 2))
    answers = split({"y": batch.inputs["x"] + 1}, batch, p)
    found = [a["y"] for a in answers]
    assert [f.shape for f in found] == ([(3, 4)] if alone else [(1, 4), (4,), (4,)])
    np.testing.assert_array_equal(np.concatenate([f.reshape(-1, 4) for f in found]), x + 1)


def test_reshape_without_batch_dim() -> None:
    p = plan(
        max_batch_size=0,
        input=(InputConfig(TensorSpec("x", "FP32", (1, -1)), reshape=(-1,)),),
        output=(OutputConfig(TensorSpec("y", "FP32", (1, -1)), reshape=(-1,)),),
    )
    batch = merge([item(numbers(1, 5))], BufferPool(), p)
    assert batch.inputs["x"].shape == (5,)
    assert split({"y": batch.inputs["x"]}, batch, p)[0]["y"].shape == (1, 5)


def test_an_answer_that_cannot_be_reshaped_is_the_models_fault() -> None:
    p = plan(output=(OutputConfig(TensorSpec("y", "FP32", (4,)), reshape=(2, 2)),))
    batch = merge([item(numbers(1, 4))], BufferPool(), p)
    with pytest.raises(InternalError, match=r"output 'y' has shape \[1, 5\]; its reshape says"):
        split({"y": numbers(1, 5)}, batch, p)


# ragged ----------------------------------------------------------------------------------------


def test_ragged_requests_lie_one_behind_the_other() -> None:
    items = [item(numbers(1, 3)), item(numbers(2, 2)), item(Part(numbers(5)), element=True)]
    batch = merge(items, BufferPool(), ragged())
    np.testing.assert_array_equal(batch.inputs["x"], [0, 1, 2, 0, 1, 2, 3, 0, 1, 2, 3, 4])


def test_a_lone_ragged_request_is_flat_too() -> None:
    assert merge([item(numbers(2, 3))], BufferPool(), ragged()).inputs["x"].shape == (6,)


def test_a_failing_source_leaves_no_hole_in_a_ragged_batch() -> None:
    items = [item(numbers(1, 2)), item(Part(numbers(1, 4), bad=True)), item(numbers(1, 3))]
    batch = merge(items, BufferPool(), ragged(BatchInputKind.BATCH_ELEMENT_COUNT))
    np.testing.assert_array_equal(batch.inputs["x"], [0, 1, 0, 1, 2])
    np.testing.assert_array_equal(batch.inputs["extra"], [2, 3])
    assert [failed for failed, _ in batch.failed] == [items[1]]


def test_the_key_leaves_out_ragged_shapes_and_tells_dtypes_apart() -> None:
    def key(value: Array, names: frozenset[str] = frozenset()) -> Any:
        return item_key({"x": value}, False, names)

    names = frozenset("x")
    assert key(numbers(1, 3)) != key(numbers(1, 4))
    assert key(numbers(1, 3), names) == key(numbers(2, 4), names)
    assert key(numbers(1, 3), names) != key(numbers(1, 3).astype(np.int32), names)
    assert key(numbers(1, 3)) != key(numbers(1, 3).astype(np.int32))
    assert key(np.array([["a"]])) == key(np.array([["abc"]]))


# batch inputs ----------------------------------------------------------------------------------

KINDS = [
    (BatchInputKind.BATCH_ELEMENT_COUNT, [6, 4, 5]),
    (BatchInputKind.BATCH_ACCUMULATED_ELEMENT_COUNT, [6, 10, 15]),
    (BatchInputKind.BATCH_ACCUMULATED_ELEMENT_COUNT_WITH_ZERO, [0, 6, 10, 15]),
    (BatchInputKind.BATCH_MAX_ELEMENT_COUNT_AS_SHAPE, [0, 0, 0, 0, 0, 0]),
    (BatchInputKind.BATCH_ITEM_SHAPE, [[3], [3], [4], [5]]),
    (BatchInputKind.BATCH_ITEM_SHAPE_FLATTEN, [3, 3, 4, 5]),
]


@pytest.mark.parametrize("datatype", ["INT32", "FP32"])
@pytest.mark.parametrize(("kind", "expected"), KINDS)
def test_batch_inputs(kind: BatchInputKind, expected: Any, datatype: str) -> None:
    items = [item(numbers(2, 3)), item(numbers(4), element=True), item(numbers(1, 5))]
    found = merge(items, BufferPool(), ragged(kind, datatype)).inputs["extra"]
    assert found.dtype == (np.int32 if datatype == "INT32" else np.float32)
    assert found.shape == np.shape(expected)
    np.testing.assert_array_equal(found, expected)


def test_item_shapes_of_several_dims() -> None:
    """The example of model_config.proto: requests of shapes [1, 3, 5] and [2, 2, 4]."""
    shapes = [(1, 3, 5), (2, 2, 4)]
    for kind, expected in (
        (BatchInputKind.BATCH_ITEM_SHAPE, [[3, 5], [2, 4], [2, 4]]),
        (BatchInputKind.BATCH_ITEM_SHAPE_FLATTEN, [3, 5, 2, 4, 2, 4]),
    ):
        made = batch_inputs(ragged(kind), lambda name: shapes)
        np.testing.assert_array_equal(made["extra"], expected)


def test_a_batch_input_counts_what_the_model_sees() -> None:
    p = plan(
        input=(InputConfig(TensorSpec("x", "FP32", (1, -1)), reshape=(-1,)),),
        batch_input=(BatchInput(BatchInputKind.BATCH_ITEM_SHAPE, ("extra",), "INT32", ("x",)),),
    )
    batch = merge([item(numbers(2, 1, 3))], BufferPool(), p)
    np.testing.assert_array_equal(batch.inputs["extra"], [[3], [3]])


def test_a_batch_input_has_several_names() -> None:
    made = BatchInput(BatchInputKind.BATCH_ELEMENT_COUNT, ("a", "b"), "INT32", ("x",))
    inputs = merge([item(numbers(1, 3))], BufferPool(), plan(batch_input=(made,))).inputs
    assert inputs["a"].tolist() == inputs["b"].tolist() == [3]


def test_a_batch_input_needs_its_source() -> None:
    kind = BatchInputKind.BATCH_ELEMENT_COUNT
    lone = Item({"z": numbers(1, 3)}, lambda o, t: None)
    with pytest.raises(InternalError, match="needs input 'x'"):
        merge([lone], BufferPool(), ragged(kind))


# batch outputs ---------------------------------------------------------------------------------


def scatter(**fields: Any) -> BatchPlan:
    return ragged(batch_output=(BatchOutput(("y",), ("x",)),), **fields)


def test_a_flat_output_is_cut_like_the_inputs() -> None:
    p = scatter()
    items = [item(numbers(2, 3)), item(numbers(4), element=True), item(numbers(1, 5))]
    batch = merge(items, BufferPool(), p)
    for asked, answer in zip(items, split({"y": batch.inputs["x"] * 2}, batch, p), strict=True):
        np.testing.assert_array_equal(answer["y"], np.asarray(asked.inputs["x"]) * 2)


def test_fixed_dims_of_a_scattered_output_are_its_own() -> None:
    p = scatter(output=(OutputConfig(TensorSpec("y", "FP32", (-1, 2))),))
    batch = merge([item(numbers(1, 3)), item(numbers(1, 1))], BufferPool(), p)
    shapes = [a["y"].shape for a in split({"y": numbers(8)}, batch, p)]
    assert shapes == [(1, 3, 2), (1, 1, 2)]


def test_a_scattered_output_must_be_of_the_right_size() -> None:
    p = scatter()
    batch = merge([item(numbers(1, 3))], BufferPool(), p)
    with pytest.raises(InternalError, match="output 'y' has 4 elements; its batch_output needs 3"):
        split({"y": numbers(4)}, batch, p)


def test_a_scattered_output_cannot_have_more_variable_dims_than_its_source() -> None:
    p = scatter(output=(OutputConfig(TensorSpec("y", "FP32", (-1, -1))),))
    batch = merge([item(numbers(1, 3))], BufferPool(), p)
    with pytest.raises(InternalError, match="has a variable dim that its source_input does not"):
        split({"y": numbers(3)}, batch, p)


# gaps ------------------------------------------------------------------------------------------

READY = SequenceControl(ControlKind.READY, TensorSpec("ready", "INT32", (1,)), (7, 1))
DIRECT = SequenceBatching(DirectStrategy(), control_input=(READY,))


def controlled(value: Any) -> Item:
    inputs = {"x": value, "ready": np.ones(1, np.int32)}
    return Item(inputs, lambda o, t: None, element=True)


def test_null_rows_are_zero_and_answered_by_nobody() -> None:
    items = [Item({}, lambda o, t: None, null=True), item(numbers(1, 4)), item(numbers(1, 4))]
    batch = merge(items, BufferPool(), plan())
    np.testing.assert_array_equal(batch.inputs["x"][0], np.zeros(4))
    assert (batch.items, batch.rows, batch.all_rows) == (items[1:], 2, 3)
    answers = split({"y": np.arange(3)[:, None]}, batch, plan())
    assert [a["y"].tolist() for a in answers] == [[[1]], [[2]]]


def test_null_rows_of_text_are_empty() -> None:
    items = [item(np.array([[b"a"]], object)), Item({}, lambda o, t: None, null=True)]
    assert merge(items, BufferPool(), plan()).inputs["x"].tolist() == [[b"a"], [b""]]


def test_who_falls_out_of_fixed_rows_leaves_a_gap_that_says_so() -> None:
    p = plan(sequence_batching=DIRECT)
    items = [controlled(Part(numbers(4), bad=i == 1)) for i in range(3)]
    batch = merge(items, BufferPool(), p)
    assert batch.inputs["ready"].tolist() == [[1], [7], [1]]
    np.testing.assert_array_equal(batch.inputs["x"], [range(4), [0] * 4, range(4)])
    assert batch.items == [items[0], items[2]]
    answers = split({"y": np.arange(3)[:, None]}, batch, p)
    assert [a["y"].tolist() for a in answers] == [[0], [2]]


def test_an_input_that_numpy_would_stretch_fails_alone() -> None:
    items = [item(numbers(1, 4)), item(numbers(1, 1)), item(numbers(1, 4))]
    batch = merge(items, BufferPool(), plan())
    ((failed, error),) = batch.failed
    assert failed is items[1]
    assert "input 'x' has shape [1, 1] where its batch needs [1, 4]" in str(error)
    assert len(batch.inputs["x"]) == 2


# everything at once ----------------------------------------------------------------------------

ROUND_TRIPS = [
    scatter(),
    plan(),
    plan(
        input=(InputConfig(X, reshape=(1, -1)),),
        output=(OutputConfig(Y, reshape=(1, -1)),),
    ),
    plan(sequence_batching=DIRECT),
]


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, len(ROUND_TRIPS) - 1),
    st.lists(
        st.tuples(
            st.sampled_from(["rows", "element", "source", "bad", "null"]),
            st.integers(1, 3),
            st.integers(0, 4),
        ),
        min_size=1,
        max_size=8,
    ),
)
def test_everyone_gets_the_own_part_back(which: int, kinds: list[tuple[str, int, int]]) -> None:
    p = ROUND_TRIPS[which]

    def make(number: int, kind: str, rows: int, width: int) -> Item:
        width = width if p.ragged else 4
        value = np.full((rows, width), number, np.float32)
        if kind == "null":
            return Item({}, lambda o, t: None, rows, null=True)
        if kind == "rows":
            return item(value)
        part = value[0] if kind == "element" else Part(value[0], kind == "bad")
        return item(part, element=True)

    items = [make(number, *kind) for number, kind in enumerate(kinds)]
    if all(i.null for i in items):
        return
    batch = merge(items, BufferPool(), p)
    bad = [i for i, kind in zip(items, kinds, strict=True) if kind[0] == "bad"]
    assert [failed for failed, _ in batch.failed] == bad
    assert batch.items == [i for i in items if not i.null and i not in bad]
    if not batch.items:
        return
    for done, answer in zip(
        batch.items, split({"y": batch.inputs["x"] + 0.5}, batch, p), strict=True
    ):
        assert answer["y"].shape == tuple(done.inputs["x"].shape)
        assert np.all(answer["y"] == items.index(done) + 0.5)
