# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The codecs without a wire: round trips, other servers' ways to say it, and what is no answer."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tritonclient.grpc import service_pb2 as pb

from triton_ros.backends.kserve import grpc_codec, http_codec
from triton_ros.backends.kserve.exchange import RemoteConfig, RemoteRequest
from triton_ros.backends.kserve.tensor_bytes import from_bytes, to_bytes
from triton_ros.core.errors import InternalError, TritonError, UnsupportedError
from triton_ros.core.tensor import DATATYPES, numpy_dtype

NUMBERS = [datatype for datatype in DATATYPES if datatype != "BYTES"]


@given(st.sampled_from(NUMBERS), st.lists(st.integers(0, 5), max_size=3), st.integers(0, 2**32 - 1))
def test_every_datatype_and_shape_goes_there_and_back(
    datatype: str, shape: list[int], seed: int
) -> None:
    dtype = numpy_dtype(datatype)
    size = int(np.prod(shape)) * dtype.itemsize
    raw = np.random.default_rng(seed).integers(0, 2 if datatype == "BOOL" else 256, size, np.uint8)
    array = raw.view(dtype).reshape(shape)
    found = from_bytes("y", datatype, shape, bytes(to_bytes("y", array)))
    assert (found.dtype, found.shape, found.tobytes()) == (dtype, array.shape, array.tobytes())
    assert found.flags.writeable


@given(st.lists(st.one_of(st.text(), st.binary()), max_size=8))
def test_texts_and_bytes_go_there_and_back(items: list[str | bytes]) -> None:
    array = np.empty(len(items), np.object_)
    array[:] = items
    found = from_bytes("y", "BYTES", [len(items)], bytes(to_bytes("y", array)))
    assert list(found) == [i.encode() if isinstance(i, str) else i for i in items]


def test_views_and_other_byte_orders_are_sent_as_their_values() -> None:
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    for view in (array[:, ::2], array.T, array.astype(">f4")):
        found = from_bytes("y", "FP32", view.shape, bytes(to_bytes("y", view)))
        np.testing.assert_array_equal(found, view)
    assert from_bytes("y", "BYTES", [1], bytes(to_bytes("y", np.array(["ü"])))).tolist() == [
        "ü".encode()
    ]


@pytest.mark.parametrize(
    ("datatype", "shape", "data", "message"),
    [
        ("FP32", [2], b"1234", r"Expected 8, got 4"),
        ("FP32", [-1], b"1234", r"shape \[-1\]"),
        ("FP33", [1], b"1234", r"FP33; accepted: BOOL"),
        ("BF16", [2], b"1234", r"BF16; accepted"),
        ("BYTES", [1], b"\x05\0\0\0abc", r"string of length 5 but only 3 bytes"),
        ("BYTES", [2], b"\x01\0\0\0a", r"expecting 2"),
        ("BYTES", [1], b"\x01\0\0\0ab", r"expecting 4 bytes but only 1"),
        ("BYTES", [1 << 40], b"", r"expecting 1099511627776"),
        ("INT8", [1 << 62, 1 << 62], b"", r"Expected \d{30}"),
    ],
)
def test_bytes_that_are_not_what_is_announced(
    datatype: str, shape: list[int], data: bytes, message: str
) -> None:
    with pytest.raises(InternalError, match=message) as error:
        from_bytes("y", datatype, shape, data)
    assert "output 'y'" in str(error.value)


# --- gRPC ---------------------------------------------------------------------------------------


def _grpc(datatype: str, shape: list[int], **contents: Any) -> Any:
    message = pb.ModelInferResponse(model_name="m")
    message.outputs.add(name="y", datatype=datatype, shape=shape, contents=contents)
    return message


def test_typed_contents_as_some_servers_answer() -> None:
    for datatype, contents, values in (
        ("FP32", {"fp32_contents": [1.5, 2.5]}, [1.5, 2.5]),
        ("FP64", {"fp64_contents": [1.5, 2.5]}, [1.5, 2.5]),
        ("INT8", {"int_contents": [-1, 2]}, [-1, 2]),
        ("INT64", {"int64_contents": [-1, 1 << 60]}, [-1, 1 << 60]),
        ("UINT8", {"uint_contents": [0, 255]}, [0, 255]),
        ("UINT64", {"uint64_contents": [0, (1 << 64) - 1]}, [0, (1 << 64) - 1]),
        ("BOOL", {"bool_contents": [True, False]}, [True, False]),
        ("BYTES", {"bytes_contents": [b"a", b"\xff"]}, [b"a", b"\xff"]),
    ):
        found = grpc_codec.answer(_grpc(datatype, [1, 2], **contents)).outputs["y"]
        assert found.dtype == numpy_dtype(datatype)
        assert found.tolist() == [values]


@pytest.mark.parametrize(
    ("datatype", "shape", "contents"),
    [
        ("FP32", [3], {"fp32_contents": [1.0]}),
        ("INT8", [1], {"int_contents": [300]}),
        ("FP16", [1], {"fp32_contents": [1.0]}),
        ("FP32", [-5], {"fp32_contents": [1.0, 2.0]}),
        ("what", [1], {"fp32_contents": [1.0]}),
    ],
)
def test_typed_contents_that_do_not_fit(
    datatype: str, shape: list[int], contents: dict[str, Any]
) -> None:
    with pytest.raises(InternalError, match="output 'y'"):
        grpc_codec.answer(_grpc(datatype, shape, **contents))


