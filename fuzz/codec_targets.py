# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What network clients send: bodies and messages of inference, addresses and headers."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from tritonclient.grpc import service_pb2

from fuzz.target import FindingError, Script, Target
from triton_ros.backends.kserve import grpc_codec, http_codec
from triton_ros.backends.kserve.exchange import RemoteRequest
from triton_ros.core.config.model_config import InputConfig, ModelConfig
from triton_ros.core.errors import TritonError
from triton_ros.core.telemetry.trace_settings import TraceSettings, parse_settings
from triton_ros.core.tensor import DATATYPES, Array, TensorSpec, numpy_dtype
from triton_ros.frontends import v2_proto
from triton_ros.frontends.control_json import _setting
from triton_ros.frontends.exchange import AnswerOutput, InferAnswer, InferCall
from triton_ros.frontends.http.bodies import accepted_encoding, json_size_of, unpacked
from triton_ros.frontends.http.routes import find_route
from triton_ros.frontends.json_fields import parse_object
from triton_ros.frontends.parameters import split_parameters
from triton_ros.frontends.v2_generate import decode_generate, encode_generated
from triton_ros.frontends.v2_json import decode_call, decode_raw_call, encode_answer

LIMIT = 1 << 16
_MESSAGES: Any = service_pb2


def _config(*specs: TensorSpec, batch: int = 0) -> ModelConfig:
    return ModelConfig("m", max_batch_size=batch, input=tuple(map(InputConfig, specs)))


_CONFIGS = (
    _config(TensorSpec("x", "FP32", (-1,))),
    _config(TensorSpec("x", "FP32", (2, -1)), TensorSpec("n", "INT64", (1,)), batch=4),
    _config(TensorSpec("x", "BYTES", (1,)), batch=8),
    _config(TensorSpec("x", "BOOL", (-1, 3)), TensorSpec("parameters", "INT8", (-1,))),
    _config(TensorSpec("x", "UINT64", (4,)), TensorSpec("id", "FP64", (-1, -1))),
)


def v2_json(data: bytes) -> None:
    """A body of inference, and the same tensors as an answer."""
    script = Script(data)
    flags, at = script.byte(), script.short()
    body = memoryview(script.rest())
    size = min(at, len(body)) if flags & 1 else None
    if flags & 2:
        decode_raw_call("m", "", body, _CONFIGS[flags >> 4 & 3])
    call = decode_call("m", "1", body, size)
    answer = _checked(call, bool(flags & 4))
    head, parts = encode_answer(answer)
    if len(head) + sum(map(len, parts)) > 64 * len(body) + 4096:
        raise FindingError(f"{len(body)} bytes are answered with {len(head)} and more")
    json.loads(head)


def _checked(call: InferCall, binary: bool) -> InferAnswer:
    """The call's tensors as an answer; each has to be what it says it is."""
    answer = InferAnswer("m", "1", call.id, parameters=call.parameters)
    for tensor in call.inputs:
        data = tensor.data
        if isinstance(data, np.ndarray):
            if data.shape != tensor.shape or data.dtype != numpy_dtype(tensor.datatype):
                raise FindingError(f"{tensor.name!r} is {data.dtype} {data.shape}, not {tensor}")
            if not data.flags.aligned:
                raise FindingError(f"{tensor.name!r} lies askew")
            data.tobytes()
        output = AnswerOutput(tensor.name, tensor.datatype, tensor.shape, data, binary)
        answer.outputs.append(output)
    split_parameters(call.parameters)
    return answer


def v2_proto_message(data: bytes) -> None:
    """A `ModelInferRequest`, walked and parsed: both have to find the same."""
    found = [_outcome(data, size) for size in (0, 1 << 40)]
    if isinstance(found[0], TritonError) or isinstance(found[1], TritonError):
        v2_proto.refused_call(_MESSAGES, data)
        if type(found[0]) is not type(found[1]):
            raise FindingError(f"walked: {found[0]!r}; parsed: {found[1]!r}")
        raise next(outcome for outcome in found if isinstance(outcome, TritonError))
    if _told(found[0]) != _told(found[1]):
        raise FindingError(f"walked: {found[0]!r}; parsed: {found[1]!r}")
    answer = _checked(found[0], True)
    v2_proto.encode_streamed(_MESSAGES, answer)


def _outcome(data: bytes, walked_from: int) -> InferCall | TritonError:
    usual, v2_proto.WALKED_BYTES = v2_proto.WALKED_BYTES, walked_from
    try:
        return v2_proto.decode_call(_MESSAGES, data)
    except TritonError as error:
        return error
    finally:
        v2_proto.WALKED_BYTES = usual


def _told(call: InferCall) -> tuple[object, ...]:
    tensors = [
        (t.name, t.datatype, t.shape, t.data.tolist() if isinstance(t.data, np.ndarray) else t.data)
        for t in call.inputs
    ]
    return call.model_name, call.id, repr(call.parameters), repr(tensors), call.outputs


def v2_generate(data: bytes) -> None:
    """A body of the generate extension."""
    script = Script(data)
    config = _CONFIGS[script.one_of(len(_CONFIGS))]
    call = decode_generate("m", "", memoryview(script.rest()), config)
    json.loads(encode_generated(_checked(call, False)))


