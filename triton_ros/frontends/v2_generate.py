# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The generate extension's bodies: tensors by their names in plain JSON.  Without IO."""

from __future__ import annotations

import json
from typing import Any

from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.errors import InternalError, InvalidArgumentError
from triton_ros.core.request import Parameter
from triton_ros.frontends.exchange import CallInput, InferAnswer, InferCall, RegionSlice
from triton_ros.frontends.json_fields import (
    Fields,
    object_field,
    parameter,
    parse_object,
    text_field,
)
from triton_ros.frontends.json_tensors import json_tensor, json_values


def decode_generate(model: str, version: str, body: memoryview, config: ModelConfig) -> InferCall:
    """A call from a generate request: inputs by their names, everything else a parameter.

    An input's value is one element or a flat array; it is given the shape that the model wants, the
    innermost variable dim being what is left.
    """
    twice: list[str] = []
    head = parse_object(body, twice)
    call = InferCall(model, version)
    if "id" in head:
        call.id = text_field(head, "id")
    known = {tensor.spec.name: tensor.spec for tensor in config.input}
    for name in twice:
        side = "input" if name in known else "parameter"
        raise InvalidArgumentError(f"{side} '{name}' already exists in request")
    if not isinstance(head.get("parameters", {}), dict) and "parameters" not in known:
        raise InvalidArgumentError("Expected JSON object for keyword: 'parameters'")
    nested = object_field(head, "parameters") if "parameters" not in known else {}
    fields = {n: v for n, v in head.items() if n != "id" and not (n == "parameters" and nested)}
    _check_nested(nested)
    for name, value in {**nested, **fields}.items():
        spec = known.get(name)
        if spec is None:
            if name != "parameters":
                call.parameters[name] = parameter(name, value)
            continue
        values = value if isinstance(value, list) else [value]
        dims = [-1, *spec.dims] if config.max_batch_size else list(spec.dims)
        shape = _generated_shape(name, dims, len(values))
        data = json_tensor(name, spec.datatype, shape, values)
        call.inputs.append(CallInput(name, spec.datatype, tuple(shape), data))
    return call


def _check_nested(nested: Fields) -> None:
    for name, value in nested.items():
        if not isinstance(value, list):  # which may be a tensor
            try:
                parameter(name, value)
            except InvalidArgumentError as error:
                raise InvalidArgumentError(f"Converting keyword: 'parameters': {error}") from None


def _generated_shape(name: str, dims: list[int], count: int) -> list[int]:
    refusal = InvalidArgumentError(
        f"The schema can not convert input '{name}' to tensor with proper shape"
    )
    for dim in dims:
        if dim > 0:
            if count % dim:
                raise refusal
            count //= dim
    shape = []
    for dim in reversed(dims):
        shape.append(dim if dim != -1 else count)
        count = count if dim != -1 else 1
    if count != 1:
        raise refusal
    return shape[::-1]


def encode_generated(answer: InferAnswer) -> bytes:
    """A generate request's answer: outputs by their names, one element without its array."""
    found: dict[str, Any] = {"id": answer.id} if answer.id else {}
    found |= {"model_name": answer.model_name, "model_version": answer.model_version}
    parameters: dict[str, Parameter] = dict(answer.parameters)
    found |= parameters
    for output in answer.outputs:
        if isinstance(output.data, RegionSlice):
            raise InternalError(f"non-JSON output response type is requested for '{output.name}'")
        values = json_values(output.name, output.datatype, output.data)
        found[output.name] = values[0] if len(values) == 1 else values
    return json.dumps(found, separators=(",", ":")).encode()
