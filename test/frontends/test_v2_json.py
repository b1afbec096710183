# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The JSON wire format: what goes in comes out, and nothing else than `TritonError` does."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from triton_ros.core.config.model_config import InputConfig, ModelConfig
from triton_ros.core.errors import InvalidArgumentError, TritonError, UnsupportedError
from triton_ros.core.tensor import DATATYPES, Array, TensorSpec, numpy_dtype
from triton_ros.core.tensor_bytes import to_bytes
from triton_ros.frontends.exchange import AnswerOutput, InferAnswer, RegionSlice, WantedOutput
from triton_ros.frontends.v2_generate import decode_generate, encode_generated
from triton_ros.frontends.v2_json import decode_call, decode_raw_call, encode_answer

X = {"name": "x", "datatype": "FP32", "shape": [2], "data": [1, 2]}


def body(head: Any, tail: bytes = b"") -> tuple[memoryview, int]:
    text = json.dumps(head).encode()
    return memoryview(text + tail), len(text)


def decode(head: Any, tail: bytes | None = None) -> Any:
    data, size = body(head, tail or b"")
    return decode_call("m", "", data, None if tail is None else size)


@st.composite
def tensors(draw: st.DrawFn) -> tuple[str, Array]:
    """Any tensor that V2 can have."""
    datatype = draw(st.sampled_from(DATATYPES))
    shape = tuple(draw(st.lists(st.integers(0, 4), max_size=3)))
    count = int(np.prod(shape))
    if datatype == "BYTES":
        found = np.empty(count, np.object_)
        found[:] = draw(st.lists(st.binary(max_size=9), min_size=count, max_size=count))
        return datatype, found.reshape(shape)
    dtype = numpy_dtype(datatype)
    raw = draw(st.binary(min_size=count * dtype.itemsize, max_size=count * dtype.itemsize))
    if datatype == "BOOL":
        raw = bytes(byte & 1 for byte in raw)
    return datatype, np.frombuffer(raw, dtype).reshape(shape)


def same(left: Array, right: Array) -> bool:
    if left.dtype.kind == "O":
        return left.shape == right.shape and left.ravel().tolist() == right.ravel().tolist()
    return (
        left.dtype == right.dtype
        and left.shape == right.shape
        and left.tobytes() == right.tobytes()
    )


@settings(max_examples=300, deadline=None)
@given(st.lists(tensors(), min_size=1, max_size=4), st.integers(0, 7))
def test_binary_tensors_come_as_they_were_sent(sent: list[tuple[str, Array]], shift: int) -> None:
    parts = [bytes(to_bytes("x", array)) for _, array in sent]
    head = {
        "pad": "x" * shift,  # so that they lie anywhere
        "inputs": [
            {
                "name": str(at),
                "datatype": datatype,
                "shape": list(array.shape),
                "parameters": {"binary_data_size": len(part)},
            }
            for at, ((datatype, array), part) in enumerate(zip(sent, parts, strict=True))
        ],
    }
    call = decode(head, b"".join(parts))
    for tensor, (datatype, array) in zip(call.inputs, sent, strict=True):
        assert tensor.datatype == datatype
        assert same(tensor.data, array)
        assert tensor.data.flags.aligned


@settings(max_examples=300, deadline=None)
@given(tensors(), st.booleans())
def test_what_is_answered_can_be_read_back(sent: tuple[str, Array], binary: bool) -> None:
    datatype, array = sent
    output = AnswerOutput("y", datatype, array.shape, array, binary)
    try:
        head, parts = encode_answer(InferAnswer("m", "1", "7", [output], {"p": 1}))
    except (InvalidArgumentError, UnsupportedError):
        assert not binary, "every tensor can be sent as bytes"
        return
    found = json.loads(head)
    (entry,) = found.pop("outputs")
    assert found == {"id": "7", "model_name": "m", "model_version": "1", "parameters": {"p": 1}}
    size = entry.get("parameters", {}).get("binary_data_size")
    assert (size is not None) == binary
    request = {**entry, "name": "x"}
    call = decode({"inputs": [request]}, b"".join(map(bytes, parts)) if binary else None)
    found_array = call.inputs[0].data
    if datatype in ("FP32", "FP64"):  # JSON has one NaN only
        np.testing.assert_array_equal(found_array, array)
    elif datatype == "BYTES":
        texts = [t if isinstance(t, bytes) else t.encode() for t in found_array.ravel().tolist()]
        assert texts == array.ravel().tolist()
    else:
        assert same(found_array, array)


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "name",
                    "datatype",
                    "shape",
                    "data",
                    "parameters",
                    "binary_data_size",
                    "inputs",
                    "outputs",
                    "id",
                    "classification",
                    "shared_memory_region",
                    "sequence_id",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=500, deadline=None)
