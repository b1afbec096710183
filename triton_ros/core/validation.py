# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether a request fits a model, with Triton's words where it does not.

A model makes one `InputChecker` and asks it for every request: what fits is seen with a few
comparisons and no allocation; only what does not fit is looked at again, in the configuration's
order, to say why.  Tensors that the server computes (a sequence's controls and states, targets of
`batch_input`) are no inputs of a request.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy import ndarray

from triton_ros.core.config.model_config import InputConfig, ModelConfig
from triton_ros.core.errors import InvalidArgumentError
from triton_ros.core.request import InferenceRequest
from triton_ros.core.tensor import Array, Tensor, Tensors, datatype_of, numpy_dtype

_OBJECT = numpy_dtype("BYTES")
_NOTE = (
    " NOTE: Setting a non-zero max_batch_size in the model config requires a batch dimension to be"
    " prepended to each input shape. If you want to specify the full shape including the batch dim"
    " in your input dims config, try setting max_batch_size to zero."
)


class InputChecker:
    """One configuration's inputs, made ready to be compared with requests."""

    __slots__ = ("_config", "_expected", "_limit")

    def __init__(self, config: ModelConfig) -> None:
        self._config = config
        self._limit = config.max_batch_size
        self._expected = {
            i.spec.name: (i.spec, numpy_dtype(i.spec.datatype), i.spec.dims) for i in config.input
        }

    def rows(self, request: InferenceRequest) -> int:
        """The batch size of a request (1 where there is no batch dim).

        Raises `InvalidArgumentError` for one that does not fit.
        """
        limit = self._limit
        rows = self._quick(request.inputs, limit > 0)
        if rows < 0:
            rows = _rows(request.inputs, self._config, limit > 0)
        if limit and not 1 <= rows <= limit:
            name = self._config.name
            raise InvalidArgumentError(
                f"inference request batch-size must be <= {limit} for '{name}'"
                if rows
                else f"inference request batch-size must be 1 or more for '{name}'"
            )
        return rows

    def elements(self, request: InferenceRequest) -> int:
        """How many elements a fanned-out request has: the first dim of all inputs, any number."""
        rows = self._quick(request.inputs, batched=True)
        return _rows(request.inputs, self._config, batched=True) if rows < 0 else rows

    def _quick(self, inputs: Tensors, batched: bool) -> int:
        """The rows, if there is nothing at all to look at more closely; else -1."""
        expected = self._expected
        if len(inputs) != len(expected) or not expected:
            return -1
        rows = -1 if batched else 1
        for name, value in inputs.items():
            known = expected.get(name)
            if known is None or type(value) is not ndarray:
                return -1
            spec, dtype, dims = known
            shape = value.shape
            if value.dtype is not dtype or dtype is _OBJECT or (batched and not shape):
                return -1
            if batched and rows != shape[0]:
                if rows >= 0:
                    return -1
                rows = shape[0]
            row = shape[1:] if batched else shape
            if row != dims and not spec.accepts(row):
                return -1
        return rows


def check_inputs(request: InferenceRequest, config: ModelConfig) -> int:
    """`InputChecker.rows`, for a caller that asks once."""
    return InputChecker(config).rows(request)


def check_outputs(request: InferenceRequest, config: ModelConfig) -> None:
    """Refuse wanted outputs that the model does not have."""
    if request.outputs:
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
        expected.spec.name: _check_tensor(config, expected, inputs[expected.spec.name], batched)
        for expected in config.input
        if expected.spec.name in inputs
    }
    first = next(iter(sizes.values()), 1)
    for name, size in sizes.items():
        if size != first:
            raise InvalidArgumentError(
                f"input '{name}' batch size does not match other inputs for '{config.name}':"
                f" {size}, not {first}"
            )
    return first


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
        required = sum(not e.optional for e in expected)
        count = f"expected {required} inputs"
        if required != len(names):
            count = f"expected number of inputs between {required} and {len(names)}"
        raise InvalidArgumentError(
            f"{count} but got {len(inputs)} inputs for model '{model}'."
            f" Got input(s) [{_quoted(inputs)}], but missing required input(s)"
            f" [{_quoted(missing)}]. Please provide all required input(s)."
        )


def _quoted(names: Iterable[str]) -> str:
    return ",".join(f"'{name}'" for name in names)


def _check_tensor(config: ModelConfig, expected: InputConfig, value: Tensor, batched: bool) -> int:
    spec = expected.spec
    dtype, dims = getattr(value, "dtype", None), getattr(value, "shape", None)
    if not isinstance(dtype, np.dtype) or not isinstance(dims, tuple):
        raise InvalidArgumentError(
            f"inference input '{spec.name}' must be an array, got {type(value).__name__}"
        )
    datatype = datatype_of(dtype)
    if datatype != spec.datatype:
        raise InvalidArgumentError(
            f"inference input '{spec.name}' data-type is '{datatype}',"
            f" but model '{config.name}' expects '{spec.datatype}'"
        )
    shape = tuple(dims)
    if not spec.accepts(shape[1:] if batched else shape) or (batched and not shape):
        want = ",".join(str(dim) for dim in ((-1, *spec.dims) if batched else spec.dims))
        got = ",".join(str(dim) for dim in shape)
        raise InvalidArgumentError(
            f"unexpected shape for input '{spec.name}' for model '{config.name}'."
            f" Expected [{want}], got [{got}].{_NOTE if config.max_batch_size else ''}"
        )
    if dtype == _OBJECT and isinstance(value, ndarray):
        _check_elements_are_bytes(config.name, spec.name, value)
    return int(shape[0]) if batched else 1


def _check_elements_are_bytes(model: str, name: str, value: Array) -> None:
    """Found here, it is its request's fault; found by the model, the whole batch's."""
    kinds = set(map(type, value.flat))
    for kind in kinds:
        if not issubclass(kind, bytes | str):
            raise InvalidArgumentError(
                f"inference input '{name}' of model '{model}' holds a {kind.__name__};"
                " elements of a BYTES tensor are bytes or str"
            )
    if kinds != {bytes}:
        try:
            for element in value.flat:
                if isinstance(element, str):
                    element.encode()
        except UnicodeEncodeError as error:
            raise InvalidArgumentError(
                f"inference input '{name}' of model '{model}' holds a str that is no text: {error}"
            ) from None
