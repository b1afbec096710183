# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether a request fits a model, with Triton's words where it does not."""

from __future__ import annotations

from collections.abc import Sequence

from triton_ros.core.errors import InvalidArgumentError
from triton_ros.core.model_config import InputConfig, ModelConfig
from triton_ros.core.request import InferenceRequest
from triton_ros.core.tensor import Tensor, Tensors, datatype_of

_NOTE = (
    " NOTE: Setting a non-zero max_batch_size in the model config requires a batch dimension to be"
    " prepended to each input shape. If you want to specify the full shape including the batch dim"
    " in your input dims config, try setting max_batch_size to zero."
)


def check_inputs(request: InferenceRequest, config: ModelConfig) -> int:
    """The batch size of a request for a model's raw inputs (1 where there is no batch dim)."""
    rows = _rows(request.inputs, config, config.max_batch_size > 0)
    if config.max_batch_size and not 1 <= rows <= config.max_batch_size:
        raise InvalidArgumentError(
            f"inference request batch-size must be <= {config.max_batch_size} for '{config.name}'"
            if rows
            else f"inference request batch-size must be 1 or more for '{config.name}'"
        )
    return rows


def check_elements(request: InferenceRequest, config: ModelConfig) -> int:
    """How many elements a fanned-out request has: the first dim of every input, any number."""
    return _rows(request.inputs, config, batched=True)


def check_outputs(request: InferenceRequest, config: ModelConfig) -> None:
    """Refuse wanted outputs that the model does not have."""
    check_wanted(request, config.name, [output.spec.name for output in config.output])


def check_wanted(request: InferenceRequest, model: str, known: Sequence[str]) -> None:
    """Refuse wanted outputs that are not among the known ones."""
    for name in request.outputs:
        if name not in known:
            raise InvalidArgumentError(
                f"unexpected inference output '{name}' for model '{model}';"
                f" its outputs are {', '.join(known)}"
            )


def _rows(inputs: Tensors, config: ModelConfig, batched: bool) -> int:
    _check_names(config.name, inputs, config.input)
    sizes = {
        _check_tensor(config, expected, inputs[expected.spec.name], batched)
        for expected in config.input
        if expected.spec.name in inputs
    }
    if len(sizes) > 1:
        raise InvalidArgumentError(
            f"input batch sizes for model '{config.name}' differ: {sorted(sizes)}"
        )
    return sizes.pop() if sizes else 1


def _check_names(model: str, inputs: Tensors, expected: Sequence[InputConfig]) -> None:
    names = [e.spec.name for e in expected]
    for name in inputs:
        if name not in names:
            raise InvalidArgumentError(
                f"unexpected inference input '{name}' for model '{model}';"
                f" its inputs are {', '.join(names)}"
            )
    missing = [e.spec.name for e in expected if not e.optional and e.spec.name not in inputs]
    if missing:
        got = ", ".join(f"'{name}'" for name in inputs)
        raise InvalidArgumentError(
            f"expected {len(names)} inputs but got {len(inputs)} inputs for model '{model}'."
            f" Got input(s) [{got}], but missing required input(s)"
            f" [{', '.join(repr(name) for name in missing)}]."
            " Please provide all required input(s)."
        )


def _check_tensor(config: ModelConfig, expected: InputConfig, value: Tensor, batched: bool) -> int:
    spec = expected.spec
    if not (hasattr(value, "dtype") and hasattr(value, "shape")):
        raise InvalidArgumentError(
            f"inference input '{spec.name}' must be an array, got {type(value).__name__}"
        )
    datatype = datatype_of(value.dtype)
    if datatype != spec.datatype:
        raise InvalidArgumentError(
            f"inference input '{spec.name}' data-type is '{datatype}',"
            f" but model '{config.name}' expects '{spec.datatype}'"
        )
    shape = tuple(value.shape)
    if not spec.accepts(shape[1:] if batched else shape) or (batched and not shape):
        want = ",".join(str(dim) for dim in ((-1, *spec.dims) if batched else spec.dims))
        got = ",".join(str(dim) for dim in shape)
        raise InvalidArgumentError(
            f"unexpected shape for input '{spec.name}' for model '{config.name}'."
            f" Expected [{want}], got [{got}].{_NOTE if config.max_batch_size else ''}"
        )
    return shape[0] if batched else 1