def test_more_announced_than_sent() -> None:
    message = _grpc("INT8", [1])
    message.outputs.add(name="z", datatype="INT8", shape=[1])
    message.raw_output_contents.append(b"1")
    with pytest.raises(InternalError, match="2 outputs are announced, and 1 are in"):
        grpc_codec.answer(message)


# --- HTTP ---------------------------------------------------------------------------------------


def _http(*outputs: Any, **more: Any) -> memoryview:
    return memoryview(json.dumps({"outputs": list(outputs), **more}).encode())


def test_the_request_is_as_the_protocol_has_it() -> None:
    x = np.array([[1.0, 2.0]], np.float32)
    request = RemoteRequest({"x": x}, {"x": "FP32"}, "i", ("y",), {"priority": 1})
    head, parts = http_codec.infer_body(request, binary=True)
    assert json.loads(head) == {
        "id": "i",
        "parameters": {"priority": 1},
        "inputs": [
            {
                **{"name": "x", "shape": [1, 2], "datatype": "FP32"},
                "parameters": {"binary_data_size": 8},
            }
        ],
        "outputs": [{"name": "y", "parameters": {"binary_data": True}}],
    }
    assert b"".join(parts) == x.tobytes()
    head, parts = http_codec.infer_body(RemoteRequest({"x": x}, {"x": "FP32"}), binary=False)
    assert parts == []
    assert json.loads(head) == {
        "inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1.0, 2.0]}]
    }


def test_data_nested_or_flat() -> None:
    for data in ([[1, 2]], [1, 2]):
        output = {"name": "y", "datatype": "INT64", "shape": [1, 2], "data": data}
        found = http_codec.answer(_http(output, parameters={"a": 1, "b": None}), None)
        assert found.outputs["y"].tolist() == [[1, 2]]
        assert dict(found.parameters) == {"a": 1}


Y = {"name": "y", "datatype": "FP32", "shape": [1]}


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"[]", b"null", b'{"outputs": 1}', b"{}", b"[" * 100_000, b"\xff\xfe"),
        *(_http(1), _http({"name": 1}), _http({"name": "y"}), _http({**Y, "data": None})),
        *(_http({**Y, "data": ["a"]}), _http({**Y, "data": [1, 2]}), _http({**Y, "shape": [-1]})),
        *(_http({**Y, "shape": "x", "data": [1]}), _http({**Y, "datatype": "x", "data": [1]})),
        _http({**Y, "datatype": "INT8", "data": [1000]}),
        _http({**Y, "datatype": "BYTES", "data": [1]}),
        _http({**Y, "parameters": {"binary_data_size": 4}}),
        _http({**Y, "parameters": {"binary_data_size": -4}}),
        _http({**Y, "parameters": {"binary_data_size": "4"}}),
        _http({**Y, "parameters": 4, "data": [1]}),
        bytes(_http({**Y, "data": [1]})) + b"more",
    ],
)
def test_what_is_no_answer_is_an_internal_error(body: bytes) -> None:
    with pytest.raises(InternalError):
        http_codec.answer(memoryview(body), None)


def test_more_json_announced_than_sent() -> None:
    with pytest.raises(InternalError, match="100 bytes of JSON are announced"):
        http_codec.answer(memoryview(b"{}"), 100)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                *[["name", "datatype", "shape", "data", "parameters", "binary_data_size"]]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=12,
)


@given(JSON, st.binary(max_size=16), st.integers(0, 64))
def test_any_json_is_an_answer_or_an_error_of_ours(outputs: Any, tail: bytes, cut: int) -> None:
    head = json.dumps({"outputs": outputs}).encode()
    for body, size in ((head + tail, len(head)), (head[:cut], None), (head, None)):
        with contextlib.suppress(TritonError):
            http_codec.answer(memoryview(body), size)


@given(st.binary(max_size=200))
def test_any_message_is_an_answer_or_an_error_of_ours(data: bytes) -> None:
    message = pb.ModelInferResponse()
    try:
        message.ParseFromString(data)
    except Exception:  # protobuf's own: grpc makes it an error of the call
        return
    with contextlib.suppress(TritonError):
        grpc_codec.answer(message)


@given(st.dictionaries(st.sampled_from(["inputs", "outputs", "name"]), JSON, max_size=3))
def test_any_metadata_is_a_model_or_an_error_of_ours(metadata: dict[str, Any]) -> None:
    with contextlib.suppress(TritonError):
        http_codec.model(metadata, None)


def test_metadata_as_openvino_model_server_and_mlserver_say_it() -> None:
    metadata = {
        "name": "m",
        "inputs": [{"name": "x", "datatype": "FP32", "shape": ["1", "3", "224", "224"]}],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [1, 1000]}],
    }
    found = http_codec.model(metadata, None)
    assert found.inputs[0].dims == (1, 3, 224, 224)
    assert found.config is None
    assert http_codec.model({"name": "m"}, {}).config == RemoteConfig(0)
    with pytest.raises(UnsupportedError, match="input 'x' is BF16"):
        http_codec.model({"inputs": [{"name": "x", "datatype": "BF16", "shape": [1]}]}, None)
