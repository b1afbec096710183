# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""V2's HTTP bodies of inference to calls, and answers to bodies.  Without IO.

A body is JSON, maybe with binary tensors behind it; where the JSON ends is said in a header
(``Inference-Header-Content-Length``).  Tensors of a call are views of the body where their bytes
lie right; nothing is allocated that the body does not have.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.errors import InvalidArgumentError
from triton_ros.core.tensor import Array
from triton_ros.core.tensor_bytes import from_bytes, known_dtype, to_bytes
from triton_ros.frontends.exchange import (
    AnswerOutput,
    CallInput,
    InferAnswer,
    InferCall,
    RegionSlice,
    WantedOutput,
)
from triton_ros.frontends.json_fields import (
    Fields,
    boolean_field,
    list_field,
    object_field,
    parameter,
    parse_object,
    text_field,
    unsigned,
    unsigned_field,
)
from triton_ros.frontends.json_tensors import check_shape, json_tensor, json_values

HEADER_LENGTH = "Inference-Header-Content-Length"
SIZE = "binary_data_size"


def decode_call(model: str, version: str, body: memoryview, json_size: int | None) -> InferCall:
    """A call from a body; `json_size` is where its binary tensors begin, None for nowhere.

    Raises `InvalidArgumentError` whatever is wrong with it.
    """
    head = parse_object(body[:json_size])
    tail = _Tail(body, len(body) if json_size is None else json_size, json_size is not None)
    call = InferCall(model, version)
    if "id" in head:
        call.id = text_field(head, "id")
    given = object_field(head, "parameters")
    call.parameters = {n: parameter(n, value) for n, value in given.items() if value is not None}
    call.inputs = [_input(model, entry, tail) for entry in list_field(head, "inputs")]
    if tail.left:
        raise InvalidArgumentError(f"unexpected additional input data for model '{model}'")
    if "outputs" in head:
        call.outputs = [_wanted(entry) for entry in list_field(head, "outputs")]
    return call


def decode_raw_call(model: str, version: str, body: memoryview, config: ModelConfig) -> InferCall:
    """A call whose body is nothing but the one input of a model; its outputs come as binary.

    Raises `InvalidArgumentError` where that does not say the tensor's shape.
    """
    if len(config.input) != 1:
        raise InvalidArgumentError(
            "Raw request must only have 1 input (found 1) to be deduced but got"
            f" {len(config.input)} inputs in '{model}' model configuration"
        )
    spec = config.input[0].spec
    shape = _raw_shape(model, config, len(body))
    if spec.datatype == "BYTES":
        data = np.array([bytes(body)], np.object_).reshape(shape)
    else:
        data = from_bytes(f"input '{spec.name}'", spec.datatype, shape, body)
    return InferCall(
        model,
        version,
        inputs=[CallInput(spec.name, spec.datatype, tuple(shape), data)],
        parameters={"binary_data_output": True},
    )


def _raw_shape(model: str, config: ModelConfig, size: int) -> list[int]:
    spec = config.input[0].spec
    batch = [1] if config.max_batch_size else []
    unknown = [at for at, dim in enumerate(spec.dims) if dim == -1]
    if spec.datatype == "BYTES":
        if any(dim != 1 for dim in spec.dims):
            raise InvalidArgumentError(
                f"For BYTE datatype raw input '{spec.name}', the model must have input shape [1]"
            )
        return [*batch, *spec.dims]
    if len(unknown) > 1:
        raise InvalidArgumentError(
            f"The shape of the raw input '{spec.name}' can not be deduced because there are more"
            " than one variable-sized dimension"
        )
    dims = list(spec.dims)
    if unknown:
        known = spec.dtype.itemsize
        for dim in dims:
            known *= dim if dim != -1 else 1
        dims[unknown[0]] = size // known if known and size % known == 0 else -1
        if dims[unknown[0]] == -1:
            raise InvalidArgumentError(
                f"The shape of the raw input '{spec.name}' of model '{model}' can not be deduced:"
                f" its {size} bytes are not a multiple of {known}"
            )
    return [*batch, *dims]


