# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A tensor on its way between the steps of an ensemble: there or absent, with or without batch dim.

Models with and without a batch dim may be neighbours.  As in Triton, a batch dim of 1 is put in
front, or dropped, exactly where only that makes the tensor fit the configured dims.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from triton_ros.core.errors import InternalError, InvalidArgumentError, TritonError
from triton_ros.core.request import Parameter
from triton_ros.core.tensor import Array, Tensor, TensorSource, TensorSpec, materialize


@dataclass(frozen=True, slots=True)
class SequenceMark:
    """The sequence that what follows belongs to; a step's response parameters may set it."""

    correlation_id: int | str
    start: bool
    end: bool

    def parameters(self) -> dict[str, Parameter]:
        """As parameters of a response."""
        return {
            "sequence_id": self.correlation_id,
            "sequence_start": self.start,
            "sequence_end": self.end,
        }


@dataclass(frozen=True, slots=True)
class Value:
    """What became of a tensor; `tensor` None is absent.

    `batched` tells whether its first dim is the batch's, None if no batch dim may be added or
    dropped.  `fault` says why it is an error that it is absent, if it is one.
    """

    tensor: Tensor | None = None
    batched: bool | None = None
    fault: str = ""
    mark: SequenceMark | None = None


def fitted(value: Value, spec: TensorSpec, batched: bool | None) -> Tensor | None:
    """The tensor for a taker of that spec; `batched` tells whether it expects a batch dim."""
    tensor = value.tensor
    if tensor is None or value.batched is None or batched is None or value.batched == batched:
        return tensor
    shape = tuple(tensor.shape)
    if batched:
        return _with_row(tensor) if spec.accepts(shape) else tensor
    return _without_row(tensor) if not spec.accepts(shape) and shape[:1] == (1,) else tensor


def holds(name: str, value: Value) -> bool:
    """A condition: the tensor is there, has elements, and none is zero, false or empty.

    Raises `TritonError` if a source cannot make it.
    """
    if value.tensor is None:
        return False
    try:
        array = materialize(value.tensor)
    except TritonError:
        raise
    except Exception as error:  # a source is foreign code
        raise InternalError(f"condition '{name}' failed: {error!r}") from error
    if not array.size:
        return False
    return all(map(bool, array.flat)) if array.dtype.kind in "OSU" else bool(array.all())


def mark_of(
    parameters: Mapping[str, Parameter], own: SequenceMark, current: SequenceMark | None
) -> SequenceMark | None:
    """The mark of a response's tensors: set by its parameters, else as it was for the step.

    `own` is the step's sequence.  Raises `InvalidArgumentError` for a parameter of another type.
    """
    if parameters.keys().isdisjoint(("sequence_id", "sequence_start", "sequence_end")):
        return current
    correlation_id = parameters.get("sequence_id", own.correlation_id)
    if isinstance(correlation_id, (bool, float)):
        raise InvalidArgumentError(
            "expected parameter 'sequence_id' to be TRITONSERVER_PARAMETER_INT or"
            " TRITONSERVER_PARAMETER_STRING"
        )
    flags = []
    for name in ("sequence_start", "sequence_end"):
        flag = parameters.get(name, False)
        if not isinstance(flag, bool):
            raise InvalidArgumentError(
                f"expect parameter '{name}' to be TRITONSERVER_PARAMETER_BOOL"
            )
        flags.append(flag)
    return SequenceMark(correlation_id, *flags)


@dataclass(frozen=True, slots=True)
class _Reshaped:
    """A source with a dim of 1 more or less in front."""

    source: TensorSource
    shape: tuple[int, ...]

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.source.dtype

    def write(self, out: Array) -> None:
        # both are views: the source still writes right into the batch
        self.source.write(out[0, ...] if out.ndim > len(self.source.shape) else out[None])


def _with_row(tensor: Tensor) -> Tensor:
    if isinstance(tensor, np.ndarray):
        return tensor[None]
    return _Reshaped(tensor, (1, *tensor.shape))


def _without_row(tensor: Tensor) -> Tensor:
    if isinstance(tensor, np.ndarray):
        return tensor[0, ...]
    return _Reshaped(tensor, tuple(tensor.shape[1:]))
