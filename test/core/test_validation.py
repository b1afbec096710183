# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Requests that do not fit a model, in Triton's words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fake_backend import Source
from hypothesis import given, settings
from hypothesis import strategies as st

from triton_ros.core.config.model_config import InputConfig, ModelConfig, OutputConfig
from triton_ros.core.config.scheduling_config import (
    ControlKind,
    SequenceBatching,
    SequenceControl,
    SequenceState,
)
from triton_ros.core.errors import InvalidArgumentError, TritonError
from triton_ros.core.request import InferenceRequest
from triton_ros.core.tensor import TensorSpec
from triton_ros.core.validation import (
    InputChecker,
    check_inputs,
    check_outputs,
)


def config(max_batch_size: int = 8, *more: InputConfig) -> ModelConfig:
    return ModelConfig(
        "m",
        max_batch_size=max_batch_size,
        input=(InputConfig(TensorSpec("x", "FP32", (-1, 4))), *more),
        output=(OutputConfig(TensorSpec("y", "FP32", (4,))),),
    )


OPTIONAL = InputConfig(TensorSpec("o", "INT32", (1,)), optional=True)
SECOND = InputConfig(TensorSpec("z", "INT32", (1,)))


def zeros(*shape: int, dtype: Any = np.float32) -> Any:
    return np.zeros(shape, dtype)


def ask(**inputs: Any) -> InferenceRequest:
    return InferenceRequest("m", inputs)


def test_the_batch_size_is_the_first_dim() -> None:
    assert check_inputs(ask(x=zeros(8, 2, 4)), config()) == 8
    assert check_inputs(ask(x=zeros(2, 4)), config(0)) == 1
    assert check_inputs(ask(x=Source(1, (3, 2, 4))), config()) == 3


def test_optional_inputs_may_be_left_out() -> None:
    both = ask(x=zeros(2, 1, 4), o=zeros(2, 1, dtype=np.int32))
    assert check_inputs(both, config(8, OPTIONAL)) == 2
    assert check_inputs(ask(x=zeros(2, 1, 4)), config(8, OPTIONAL)) == 2


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"x": zeros(9, 2, 4)}, "inference request batch-size must be <= 8 for 'm'"),
        ({"x": zeros(0, 2, 4)}, "inference request batch-size must be 1 or more for 'm'"),
        (
            {"x": zeros(1, 2, 5)},
            "unexpected shape for input 'x' for model 'm'. Expected [-1,-1,4], got [1,2,5]. NOTE:",
        ),
        ({"x": zeros(2, 4)}, "Expected [-1,-1,4], got [2,4]"),
        ({"x": zeros()}, "Expected [-1,-1,4], got []"),
        (
            {"x": zeros(1, 2, 4, dtype=np.int32)},
            "inference input 'x' data-type is 'INT32', but model 'm' expects 'FP32'",
        ),
        ({"x": zeros(1, 2, 4, dtype=np.complex64)}, "'complex64' has no V2 datatype"),
        ({"q": zeros(1, 2, 4)}, "unexpected inference input 'q' for model 'm'; its inputs are x"),
        ({}, "expected 1 inputs but got 0 inputs for model 'm'. Got input(s) [], but missing"),
        ({"x": [[1.0]]}, "inference input 'x' must be an array, got list"),
        ({"x": None}, "inference input 'x' must be an array, got NoneType"),
    ],
)
def test_refused(inputs: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        check_inputs(ask(**inputs), config())
    assert message in str(caught.value)


def test_the_note_is_only_for_batched_models() -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        check_inputs(ask(x=zeros(2, 5)), config(0))
    assert str(caught.value).endswith("Expected [-1,4], got [2,5].")


def test_missing_inputs_are_named() -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        check_inputs(ask(x=zeros(1, 1, 4)), config(8, SECOND))
    assert str(caught.value) == (
        "expected 2 inputs but got 1 inputs for model 'm'. Got input(s) ['x'], but missing required"
        " input(s) ['z']. Please provide all required input(s)."
    )


def test_batch_sizes_must_agree() -> None:
    with pytest.raises(
        InvalidArgumentError, match=r"batch size does not match other inputs for 'm'"
    ):
        check_inputs(ask(x=zeros(2, 1, 4), z=zeros(3, 1, dtype=np.int32)), config(8, SECOND))


def test_unknown_outputs_name_the_known_ones() -> None:
    check_outputs(InferenceRequest("m", {}, outputs=("y",)), config())
    with pytest.raises(InvalidArgumentError, match="output 'q' for model 'm'; its outputs are y"):
        check_outputs(InferenceRequest("m", {}, outputs=("y", "q")), config())


# --- elements: a fan-out's rows, any number of them ---------------------------------------------


@pytest.mark.parametrize("max_batch_size", [0, 2])
@pytest.mark.parametrize("count", [0, 1, 50])
def test_any_number_of_elements(max_batch_size: int, count: int) -> None:
    assert InputChecker(config(max_batch_size)).elements(ask(x=zeros(count, 2, 4))) == count


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"x": zeros(3, 2, 5)}, "Expected [-1,-1,4], got [3,2,5]"),
        ({"x": zeros()}, "got []"),
        ({"x": zeros(3, 2, 4, dtype=np.int8)}, "data-type is 'INT8'"),
        ({"x": zeros(3, 2, 4), "z": zeros(2, 1, dtype=np.int32)}, "batch size does not match"),
        ({"x": zeros(3, 2, 4)}, "missing required input(s) ['z']"),
    ],
)
def test_elements_are_checked_too(inputs: dict[str, Any], message: str) -> None:
    more = (SECOND,) if "z" in message or "z" in inputs else ()
    with pytest.raises(InvalidArgumentError) as caught:
        InputChecker(config(2, *more)).elements(ask(**inputs))
    assert message in str(caught.value)


