# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""V2's HTTP bodies to requests and back, without IO: JSON, with the tensors in it or behind it.

Behind it is the binary extension: faster, exact, and the only way for bytes that are not UTF-8.
Which servers know it is among the extensions of their metadata.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from triton_ros.backends.kserve.exchange import (
    RemoteAnswer,
    RemoteConfig,
    RemoteModel,
    RemoteRequest,
)
from triton_ros.backends.kserve.tensor_bytes import (
    fitted,
    from_bytes,
    spec,
    to_bytes,
)
from triton_ros.backends.support import as_text
from triton_ros.core.errors import InternalError, InvalidArgumentError
from triton_ros.core.request import Parameter
from triton_ros.core.tensor import Array, TensorSpec
from triton_ros.core.tensor_bytes import Buffer

SIZE = "binary_data_size"


def infer_body(request: RemoteRequest, binary: bool) -> tuple[bytes, list[memoryview | bytes]]:
    """The JSON, and the binary parts behind it."""
    parts: list[memoryview | bytes] = []
    parameters: dict[str, Parameter] = dict(request.parameters)
    head: dict[str, Any] = {"inputs": []}
    for name, array in request.inputs.items():
        entry: dict[str, Any] = {
            "name": name,
            "datatype": request.datatypes[name],
            "shape": list(array.shape),
        }
        if binary:
            parts.append(to_bytes(name, array))
            entry["parameters"] = {SIZE: len(parts[-1])}
        else:
            entry["data"] = _json_data(name, array)
        head["inputs"].append(entry)
    if request.outputs:
        wanted = {"parameters": {"binary_data": True}} if binary else {}
        head["outputs"] = [{"name": name, **wanted} for name in request.outputs]
    elif binary:
        parameters["binary_data_output"] = True
    if request.id:
        head["id"] = request.id
    if parameters:
        head["parameters"] = parameters
    try:
        return json.dumps(head, allow_nan=False).encode(), parts
    except ValueError as error:
        raise InvalidArgumentError(
            f"JSON has no NaN and no infinity, which http_data binary would have: {error}"
        ) from error


def _json_data(name: str, array: Array) -> list[Any]:
    values = as_text(name, array) if array.dtype.kind in "OSU" else array
    flat: list[Any] = values.ravel().tolist()
    return flat


def answer(data: memoryview, json_size: int | None) -> RemoteAnswer:
    """What a response's body holds; `json_size` is where the binary parts begin, None for nowhere.

    Raises `InternalError` where it is not V2.
    """
    end = len(data) if json_size is None else json_size
    if end > len(data):
        raise InternalError(f"{end} bytes of JSON are announced, the response has {len(data)}")
    head = parsed(data[:end])
    outputs = head.get("outputs")
    if not isinstance(outputs, list):
        raise InternalError("the response has no 'outputs'")
    found, at = {}, end
    for output in outputs:
        name, size = _text(output, "name"), _parameters(output).get(SIZE)
        if size is None:
            found[name] = _from_json(name, output)
            continue
        if not isinstance(size, int) or not 0 <= size <= len(data) - at:
            raise InternalError(f"output '{name}': {SIZE} {size} is more than the response has")
        found[name] = from_bytes(
            name, _text(output, "datatype"), _shape(name, output), data[at : at + size]
        )
        at += size
    if at != len(data):
        raise InternalError(f"{len(data) - at} bytes of the response belong to no output")
    return RemoteAnswer(found, _parameters(head))


def has_binary(metadata: Mapping[str, Any]) -> bool:
    """Whether a server's metadata has the extension: "binary_tensor_data", as the protocol says."""
    extensions = metadata.get("extensions")
    return isinstance(extensions, list) and "binary_tensor_data" in extensions


def parsed(data: Buffer) -> dict[str, Any]:
    """A body that has to be a JSON object."""
    try:
        found = json.loads(bytes(data))
    except (ValueError, RecursionError) as error:
        raise InternalError(f"the response is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise InternalError("the response is no JSON object")
    return found


def error_text(data: Buffer) -> str:
    """What an error's body says: V2's, or some text."""
    try:
        return str(json.loads(bytes(data))["error"])
    except (ValueError, LookupError, TypeError, RecursionError):
        return bytes(data[:300]).decode(errors="replace").strip()


def _text(entry: Any, key: str) -> str:
    value = entry.get(key) if isinstance(entry, Mapping) else None
    if not isinstance(value, str):
        raise InternalError(f"an output has no '{key}'")
    return value


def _parameters(entry: Mapping[str, Any]) -> dict[str, Parameter]:
    found = entry.get("parameters") or {}
    if not isinstance(found, Mapping):
        raise InternalError("'parameters' is no JSON object")
    return {k: v for k, v in found.items() if isinstance(v, bool | int | float | str)}


def _shape(name: str, entry: Any) -> list[int]:
    shape = entry.get("shape")
    if not isinstance(shape, list) or any(type(dim) is not int or dim < 0 for dim in shape):
        raise InternalError(f"output '{name}' has the shape {shape}")
    return shape


def _from_json(name: str, output: Any) -> Array:
    datatype, data = _text(output, "datatype"), output.get("data")
    if not isinstance(data, list):
        raise InternalError(f"output '{name}' has no data")
    return fitted(name, datatype, _shape(name, output), data)


def model(metadata: Mapping[str, Any], config: Mapping[str, Any] | None) -> RemoteModel:
    """From the metadata, and the configuration where the server has that."""
    try:
        return RemoteModel(
            _specs("input", metadata), _specs("output", metadata), _remote_config(config)
        )
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise InternalError(f"its metadata cannot be read: {error!r}") from error


def _specs(side: str, metadata: Mapping[str, Any]) -> tuple[TensorSpec, ...]:
    return tuple(
        spec(side, str(t["name"]), str(t["datatype"]), [int(dim) for dim in t["shape"]])
        for t in metadata.get(f"{side}s") or ()
    )


def _remote_config(config: Mapping[str, Any] | None) -> RemoteConfig | None:
    if config is None:
        return None
    policy = config.get("model_transaction_policy") or {}
    return RemoteConfig(
        int(config.get("max_batch_size", 0)),
        bool(policy.get("decoupled", False)),
        "sequence_batching" in config,
    )