def http_request(data: bytes) -> None:
    """An address, the headers that are read, and a body to be unpacked."""
    lines = data.split(b"\n", 4)
    path, size, accepted, encoding, body = (*lines, *[b""] * (5 - len(lines)))
    find_route(_header(path))
    accepted_encoding(_header(accepted))
    found = unpacked(memoryview(body), _header(encoding), LIMIT)
    if len(found) > LIMIT:
        raise FindingError(f"{len(body)} bytes became {len(found)}")
    json_size_of(_header(size) if size else None, len(found))


def _header(data: bytes) -> str:
    """As aiohttp decodes them."""
    return data.decode("utf-8", "surrogateescape")


def settings(data: bytes) -> None:
    """A body with trace settings."""
    values = {name: _setting(name, value) for name, value in parse_object(data).items()}
    fields = {name: value for name, value in parse_settings(values).items() if value is not None}
    TraceSettings(**fields).as_json()


# seeds -------------------------------------------------------------------------------------------


def _requests() -> Iterator[RemoteRequest]:
    for datatype in DATATYPES:
        if datatype == "BYTES":
            array: Array = np.array([["a", ""], ["xyz", "é"]], np.object_)
        else:
            array = np.arange(6).reshape(2, 3).astype(numpy_dtype(datatype))
        yield RemoteRequest({"x": array}, {"x": datatype}, "7", ("y",), {"priority": 3, "a": "b"})
    two = {"x": np.array([1, 2], np.float32), "n": np.array([3])}
    yield RemoteRequest(two, {"x": "FP32", "n": "INT64"})


def _bodies() -> Iterator[bytes]:
    for binary in (False, True):
        for request in _requests():
            try:
                head, parts = http_codec.infer_body(request, binary)
            except TritonError:
                continue
            flags = 5 if binary else 0
            yield bytes([flags, *len(head).to_bytes(2, "little")]) + head + b"".join(parts)
    yield b"\x02\x00\x00" + bytes(16)
    region = {"shared_memory_region": "r", "shared_memory_byte_size": 8, "shared_memory_offset": 4}
    entry = {"name": "x", "datatype": "FP32", "shape": [2], "parameters": region}
    output = {"name": "y", "parameters": {"classification": 3, "binary_data": False}}
    yield bytes(3) + json.dumps({"inputs": [entry], "outputs": [output]}).encode()


def _messages() -> Iterator[bytes]:
    for request in _requests():
        message = grpc_codec.infer_request(_MESSAGES, "m", "1", request)
        yield message.SerializeToString()
    typed = _MESSAGES.ModelInferRequest(model_name="m", id="8")
    entry = typed.inputs.add(name="x", datatype="FP32", shape=[2])
    entry.contents.fp32_contents.extend([1, 2])
    words = typed.inputs.add(name="b", datatype="BYTES", shape=[1])
    words.contents.bytes_contents.append(b"ab")
    output = typed.outputs.add(name="y")
    output.parameters["classification"].int64_param = 2
    yield typed.SerializeToString()


def _generated() -> Iterator[bytes]:
    for at, head in enumerate(
        (
            {"x": [1.5, 2], "temperature": 0.5},
            {"id": "3", "x": [1, 2, 3, 4], "n": 7, "parameters": {"a": True, "b": None}},
            {"x": "text", "stream": False},
            {"x": [True, False, True], "parameters": [1, 2]},
            {"x": [1, 2, 3, 1 << 63], "id": "y"},
        )
    ):
        yield bytes([at]) + json.dumps(head).encode()


def _addresses() -> Iterator[bytes]:
    body = b'{"inputs": []}'
    packed = zlib.compress(body)
    machine = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
    zipped = machine.compress(body * 50) + machine.flush()
    for line, encoding, content in (
        (b"/v2/models/m/versions/1/infer", b"deflate", packed),
        (b"/v2/repository/r/models/a%5Fb/load", b"gzip", zipped),
        (b"/v2/systemsharedmemory/region/r/register", b"", body),
        (b"/v2/models/m/trace/setting", b"identity", body),
        (b"/v2/models/m/generate_stream", b"br", b""),
    ):
        yield b"\n".join([line, b"9", b"gzip;q=0.5, deflate, *;q=0", encoding, content])


def _settings() -> Iterator[bytes]:
    yield json.dumps(TraceSettings().as_json() | {"trace_mode": "triton"}).encode()
    yield b'{"trace_level": ["TIMESTAMPS", "TENSORS"], "trace_file": "f", "trace_rate": 5}'
    yield b'{"trace_level": [], "trace_count": "-1", "log_frequency": null}'


_JSON = (
    *("null", "true", "false", "NaN", "Infinity", "-0.0", "1e400", "[[", "]]", "{}", "\\ud800"),
    *("18446744073709551616", "-9223372036854775809", '":', ",", '"\\u0000"', *DATATYPES),
)
TARGETS = (
    Target("v2_json", v2_json, _bodies, words=_JSON),
    Target("v2_proto", v2_proto_message, _messages, words=tuple(DATATYPES)),
    Target("v2_generate", v2_generate, _generated, words=_JSON),
    Target("http_request", http_request, _addresses, words=("..", "%2e", "//", "%00", "\n")),
    Target("trace_settings", settings, _settings, words=_JSON),
)
