# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The protobuf wire format: as protobuf reads it, and nothing else than `TritonError` comes out."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from tritonclient.grpc import service_pb2

from triton_ros.core.errors import InvalidArgumentError, TritonError
from triton_ros.core.infer_parameter import set_parameter
from triton_ros.core.tensor import Array
from triton_ros.frontends import v2_proto
from triton_ros.frontends.exchange import AnswerOutput, InferAnswer, RegionSlice, WantedOutput
from triton_ros.frontends.v2_proto import (
    decode_call,
    encode_answer,
    encode_stream_error,
    encode_streamed,
    refused_call,
    split_raw,
)


def request(**fields: Any) -> Any:
    return service_pb2.ModelInferRequest(model_name="m", **fields)


def tensor(name: str = "x", datatype: str = "FP32", shape: Any = (2,), **more: Any) -> Any:
    kind = service_pb2.ModelInferRequest.InferInputTensor
    return kind(name=name, datatype=datatype, shape=list(shape), **more)


def contents(**values: Any) -> Any:
    return service_pb2.InferTensorContents(**values)


def parameter(value: Any) -> Any:
    found = service_pb2.InferParameter()
    set_parameter(found, "p", value)
    return found


def decode(message: Any) -> Any:
    return decode_call(service_pb2, message.SerializeToString())


MESSAGES = st.builds(
    lambda name, version, id, raw, extra, inputs: service_pb2.ModelInferRequest(
        model_name=name,
        model_version=version,
        id=id,
        raw_input_contents=raw,
        inputs=[tensor(n, shape=[1]) for n in inputs],
        parameters={key: parameter(value) for key, value in extra.items()},
    ),
    st.text(max_size=5),
    st.text(max_size=5),
    st.text(max_size=200),
    st.lists(st.binary(max_size=300), max_size=4),
    st.dictionaries(
        st.text(max_size=5), st.booleans() | st.integers(0, 99) | st.text(), max_size=3
    ),
    st.lists(st.text(max_size=5), max_size=3),
)


@settings(max_examples=300, deadline=None)
@given(MESSAGES)
def test_a_walked_message_is_what_protobuf_reads(message: Any) -> None:
    rest, raw = split_raw(message.SerializeToString())
    found = service_pb2.ModelInferRequest.FromString(rest)
    assert not found.raw_input_contents
    assert [bytes(part) for part in raw] == list(message.raw_input_contents)
    found.raw_input_contents.extend(message.raw_input_contents)
    assert found == message


@settings(max_examples=1000, deadline=None)
@given(
    MESSAGES, st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=4), st.floats(0, 1)
)
def test_damaged_messages_are_refused_or_read_as_protobuf_reads_them(
    message: Any, damages: list[tuple[float, int]], cut: float
) -> None:
    data = bytearray(message.SerializeToString())
    for place, value in damages:
        if data:
            data[min(int(place * len(data)), len(data) - 1)] = value
    damaged = bytes(data[: int(cut * len(data)) + 1])
    try:
        wanted = service_pb2.ModelInferRequest.FromString(damaged)
    except DecodeError:
        wanted = None
    walked = None
    with suppress(v2_proto._Malformed, DecodeError):
        rest, raw = split_raw(damaged)
        walked = service_pb2.ModelInferRequest.FromString(rest)
        walked.raw_input_contents.extend(bytes(part) for part in raw)
    if walked is not None:
        assert walked == wanted
    with suppress(TritonError):
        decode_call(service_pb2, damaged)


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=80))
def test_no_bytes_do_more_than_be_refused(data: bytes) -> None:
    with suppress(TritonError):
        decode_call(service_pb2, data)
    assert refused_call(service_pb2, data).model_name == ""
    with suppress(v2_proto._Malformed):
        split_raw(data)


@pytest.mark.parametrize("size", [16, v2_proto.WALKED_BYTES])
@pytest.mark.parametrize("shift", range(5))
def test_raw_tensors_come_as_they_were_sent(size: int, shift: int) -> None:
    first = np.arange(size, dtype=np.float32)
    second = np.arange(size, dtype=np.uint8)
    message = request(
        id="i" * shift,
        inputs=[tensor("a", shape=[size]), tensor("b", "UINT8", [size])],
        raw_input_contents=[first.tobytes(), second.tobytes()],
    )
    a, b = decode(message).inputs
    np.testing.assert_array_equal(a.data, first)
    np.testing.assert_array_equal(b.data, second)
    assert a.data.flags.aligned


def test_large_tensors_are_views_of_the_message() -> None:
    pixels = np.zeros(1 << 16, np.uint8)
    data = request(
        inputs=[tensor("b", "UINT8", [len(pixels)])], raw_input_contents=[pixels.tobytes()]
    ).SerializeToString()
    found = decode_call(service_pb2, data).inputs[0].data
    begin = np.frombuffer(data, np.uint8).ctypes.data
    assert isinstance(found, np.ndarray)
    assert begin < found.ctypes.data < begin + len(data)


@pytest.mark.parametrize(
    ("datatype", "field", "values"),
    [
        ("BOOL", "bool_contents", [True, False]),
        ("INT8", "int_contents", [-128, 127]),
        ("INT16", "int_contents", [-5, 5]),
        ("INT32", "int_contents", [-(1 << 31), 1]),
        ("INT64", "int64_contents", [-(1 << 63), (1 << 63) - 1]),
        ("UINT8", "uint_contents", [0, 255]),
        ("UINT16", "uint_contents", [0, 65535]),
        ("UINT32", "uint_contents", [0, (1 << 32) - 1]),
        ("UINT64", "uint64_contents", [0, (1 << 64) - 1]),
        ("FP32", "fp32_contents", [0.5, -1.0]),
        ("FP64", "fp64_contents", [0.1, 1e300]),
        ("BYTES", "bytes_contents", [b"a", b"\xff"]),
    ],
)
def test_typed_contents(datatype: str, field: str, values: list[Any]) -> None:
    given_values = contents(**{field: values})
    call = decode(request(inputs=[tensor(datatype=datatype, contents=given_values)]))
    assert call.inputs[0].data.tolist() == values