@given(JSONS, JSONS, JSONS, st.binary(max_size=20), st.none() | st.integers(0, 200))
def test_no_json_does_more_than_be_refused(
    inputs: Any, outputs: Any, parameters: Any, tail: bytes, size: int | None
) -> None:
    for head in ({"inputs": inputs, "outputs": outputs, "parameters": parameters}, inputs):
        text = json.dumps(head).encode() + tail
        with suppress(TritonError):
            decode_call("m", "1", memoryview(text), size if size is None else min(size, len(text)))


@settings(max_examples=500, deadline=None)
@given(st.fixed_dictionaries({}, optional={key: JSONS for key in X}), st.binary(max_size=20))
def test_no_input_does_more_than_be_refused(changes: dict[str, Any], tail: bytes) -> None:
    for entry in ({**X, **changes}, changes):
        try:
            call = decode({"inputs": [entry]}, tail)
        except TritonError:
            continue
        assert len(call.inputs) == 1


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60), st.none() | st.integers(0, 60))
@example(b"[" * 60, None)
@example(b'{"inputs":' + b"[" * 50, 60)
def test_no_bytes_do_more_than_be_refused(data: bytes, size: int | None) -> None:
    with suppress(TritonError):
        decode_call("m", "", memoryview(data), size)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": [1]}, "Failed to parse 'data' field: shape does not match true shape"),
        ({"data": [1, [2, 3]]}, "Unable to parse 'data': Shape does not match true shape of"),
        ({"data": ["a", "b"]}, "attempt to access JSON non-number as double"),
        ({"data": [1, True]}, "attempt to access JSON non-number as double"),
        ({"datatype": "BOOL", "data": [1, 0]}, "attempt to access JSON non-boolean as boolean"),
        ({"datatype": "BYTES", "data": [1, 0]}, "attempt to access JSON non-string as string"),
        ({"datatype": "FP16"}, "receiving FP16 data via JSON is not supported"),
        ({"datatype": "BF16"}, "BF16; accepted: BOOL"),
        ({"datatype": "INT8", "data": [1, 200]}, "its values do not fit"),
        ({"datatype": "INT8", "data": [1, 1.5]}, "JSON non-signed-integer as signed-integer"),
        ({"shape": [-1]}, "attempt to access JSON non-unsigned-integer as unsigned-integer"),
        ({"shape": [1 << 62] * 20_000}, "has 20000 dims; accepted: up to 32"),
        ({"shape": [0, 1 << 62, 1 << 62], "data": []}, "do not fit"),
        ({"shape": [4, (1 << 60) + 2]}, "byte size overflow for input 'x': element count (46116"),
        ({"shape": [1 << 40, 1 << 40]}, "causes total element count to exceed maximum size"),
        ({"shape": 5}, "Unable to parse 'shape': attempt to access JSON non-array as array"),
        ({"name": 5}, "Unable to parse 'name': attempt to access JSON non-string as string"),
        ({"parameters": {"binary_data_size": 8}}, "But set 'data' 'binary_data_size'"),
        ({"parameters": {"shared_memory_region": "r"}}, "But set 'data' 'shared_memory_region'"),
    ],
)
def test_what_is_wrong_with_an_input_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError) as error:
        decode({"inputs": [{**X, **change}]})
    assert message in str(error.value)


