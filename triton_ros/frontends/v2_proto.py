# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""V2's gRPC messages of inference to calls, and answers to messages.  Without IO.

Raw tensors are most of a message's bytes.  protobuf would copy them into Python objects on the way
in, and into its own and then into the message's on the way out.  So the top level of a large
request is walked here: fields of raw input become views of the message, and only the rest is parsed
by protobuf; and a response is what protobuf makes of all but the tensors, with those joined on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from triton_ros.core.errors import InternalError, InvalidArgumentError, UnavailableError
from triton_ros.core.infer_parameter import set_parameter
from triton_ros.core.request import Parameter
from triton_ros.core.tensor import Array
from triton_ros.core.tensor_bytes import (
    TYPED_CONTENTS,
    Buffer,
    fitted,
    from_bytes,
    known_dtype,
    to_bytes,
)
from triton_ros.frontends.exchange import (
    AnswerOutput,
    CallInput,
    InferAnswer,
    InferCall,
    RegionSlice,
    WantedOutput,
)

MAX_MESSAGE = (1 << 31) - 1
"""gRPC's own limit of bytes."""

WALKED_BYTES = 1 << 14
"""Messages from here on are walked; smaller ones are parsed faster than that."""

_RAW_INPUT, _RAW_OUTPUT, _STREAMED = 7, 6, 2
"""Field numbers: `raw_input_contents`, `raw_output_contents`, `infer_response` of a stream's."""
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class _Malformed(Exception):
    """Not to be walked: protobuf says what is wrong, or reads it."""


def decode_call(messages: Any, data: bytes) -> InferCall:
    """A call from a `ModelInferRequest`; `messages` is the generated module.

    Raises `InvalidArgumentError` whatever is wrong with it.
    """
    rest: bytes = data
    raw: list[Buffer] | None = None
    if len(data) >= WALKED_BYTES:
        try:
            rest, raw = split_raw(data)
        except _Malformed:
            raw = None
    try:
        message = messages.ModelInferRequest.FromString(rest if raw is not None else data)
    except Exception as error:  # protobuf's own, of which no version has a common base
        raise InvalidArgumentError(f"the request is no ModelInferRequest: {error}") from error
    return _call(message, list(message.raw_input_contents) if raw is None else raw)


def refused_call(messages: Any, data: bytes) -> InferCall:
    """A message that `decode_call` refused, for the answer that says so: only its id is known."""
    try:
        return InferCall("", id=messages.ModelInferRequest.FromString(data).id)
    except Exception:  # as in decode_call: no message, so no id
        return InferCall("")


def split_raw(data: bytes) -> tuple[bytes, list[Buffer]]:
    """A message without its raw inputs, and these as views."""
    view = memoryview(data)
    raw: list[Buffer] = []
    rest: list[memoryview] = []
    at = kept = 0
    while at < len(data):
        begin = at
        tag, at = _varint(data, at)
        number, kind = tag >> 3, tag & 7
        if number == 0:
            raise _Malformed
        if kind == _BYTES:
            size, at = _varint(data, at)
            end = at + size
            if number == _RAW_INPUT and end <= len(data):
                raw.append(view[at:end])
                rest.append(view[kept:begin])
                kept = end
            at = end
        elif kind == _VARINT:
            _, at = _varint(data, at)
        elif kind in (_FIXED64, _FIXED32):
            at += 8 if kind == _FIXED64 else 4
        else:
            raise _Malformed
        if at > len(data):
            raise _Malformed
    rest.append(view[kept:])
    return b"".join(rest), raw


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 64:
        if at >= len(data):
            raise _Malformed
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise _Malformed


def _call(message: Any, raw: list[Buffer]) -> InferCall:
    left = list(reversed(raw))
    call = InferCall(message.model_name, message.model_version, message.id)
    call.parameters = parameters(message.parameters)
    call.inputs = [_input(message, tensor, left, bool(raw)) for tensor in message.inputs]
    if left:
        raise InvalidArgumentError(
            f"unexpected raw_input_contents for model '{message.model_name}': there are"
            f" {len(raw)}, for {len(raw) - len(left)} inputs"
        )
    call.outputs = [_wanted(tensor) for tensor in message.outputs]
    return call


def parameters(fields: Mapping[str, Any]) -> dict[str, Parameter]:
    """Those of a message; one without a value is refused."""
    return {name: _parameter(name, field) for name, field in fields.items()}


def _parameter(name: str, field: Any) -> Parameter:
    kind = field.WhichOneof("parameter_choice")
    if kind is None:
        raise InvalidArgumentError(
            f"invalid value type for '{name}' parameter, expected int64_param, bool_param, or"
            " string_param."
        )
    value: Parameter = getattr(field, kind)
    return value


