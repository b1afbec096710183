# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""V2's gRPC messages (tritonclient's generated ones) to requests and back, without IO.

Tensors go as raw bytes.  They come back as those, or in typed fields, as some servers answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from triton_ros.backends.kserve.exchange import (
    RemoteAnswer,
    RemoteConfig,
    RemoteModel,
    RemoteRequest,
)
from triton_ros.backends.kserve.tensor_bytes import fitted, from_bytes, spec, to_bytes
from triton_ros.core.errors import InternalError
from triton_ros.core.infer_parameter import set_parameter
from triton_ros.core.request import Parameter
from triton_ros.core.tensor import Array
from triton_ros.core.tensor_bytes import TYPED_CONTENTS


def infer_request(messages: Any, model: str, version: str, request: RemoteRequest) -> Any:
    """A `ModelInferRequest`; `messages` is the generated module."""
    message = messages.ModelInferRequest(model_name=model, model_version=version, id=request.id)
    for name, value in request.parameters.items():
        set_parameter(message.parameters[name], name, value)
    raw = message.raw_input_contents
    for name, array in request.inputs.items():
        message.inputs.add(name=name, datatype=request.datatypes[name], shape=array.shape)
        data = to_bytes(name, array)
        raw.append(data if isinstance(data, bytes) else data.tobytes())
    for name in request.outputs:
        message.outputs.add(name=name)
    return message


def parameters(fields: Mapping[str, Any]) -> dict[str, Parameter]:
    """Those that a server sent."""
    found = {}
    for name, field in fields.items():
        kind = field.WhichOneof("parameter_choice")
        if kind:
            found[name] = getattr(field, kind)
    return found


def answer(message: Any) -> RemoteAnswer:
    """What a `ModelInferResponse` holds; raises `InternalError` where it contradicts itself."""
    raw = message.raw_output_contents
    if raw and len(raw) != len(message.outputs):
        raise InternalError(
            f"{len(message.outputs)} outputs are announced, and {len(raw)} are in the response"
        )
    found = {}
    for index, output in enumerate(message.outputs):
        if raw:
            value = from_bytes(output.name, output.datatype, output.shape, raw[index])
        else:
            value = _from_contents(output)
        found[output.name] = value
    return RemoteAnswer(found, parameters(message.parameters))


def _from_contents(output: Any) -> Array:
    if output.datatype not in TYPED_CONTENTS:
        raise InternalError(f"output '{output.name}' {output.datatype} is not in raw contents")
    values = getattr(output.contents, TYPED_CONTENTS[output.datatype])
    return fitted(output.name, output.datatype, output.shape, list(values))


def model(metadata: Any, config: Any) -> RemoteModel:
    """From a `ModelMetadataResponse`, and a `ModelConfig` where the server has that."""
    return RemoteModel(
        tuple(_specs("input", metadata.inputs)),
        tuple(_specs("output", metadata.outputs)),
        None
        if config is None
        else RemoteConfig(
            config.max_batch_size,
            config.model_transaction_policy.decoupled,
            config.HasField("sequence_batching"),
        ),
    )


def _specs(side: str, tensors: Iterable[Any]) -> Iterable[Any]:
    return (spec(side, tensor.name, tensor.datatype, tensor.shape) for tensor in tensors)