@pytest.mark.parametrize("datatype", ["BYTES", "FP32"])
@pytest.mark.parametrize("shape", [[0, 1 << 62, 1 << 62], [1 << 62, 0, 4], [0, (1 << 63) - 1]])
def test_shapes_without_elements_may_be_beyond_any_array(datatype: str, shape: list[int]) -> None:
    entry = {"name": "x", "datatype": datatype, "shape": shape}
    with pytest.raises(InvalidArgumentError, match="a dim is too large"):
        decode({"inputs": [{**entry, "parameters": {"binary_data_size": 0}}]})
    with pytest.raises(InvalidArgumentError, match="do not fit"):
        decode({"inputs": [{**entry, "data": []}]})


@pytest.mark.parametrize("missing", ["name", "datatype", "shape", "data"])
def test_a_missing_field_is_named(missing: str) -> None:
    entry = {key: value for key, value in X.items() if key != missing}
    with pytest.raises(InvalidArgumentError) as error:
        decode({"inputs": [entry]})
    assert ("no field is set" if missing == "data" else f"'{missing}'") in str(error.value)


def binary(size: Any = 8) -> dict[str, Any]:
    return {"name": "x", "datatype": "FP32", "shape": [2], "parameters": {"binary_data_size": size}}


@pytest.mark.parametrize(
    ("size", "tail", "message"),
    [
        (8, b"1234", "unexpected size for input 'x', expecting 4 additional bytes for model 'm'"),
        (8, b"123456789", "unexpected additional input data for model 'm'"),
        (4, b"1234", "input byte size mismatch for input 'x' for model 'm'. Expected 8, got 4"),
        (-1, b"", "Unable to parse 'binary_data_size'"),
        (1 << 70, b"", "Unable to parse 'binary_data_size'"),
        ("8", b"", "Unable to parse 'binary_data_size'"),
    ],
)
def test_lengths_of_binary_tensors_are_checked(size: Any, tail: bytes, message: str) -> None:
    with pytest.raises(InvalidArgumentError) as error:
        decode({"inputs": [binary(size)]}, tail)
    assert message in str(error.value)


def test_binary_tensors_need_the_header() -> None:
    with pytest.raises(InvalidArgumentError, match="must specify valid 'Infer-Header-Content-Len"):
        decode({"inputs": [binary()]})


def test_an_output_in_shared_memory_has_no_parameters() -> None:
    """Triton's C++ client (`perf_analyzer`) refuses those without a `binary_data_size`."""
    output = AnswerOutput("y", "FP32", (2,), RegionSlice("R", 8))
    head, parts = encode_answer(InferAnswer("m", "1", "", [output], {}))
    assert json.loads(head)["outputs"] == [{"name": "y", "datatype": "FP32", "shape": [2]}]
    assert parts == []


def test_everything_of_a_request_arrives() -> None:
    call = decode(
        {
            "id": "a",
            "parameters": {"sequence_id": 3, "free": 1.5, "nothing": None},
            "inputs": [
                {**X, "data": [[1], [2]]},
                {
                    "name": "r",
                    "datatype": "INT8",
                    "shape": [4],
                    "parameters": {
                        "shared_memory_region": "R",
                        "shared_memory_byte_size": 4,
                        "shared_memory_offset": 8,
                    },
                },
            ],
            "outputs": [
                {"name": "y", "parameters": {"binary_data": True, "classification": 2}},
                {
                    "name": "z",
                    "parameters": {"shared_memory_region": "R", "shared_memory_byte_size": 9},
                },
            ],
        }
    )
    assert (call.id, call.parameters) == ("a", {"sequence_id": 3, "free": 1.5})
    assert call.inputs[0].data.tolist() == [1.0, 2.0]
    assert call.inputs[1].data == RegionSlice("R", 4, 8)
    assert call.outputs == [
        WantedOutput("y", True, 2),
        WantedOutput("z", region=RegionSlice("R", 9)),
    ]