def _input(message: Any, tensor: Any, left: list[Buffer], has_raw: bool) -> CallInput:
    name, datatype, shape = tensor.name, tensor.datatype, tuple(tensor.shape)
    where = f"'{name}' for model '{message.model_name}'"
    what = f"input {where}"
    known_dtype(what, datatype)
    region = _region(parameters(tensor.parameters))
    has_contents = tensor.HasField("contents")
    if region is not None:
        if has_contents:
            raise InvalidArgumentError(
                f"unexpected 'content' provided when using shared memory for input tensor {where}"
            )
        return CallInput(name, datatype, shape, region)
    if has_contents and has_raw:
        raise InvalidArgumentError(
            f"contents field must not be specified when using raw_input_contents for {where}"
        )
    if has_contents:
        return CallInput(name, datatype, shape, _typed(tensor, where))
    if not left:
        raise InvalidArgumentError(f"unable to find data for input tensor {where} in request.")
    return CallInput(name, datatype, shape, from_bytes(what, datatype, shape, left.pop()))


def _typed(tensor: Any, where: str) -> Array:
    wanted = TYPED_CONTENTS.get(tensor.datatype)
    for field, _ in tensor.contents.ListFields():
        if field.name != wanted:
            raise InvalidArgumentError(
                f"unexpected explicit tensor data for input tensor {where} of type"
                f" '{field.name}', expected datatype '{tensor.datatype}'"
            )
    values = list(getattr(tensor.contents, wanted)) if wanted else []
    return fitted(f"input '{tensor.name}'", tensor.datatype, tensor.shape, values)


def _region(given: Mapping[str, Parameter]) -> RegionSlice | None:
    name = given.get("shared_memory_region")
    if name is None:
        return None
    if not isinstance(name, str):
        raise _wrong_type("shared_memory_region", "string_param")
    size, offset = (
        _count(field, given.get(field, 0))
        for field in ("shared_memory_byte_size", "shared_memory_offset")
    )
    return RegionSlice(name, size, offset)


def _count(name: str, value: Parameter) -> int:
    if type(value) is not int or value < 0:
        raise _wrong_type(name, "int64_param of 0 or more")
    return value


def _wrong_type(name: str, wanted: str) -> InvalidArgumentError:
    return InvalidArgumentError(f"invalid value type for '{name}' parameter, expected {wanted}.")


def _wanted(tensor: Any) -> WantedOutput:
    given = parameters(tensor.parameters)
    region = _region(given)
    if region is not None and "classification" in given:
        raise InvalidArgumentError(
            "output can't set both 'shared_memory_region' and 'classification'"
        )
    count = _count("classification", given.get("classification", 0))
    return WantedOutput(tensor.name, True, count, region)


# answers -----------------------------------------------------------------------------------------


def encode_answer(messages: Any, answer: InferAnswer) -> bytes:
    """A `ModelInferResponse`.  Raises `TritonError`."""
    try:
        parts = _answer_parts(messages, answer)
    except UnicodeError as error:  # a model's words
        raise InternalError(f"the answer of '{answer.model_name}' is no UTF-8: {error}") from error
    size = sum(map(len, parts))
    if size > MAX_MESSAGE:
        raise UnavailableError(
            f"Response has byte size {size} which exceeds gRPC's byte size limit {MAX_MESSAGE}."
        )
    return b"".join(parts)


def encode_streamed(messages: Any, answer: InferAnswer) -> bytes:
    """The same as a `ModelStreamInferResponse`."""
    body = encode_answer(messages, answer)
    return b"".join((_head(_STREAMED, len(body)), body))


def encode_stream_error(messages: Any, text: str, request_id: str) -> bytes:
    """A `ModelStreamInferResponse` that says what went wrong with a request."""
    message = messages.ModelStreamInferResponse(error_message=text)
    message.infer_response.id = request_id
    data: bytes = message.SerializeToString()
    return data


def _answer_parts(messages: Any, answer: InferAnswer) -> list[Buffer]:
    message = messages.ModelInferResponse(
        model_name=answer.model_name, model_version=answer.model_version, id=answer.id
    )
    for name, value in answer.parameters.items():
        set_parameter(message.parameters[name], name, value)
    raw = [_output(message, output) for output in answer.outputs]
    # Triton has an empty entry for what went into shared memory
    parts: list[Buffer] = [message.SerializeToString()]
    for data in raw:
        parts += (_head(_RAW_OUTPUT, len(data)), data)
    return parts


def _output(message: Any, output: AnswerOutput) -> Buffer:
    entry = message.outputs.add(name=output.name, datatype=output.datatype)
    entry.shape.extend(output.shape)
    if not isinstance(output.data, RegionSlice):
        return to_bytes(f"output '{output.name}'", output.data)
    entry.parameters["shared_memory_region"].string_param = output.data.region
    entry.parameters["shared_memory_offset"].int64_param = output.data.offset
    entry.parameters["shared_memory_byte_size"].int64_param = output.data.byte_size
    return b""


def _head(number: int, size: int) -> bytes:
    """The tag and the length of a field of bytes."""
    head = bytearray([number << 3 | _BYTES])
    while size >= 0x80:
        head.append(size & 0x7F | 0x80)
        size >>= 7
    head.append(size)
    return bytes(head)