# --- properties ---------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from("xoq"),
        st.tuples(
            st.sampled_from([np.float32, np.float64, np.int32, np.complex64, "U3", "O", ">f4"]),
            st.lists(st.sampled_from([0, 1, 2, 4, 9]), max_size=4),
        ),
        max_size=3,
    ),
    st.sampled_from([0, 1, 8]),
)
def test_a_request_is_refused_or_fits(tensors: dict[str, Any], max_batch_size: int) -> None:
    inputs = {name: np.zeros(shape, dtype) for name, (dtype, shape) in tensors.items()}
    model = config(max_batch_size, OPTIONAL)
    try:
        rows = check_inputs(ask(**inputs), model)
    except TritonError as error:
        assert isinstance(error, InvalidArgumentError)
        return
    x = inputs["x"]
    assert x.dtype.kind == "f"
    assert x.itemsize == 4
    assert x.shape[-1] == 4
    assert x.ndim == (3 if max_batch_size else 2)
    assert set(inputs) <= {"x", "o"}
    if max_batch_size:
        assert 1 <= rows <= max_batch_size
        assert {array.shape[0] for array in inputs.values()} == {rows}


# --- what only some models have -----------------------------------------------------------------


def test_optional_inputs_change_the_sentence() -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        check_inputs(ask(o=zeros(1, 1, dtype=np.int32)), config(8, OPTIONAL))
    assert str(caught.value) == (
        "expected number of inputs between 1 and 2 but got 1 inputs for model 'm'. Got input(s)"
        " ['o'], but missing required input(s) ['x']. Please provide all required input(s)."
    )