def region(size: Any = 8, **more: Any) -> dict[str, Any]:
    found = {"shared_memory_region": "r", "shared_memory_byte_size": size, **more}
    return {name: parameter(value) for name, value in found.items()}


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (request(inputs=[tensor()]), "unable to find data for input tensor 'x' for model 'm'"),
        (
            request(
                inputs=[tensor(contents=contents(fp32_contents=[1, 2]))],
                raw_input_contents=[bytes(8)],
            ),
            "contents field must not be specified when using raw_input_contents for 'x'",
        ),
        (request(inputs=[tensor()], raw_input_contents=[bytes(8)] * 2), "unexpected raw_input"),
        (request(inputs=[tensor()], raw_input_contents=[bytes(7)]), "Expected 8, got 7"),
        (
            request(inputs=[tensor(contents=contents(int_contents=[1, 2]))]),
            "of type 'int_contents', expected datatype 'FP32'",
        ),
        (request(inputs=[tensor(contents=contents(fp32_contents=[1]))]), "do not fit"),
        (request(inputs=[tensor(datatype="FP16", contents=contents())]), "do not fit"),
        (
            request(inputs=[tensor(datatype="FP33")], raw_input_contents=[bytes(8)]),
            "FP33; accepted: BOOL",
        ),
        (request(inputs=[tensor(shape=[-2])], raw_input_contents=[b""]), "a dim is negative"),
        (
            request(inputs=[tensor(shape=[1 << 62, 1 << 62])], raw_input_contents=[b""]),
            "Expected ",
        ),
        (request(inputs=[tensor(shape=[0, 1 << 62])], raw_input_contents=[b""]), "too large"),
        (
            request(inputs=[tensor(contents=contents(), parameters=region())]),
            "unexpected 'content' provided when using shared memory for input tensor 'x'",
        ),
        (request(inputs=[tensor(parameters=region("8"))]), "'shared_memory_byte_size' parameter"),
        (request(inputs=[tensor(parameters=region(-1))]), "'shared_memory_byte_size' parameter"),
        (
            request(inputs=[tensor(parameters={"shared_memory_region": parameter(5)})]),
            "'shared_memory_region' parameter, expected string_param",
        ),
        (request(parameters={"a": service_pb2.InferParameter()}), "'a' parameter, expected"),
    ],
)
def test_what_is_wrong_is_named(message: Any, text: str) -> None:
    with pytest.raises(InvalidArgumentError) as error:
        decode(message)
    assert text in str(error.value)


def test_everything_of_a_request_arrives() -> None:
    wanted = service_pb2.ModelInferRequest.InferRequestedOutputTensor
    values: dict[str, Any] = {"b": True, "i": -5, "u": (1 << 64) - 1, "d": 1.5, "s": "t"}
    call = decode(
        request(
            model_version="3",
            id="7",
            parameters={name: parameter(value) for name, value in values.items()},
            inputs=[tensor(parameters=region(shared_memory_offset=4)), tensor("y")],
            raw_input_contents=[bytes(8)],
            outputs=[
                wanted(name="o", parameters={"classification": parameter(3)}),
                wanted(name="p", parameters=region()),
            ],
        )
    )
    assert (call.model_name, call.version, call.id) == ("m", "3", "7")
    assert call.parameters == values
    assert call.inputs[0].data == RegionSlice("r", 8, 4)
    assert call.inputs[1].data.tolist() == [0.0, 0.0]
    assert call.outputs == [
        WantedOutput("o", True, 3),
        WantedOutput("p", True, region=RegionSlice("r", 8)),
    ]


def output(array: Array, datatype: str) -> AnswerOutput:
    return AnswerOutput("y", datatype, array.shape, array)


def test_answers_are_what_protobuf_would_write() -> None:
    texts = np.empty(2, np.object_)
    texts[:] = [b"a", "ü"]
    outputs = [
        output(np.arange(300, dtype=np.float32).reshape(3, 100), "FP32"),
        output(texts, "BYTES"),
        AnswerOutput("z", "INT8", (4,), RegionSlice("r", 4, 8)),
    ]
    answer = InferAnswer("m", "2", "7", outputs, {"b": True, "i": 5, "s": "t", "d": 0.5})
    found = service_pb2.ModelInferResponse.FromString(encode_answer(service_pb2, answer))
    assert (found.model_name, found.model_version, found.id) == ("m", "2", "7")
    assert [list(o.shape) for o in found.outputs] == [[3, 100], [2], [4]]
    assert [len(raw) for raw in found.raw_output_contents] == [1200, 4 + 1 + 4 + 2, 0]
    assert found.outputs[2].parameters["shared_memory_region"].string_param == "r"
    assert found.outputs[2].parameters["shared_memory_offset"].int64_param == 8
    assert found.parameters["b"].bool_param and found.parameters["i"].int64_param == 5
    streamed = encode_streamed(service_pb2, answer)
    message = service_pb2.ModelStreamInferResponse.FromString(streamed)
    assert message.infer_response == found and not message.error_message
    error = service_pb2.ModelStreamInferResponse.FromString(
        encode_stream_error(service_pb2, "no", "7")
    )
    assert (error.error_message, error.infer_response.id) == ("no", "7")
