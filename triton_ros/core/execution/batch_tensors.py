# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a model's configuration does to the tensors of its batches, worked out once a version.

- *reshape*: a model is given (and answers) other dims than its requests have.  A variable dim of
  one is the same variable dim of the other, in order.
- *ragged inputs*: requests of any shape, flattened one behind the other into one dim.
- *batch inputs*: tensors that say which part of a ragged one is whose, made from the shapes of the
  requests that met in a batch.
- *batch outputs*: a flat answer that is cut into the shapes of the requests' own inputs.

The shapes here are what the model sees: reshaped, with the batch dim (an element counts as a
request of one row).  Values and edge cases are Triton's (backend: backend_input_collector.cc and
backend_output_responder.cc).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.config.scheduling_config import (
    BatchInput,
    BatchInputKind,
    ControlKind,
    DirectStrategy,
    SequenceBatching,
)
from triton_ros.core.errors import InternalError
from triton_ros.core.tensor import Array, numpy_dtype

Shape: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Reshape:
    """From dims to other dims of as many elements; no batch dim."""

    given: Shape
    wanted: Shape

    def __call__(self, shape: Shape) -> Shape:
        """Raises `ValueError` for a shape of another number of dims."""
        pairs = zip(shape, self.given, strict=True)
        variable = iter([size for size, dim in pairs if dim == -1])
        return tuple(next(variable) if dim == -1 else dim for dim in self.wanted)


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """How a model's items become a batch and its answer becomes theirs."""

    model: str
    batched: bool
    """Whether the model has a batch dim."""
    fixed_rows: bool = False
    """A sequence owns its row, so an item that falls out leaves a gap (direct strategy)."""
    ragged: frozenset[str] = frozenset()
    input_reshape: Mapping[str, Reshape] = field(default_factory=dict)
    output_reshape: Mapping[str, Reshape] = field(default_factory=dict)
    batch_input: tuple[BatchInput, ...] = ()
    scatter: Mapping[str, tuple[str, Shape]] = field(default_factory=dict)
    """By flat output: the input with the shape, and the output's dims, -1 where the input says."""
    gaps: Mapping[str, Any] = field(default_factory=dict)
    """What controls say in a row that is nobody's; all else is zero there."""
    plain: bool = True
    """None of reshape, ragged, batch inputs and batch outputs."""

    @staticmethod
    def of(config: ModelConfig) -> BatchPlan:
        sequences = config.sequence_batching
        ragged = frozenset(i.spec.name for i in config.input if i.allow_ragged_batch)
        inputs, outputs, scatter = _input_reshape(config), _output_reshape(config), _scatter(config)
        return BatchPlan(
            model=config.name,
            batched=config.max_batch_size > 0,
            fixed_rows=sequences is not None and isinstance(sequences.strategy, DirectStrategy),
            ragged=ragged,
            input_reshape=inputs,
            output_reshape=outputs,
            batch_input=config.batch_input,
            scatter=scatter,
            gaps=_gaps(sequences),
            plain=not (ragged or inputs or outputs or config.batch_input or scatter),
        )


def _input_reshape(config: ModelConfig) -> dict[str, Reshape]:
    return {
        i.spec.name: Reshape(i.spec.dims, i.reshape) for i in config.input if i.reshape is not None
    }


def _output_reshape(config: ModelConfig) -> dict[str, Reshape]:
    return {
        o.spec.name: Reshape(o.reshape, o.spec.dims) for o in config.output if o.reshape is not None
    }


def _scatter(config: ModelConfig) -> dict[str, tuple[str, Shape]]:
    dims = {o.spec.name: o.spec.dims if o.reshape is None else o.reshape for o in config.output}
    batch = (-1,) if config.max_batch_size else ()
    return {
        name: (output.source_input[0], (*batch, *dims.get(name, ())))
        for output in config.batch_output
        for name in output.target_name
    }


def _gaps(sequences: SequenceBatching | None) -> dict[str, Any]:
    controls = sequences.control_input if sequences else ()
    return {c.spec.name: c.false_true[0] for c in controls if c.kind is not ControlKind.CORRID}


def batch_inputs(plan: BatchPlan, shapes: Callable[[str], Sequence[Shape]]) -> dict[str, Array]:
    """The batch inputs by name; `shapes` gives an input's shape for every request of the batch."""
    made: dict[str, Array] = {}
    for config in plan.batch_input:
        value = _KINDS[config.kind](shapes(config.source_input[0]))
        made |= dict.fromkeys(config.target_name, value.astype(numpy_dtype(config.datatype)))
    return made


def _counts(shapes: Sequence[Shape]) -> Array:
    return np.array([math.prod(shape) for shape in shapes], np.int64)


def _item_shapes(shapes: Sequence[Shape]) -> Array:
    width = len(shapes[0]) - 1
    rows = [shape[1:] for shape in shapes for _ in range(shape[0])]
    return np.array(rows, np.int64).reshape(len(rows), width)


_KINDS: dict[BatchInputKind, Callable[[Sequence[Shape]], Array]] = {
    BatchInputKind.BATCH_ELEMENT_COUNT: _counts,
    BatchInputKind.BATCH_ACCUMULATED_ELEMENT_COUNT: lambda s: np.cumsum(_counts(s)),
    BatchInputKind.BATCH_ACCUMULATED_ELEMENT_COUNT_WITH_ZERO: (
        lambda s: np.concatenate([[0], np.cumsum(_counts(s))])
    ),
    # only its shape says something; Triton leaves the values as they happen to be in memory
    BatchInputKind.BATCH_MAX_ELEMENT_COUNT_AS_SHAPE: lambda s: np.zeros(int(_counts(s).max())),
    BatchInputKind.BATCH_ITEM_SHAPE: _item_shapes,
    BatchInputKind.BATCH_ITEM_SHAPE_FLATTEN: lambda s: _item_shapes(s).reshape(-1),
}


def cut(name: str, output: Array, dims: Shape, shapes: Sequence[Shape]) -> list[Array]:
    """A flat output in parts of `dims`, whose -1 are the dims of each request's own input shape.

    Raises `InternalError` if the parts are not exactly the output.
    """
    try:
        wanted = [
            tuple(shape[i] if dim == -1 else dim for i, dim in enumerate(dims)) for shape in shapes
        ]
    except IndexError:
        raise InternalError(
            f"batch_output '{name}' has a variable dim that its source_input does not have:"
            f" dims {list(dims)}, input {list(shapes[0])}"
        ) from None
    ends = np.cumsum([math.prod(shape) for shape in wanted])
    if output.size != ends[-1]:
        raise InternalError(
            f"output '{name}' has {output.size} elements; its batch_output needs {ends[-1]}"
        )
    parts = np.split(output.reshape(-1), ends[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, wanted, strict=True)]