def test_what_the_server_computes_is_no_input() -> None:
    control = SequenceControl(ControlKind.START, TensorSpec("S", "FP32", (1,)), (0.0, 1.0))
    state = SequenceState("i", "o", TensorSpec("i", "FP32", (1,)))
    model = config().with_changes(
        sequence_batching=SequenceBatching(control_input=(control,), state=(state,))
    )
    assert check_inputs(ask(x=zeros(1, 1, 4)), model) == 1
    for name in "Si":
        with pytest.raises(InvalidArgumentError, match=f"unexpected inference input '{name}'"):
            check_inputs(ask(x=zeros(1, 1, 4), **{name: zeros(1, 1)}), model)
    with pytest.raises(InvalidArgumentError, match="unexpected inference output 'o'"):
        check_outputs(InferenceRequest("m", {}, outputs=("o",)), model)


def test_a_reshape_is_the_models_business() -> None:
    tensor = InputConfig(TensorSpec("x", "FP32", (4, 1)), reshape=(2, 2))
    model = ModelConfig("m", max_batch_size=8, input=(tensor,))
    assert check_inputs(ask(x=zeros(3, 4, 1)), model) == 3
    with pytest.raises(InvalidArgumentError, match=r"Expected \[-1,4,1\], got \[3,2,2\]"):
        check_inputs(ask(x=zeros(3, 2, 2)), model)


def test_elements_of_bytes_tensors_are_bytes_or_str() -> None:
    model = ModelConfig("m", input=(InputConfig(TensorSpec("x", "BYTES", (-1,))),))
    for good in (
        np.array([b"a", "b"], object),
        np.array(["a"]),
        np.array([b"a"]),
        np.array([], "O"),
    ):
        assert check_inputs(ask(x=good), model) == 1
    with pytest.raises(InvalidArgumentError, match="input 'x' of model 'm' holds a str that is no"):
        check_inputs(ask(x=np.array(["a", "\ud800"], object)), model)
    for bad in (3, None, ["a"]):
        value = np.empty(2, object)
        value[:] = ["a", bad]
        with pytest.raises(
            InvalidArgumentError, match=f"holds a {type(bad).__name__}; elements of"
        ):
            check_inputs(ask(x=value), model)


def test_a_checker_serves_many_requests() -> None:
    checker = InputChecker(config(8, OPTIONAL))
    assert checker.rows(ask(x=zeros(2, 1, 4), o=zeros(2, 1, dtype=np.int32))) == 2
    assert checker.rows(ask(x=zeros(3, 1, 4))) == 3
    assert checker.rows(ask(x=zeros(3, 1, 4, dtype=">f4"))) == 3, "any byte order"
    assert checker.elements(ask(x=zeros(30, 1, 4))) == 30
    with pytest.raises(InvalidArgumentError, match="batch size does not match"):
        checker.rows(ask(x=zeros(2, 1, 4), o=zeros(3, 1, dtype=np.int32)))
    assert InputChecker(ModelConfig("m", max_batch_size=4)).rows(ask()) == 1


class Odd:
    """Looks like an array, a little."""

    def __init__(self, dtype: Any, shape: Any) -> None:
        self.dtype, self.shape = dtype, shape


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["x", "o", "", "\ud800", 3]),
        st.one_of(
            st.builds(Odd, st.sampled_from([None, "float32", np.dtype("f4")]), st.tuples()),
            st.builds(Odd, st.just(np.dtype("f4")), st.sampled_from([None, [1, 1, 4], (1, 1, 4)])),
            st.builds(
                np.zeros,
                st.lists(st.integers(0, 4), max_size=4),
                st.sampled_from(["f4", "i4", "O", "U2", "M8[s]", "V3", "c8", [("a", "f4")]]),
            ),
            st.none() | st.text(max_size=3) | st.floats(),
        ),
        max_size=3,
    ),
    st.sampled_from([0, 8]),
)
def test_anything_at_all_is_refused_or_fits(inputs: Any, max_batch_size: int) -> None:
    checker = InputChecker(config(max_batch_size, OPTIONAL))
    for check in checker.rows, checker.elements:
        try:
            check(InferenceRequest("m", inputs))
        except TritonError as error:
            str(error)