class _Tail:
    """The binary tensors behind the JSON, taken one after the other."""

    def __init__(self, body: memoryview, begin: int, announced: bool) -> None:
        self._body = body
        self._at = begin
        self._announced = announced

    @property
    def left(self) -> int:
        return len(self._body) - self._at

    def take(self, model: str, name: str, size: int) -> memoryview:
        if not self._announced and size:
            raise InvalidArgumentError(
                "must specify valid 'Infer-Header-Content-Length' in request header and"
                " 'binary_data_size' when passing inputs in binary data format"
            )
        if size > self.left:
            raise InvalidArgumentError(
                f"unexpected size for input '{name}', expecting {size - self.left} additional"
                f" bytes for model '{model}'"
            )
        begin, self._at = self._at, self._at + size
        return self._body[begin : self._at]


def _input(model: str, entry: Any, tail: _Tail) -> CallInput:
    fields = _entry("inputs", entry)
    parameters = object_field(fields, "parameters")
    _check_one_source(fields, parameters)
    name, datatype = text_field(fields, "name"), text_field(fields, "datatype")
    shape = [unsigned("shape", dim) for dim in list_field(fields, "shape")]
    what = f"input '{name}' for model '{model}'"
    check_shape(name, shape)
    known_dtype(what, datatype)
    data: Array | RegionSlice
    if SIZE in parameters:
        size = unsigned_field(parameters, SIZE)
        data = from_bytes(what, datatype, shape, tail.take(model, name, size))
    elif "shared_memory_region" in parameters:
        data = _region(parameters)
    else:
        data = json_tensor(name, datatype, shape, list_field(fields, "data"))
    return CallInput(name, datatype, tuple(shape), data)


def _entry(where: str, entry: Any) -> Fields:
    if not isinstance(entry, dict):
        raise InvalidArgumentError(f"Unable to parse '{where}': its entries are objects")
    return entry


def _check_one_source(fields: Fields, parameters: Fields) -> None:
    found = [f" '{name}'" for name in ("data",) if name in fields]
    found += [f" '{name}'" for name in (SIZE, "shared_memory_region") if name in parameters]
    if len(found) != 1:
        raise InvalidArgumentError(
            "Input must set only one of the following fields: 'data', 'binary_data_size' in"
            " 'parameters', 'shared_memory_region' in 'parameters'. But"
            + (" set" + "".join(found) if found else " no field is set")
        )


def _region(parameters: Fields) -> RegionSlice:
    return RegionSlice(
        text_field(parameters, "shared_memory_region"),
        unsigned_field(parameters, "shared_memory_byte_size", 0),
        unsigned_field(parameters, "shared_memory_offset", 0),
    )


def _wanted(entry: Any) -> WantedOutput:
    fields = _entry("outputs", entry)
    parameters = object_field(fields, "parameters")
    wanted = WantedOutput(text_field(fields, "name"), boolean_field(parameters, "binary_data"))
    wanted.classification = unsigned_field(parameters, "classification", 0)
    if "shared_memory_region" in parameters:
        wanted.region = _region(parameters)
        for name, unwanted in (
            ("classification", "classification" in parameters),
            ("binary_data", wanted.binary),
        ):
            if unwanted:
                raise InvalidArgumentError(
                    f"Output can't set both 'shared_memory_region' and '{name}'"
                )
    return wanted


# answers -----------------------------------------------------------------------------------------


def encode_answer(answer: InferAnswer) -> tuple[bytes, list[memoryview | bytes]]:
    """The JSON and the binary tensors behind it.  Raises `TritonError`."""
    parts: list[memoryview | bytes] = []
    head: dict[str, Any] = {"id": answer.id} if answer.id else {}
    head |= {"model_name": answer.model_name, "model_version": answer.model_version}
    if answer.parameters:
        head["parameters"] = dict(answer.parameters)
    head["outputs"] = [_output(output, parts) for output in answer.outputs]
    return json.dumps(head, separators=(",", ":")).encode(), parts


def _output(output: AnswerOutput, parts: list[memoryview | bytes]) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": output.name,
        "datatype": output.datatype,
        "shape": list(output.shape),
    }
    if isinstance(output.data, RegionSlice):
        return entry  # as Triton: its C++ client asks any parameters for a binary_data_size
    if output.binary:
        parts.append(to_bytes(f"output '{output.name}'", output.data))
        entry["parameters"] = {SIZE: len(parts[-1])}
    else:
        entry["data"] = json_values(output.name, output.datatype, output.data)
    return entry