def test_nesting_is_limited_before_it_is_parsed() -> None:
    deep = b'{"inputs":' + b"[" * 100_000
    with pytest.raises(InvalidArgumentError, match=r"nesting depth exceeds .* limit \(100\)"):
        decode_call("m", "", memoryview(deep), None)
    text = {"inputs": [{**X, "datatype": "BYTES", "data": ["[" * 500, '\\"{' * 500]}]}
    assert decode(text).inputs[0].data.size == 2, "brackets within strings nest nothing"


# raw requests ------------------------------------------------------------------------------------


def config(dims: tuple[int, ...], datatype: str = "FP32", batch: int = 0, inputs: int = 1) -> Any:
    specs = [InputConfig(TensorSpec(f"x{at}", datatype, dims)) for at in range(inputs)]
    return ModelConfig("m", max_batch_size=batch, input=tuple(specs))


@pytest.mark.parametrize(
    ("model", "size", "shape"),
    [
        (config((-1,)), 16, (4,)),
        (config((2, -1)), 16, (2, 2)),
        (config((4,), batch=8), 16, (1, 4)),
        (config((-1,)), 0, (0,)),
        (config((1,), "BYTES"), 5, (1,)),
    ],
)
def test_raw_bytes_take_the_shape_that_is_left(
    model: ModelConfig, size: int, shape: tuple[int, ...]
) -> None:
    call = decode_raw_call("m", "", memoryview(bytes(size)), model)
    assert call.inputs[0].shape == call.inputs[0].data.shape == shape  # type: ignore[union-attr]
    assert call.parameters == {"binary_data_output": True}


@pytest.mark.parametrize(
    ("model", "size", "message"),
    [
        (config((4,), inputs=2), 16, "Raw request must only have 1 input (found 1)"),
        (config((-1, -1)), 16, "more than one variable-sized dimension"),
        (config((-1,)), 15, "its 15 bytes are not a multiple of 4"),
        (config((4,)), 12, "Expected 16, got 12"),
        (config((-1,), "BYTES"), 12, "the model must have input shape [1]"),
        (config((2,), "BYTES"), 12, "the model must have input shape [1]"),
    ],
)
def test_raw_bytes_without_a_shape_are_refused(model: ModelConfig, size: int, message: str) -> None:
    with pytest.raises(InvalidArgumentError) as error:
        decode_raw_call("m", "", memoryview(bytes(size)), model)
    assert message in str(error.value)


# generate ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "value", "shape"),
    [
        (config((1,)), 3.5, (1,)),
        (config((-1,)), [1, 2, 3], (3,)),
        (config((-1,), batch=4), [1, 2, 3], (1, 3)),
        (config((2, -1), batch=4), [1, 2, 3, 4], (1, 2, 2)),
        (config((4,), batch=4), [1, 2, 3, 4, 5, 6, 7, 8], (2, 4)),
    ],
)
def test_generated_inputs_take_the_models_shape(
    model: ModelConfig, value: Any, shape: tuple[int, ...]
) -> None:
    call = decode_generate("m", "", memoryview(json.dumps({"x0": value}).encode()), model)
    assert call.inputs[0].shape == shape


def test_generate_has_parameters_at_both_places_and_plain_answers() -> None:
    text = {"id": "9", "x0": [1, 2], "top": 1, "parameters": {"nested": "a"}}
    call = decode_generate("m", "", memoryview(json.dumps(text).encode()), config((2,)))
    assert (call.id, call.parameters) == ("9", {"nested": "a", "top": 1})
    one = AnswerOutput("y", "INT32", (1,), np.array([5], np.int32))
    two = AnswerOutput("z", "BYTES", (2,), np.array([b"a", b"b"], np.object_))
    found = json.loads(encode_generated(InferAnswer("m", "2", "9", [one, two])))
    assert found == {"id": "9", "model_name": "m", "model_version": "2", "y": 5, "z": ["a", "b"]}


def test_generated_inputs_that_fit_no_shape_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="can not convert input 'x0' to tensor"):
        decode_generate("m", "", memoryview(b'{"x0": [1, 2, 3]}'), config((2,)))
