# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Merging requests into one batch and splitting its answer again.

A request that is alone and already an array goes through untouched.  Otherwise the batch tensor is
taken from a small pool and every request writes its own rows in place; this is the one copy on a
frame's way.  A request whose source fails is left out of the batch and fails alone; where rows have
owners (`BatchPlan.fixed_rows`) its row stays, as a gap.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from triton_ros.core.errors import InternalError, TritonError
from triton_ros.core.execution.batch_tensors import BatchPlan, Shape, batch_inputs, cut
from triton_ros.core.execution.payload import (
    BufferPool,
    Item,
    bad_input,
    blank,
    finished,
    gap,
    model_dtype,
    model_shape,
    whole,
)
from triton_ros.core.tensor import Array, Tensor


@dataclass(slots=True)
class Batch:
    """Merged items: the tensors to execute, whose rows they are, and who already failed."""

    inputs: dict[str, Array] = field(default_factory=dict)
    items: list[Item] = field(default_factory=list)
    """Those that are to be answered."""
    laid: list[Item] = field(default_factory=list)
    """All that have rows, in order: `items` and what fills gaps."""
    failed: list[tuple[Item, TritonError]] = field(default_factory=list)
    pooled: list[Array] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Rows that somebody waits for."""
        return sum(item.rows for item in self.items)

    @property
    def all_rows(self) -> int:
        return sum(item.rows for item in self.laid)


def merge(items: Sequence[Item], pool: BufferPool, plan: BatchPlan) -> Batch:
    """One batch of all items, which have equal keys; one of them at least is not null."""
    if len(items) == 1 and plan.plain:
        inputs = whole(items[0], plan.batched)
        if inputs is not None:
            return Batch(inputs, list(items), list(items))
    batch = Batch()
    like = next(item for item in items if not item.null)
    tensors = [
        (_Ragged if name in plan.ragged else _Dense)(name, items, like, pool, plan)
        for name in like.inputs
    ]
    rows = _fill(batch, items, tensors, plan)
    batch.inputs = {tensor.name: tensor.filled(rows) for tensor in tensors}
    batch.pooled = [tensor.buffer for tensor in tensors if isinstance(tensor, _Dense)]
    if plan.batch_input and batch.items:
        batch.inputs |= batch_inputs(plan, lambda name: _shapes(batch, name, plan))
    return batch


def _shapes(batch: Batch, name: str, plan: BatchPlan) -> list[Shape]:
    """An input's shape for all that is laid; what has no such input has none of its elements."""
    if name not in batch.items[0].inputs:
        raise InternalError(
            f"model '{plan.model}' needs input '{name}' for its batch_input or batch_output; the"
            " requests did not give it"
        )
    dims = len(model_shape(batch.items[0], name, plan)) - 1
    return [
        model_shape(item, name, plan) if name in item.inputs else (item.rows, *[0] * dims)
        for item in batch.laid
    ]


class _Dense:
    """A batch tensor whose first dim counts rows, while it is filled."""

    def __init__(
        self, name: str, items: Sequence[Item], like: Item, pool: BufferPool, plan: BatchPlan
    ) -> None:
        self.name = name
        self._plan = plan
        self._quick = plan.batched and name not in plan.input_reshape
        shape = model_shape(like, name, plan)
        if plan.batched:
            shape = (sum(item.rows for item in items), *shape[1:])
        self.buffer = pool.take(shape, model_dtype(like.inputs[name]))

    def write(self, item: Item, at: int) -> None:
        """Put an item's rows at row `at`."""
        value = item.inputs.get(self.name)
        if self._quick and value is not None:
            slot = self.buffer[at, ...] if item.element else self.buffer[at : at + item.rows]
            if value.shape == slot.shape:
                _write(value, slot)
                return
        slot = self.buffer[at : at + item.rows] if self._plan.batched else self.buffer
        if value is None and item.null:
            blank(slot, self.name, self._plan)
            return
        shape = model_shape(item, self.name, self._plan)
        if shape != slot.shape:  # numpy would stretch it
            raise InternalError(
                f"input '{self.name}' has shape {list(shape)} where its batch needs"
                f" {list(slot.shape)}"
            )
        source = item.inputs[self.name]
        _write(source, slot.reshape(tuple(source.shape)))

    def filled(self, rows: int) -> Array:
        """The tensor, of that many rows in all."""
        return self.buffer[:rows] if self._plan.batched else self.buffer


class _Ragged:
    """A batch tensor of one dim, while it is filled."""

    def __init__(
        self, name: str, items: Sequence[Item], like: Item, pool: BufferPool, plan: BatchPlan
    ) -> None:
        self.name = name
        self._at = 0
        total = sum(self._size(item) for item in items)
        # not of the pool: no two are of the same size
        self.buffer = np.empty(total, model_dtype(like.inputs[name]))

    def write(self, item: Item, at: int) -> None:
        """Put an item's elements behind those that were kept, whichever its row is."""
        value = item.inputs.get(self.name)
        if value is not None:
            slot = self.buffer[self._at : self._at + self._size(item)]
            _write(value, slot.reshape(tuple(value.shape)))

    def keep(self, item: Item) -> None:
        self._at += self._size(item)

    def filled(self, rows: int) -> Array:
        return self.buffer[: self._at]

    def _size(self, item: Item) -> int:
        value = item.inputs.get(self.name)
        return 0 if value is None else math.prod(value.shape)


def _fill(
    batch: Batch, items: Sequence[Item], tensors: Sequence[_Dense | _Ragged], plan: BatchPlan
) -> int:
    """The rows that were filled."""
    ragged = [tensor for tensor in tensors if isinstance(tensor, _Ragged)]
    at = 0
    for item in items:
        laid = item
        try:
            for tensor in tensors:
                tensor.write(item, at)
        except Exception as error:  # a source is foreign code: its fault is its request's alone
            batch.failed.append((item, bad_input(error)))
            if not plan.fixed_rows:
                continue
            laid = gap(item)
            for tensor in tensors:
                tensor.write(laid, at)
        else:
            if not item.null:
                batch.items.append(item)
        batch.laid.append(laid)
        at += laid.rows
        for tensor in ragged:
            tensor.keep(laid)
    return at


def _write(value: Tensor, slot: Array) -> None:
    if isinstance(value, np.ndarray):
        slot[...] = value
    else:
        value.write(slot)


def split(outputs: Mapping[str, Array], batch: Batch, plan: BatchPlan) -> list[dict[str, Array]]:
    """Each answered item's own rows of a batched answer, as views of it."""
    check_rows(outputs, batch.all_rows, plan)
    cuts = {
        name: cut(name, outputs[name], dims, _shapes(batch, source, plan))
        for name, (source, dims) in plan.scatter.items()
        if name in outputs
    }
    answers, at = [], 0
    for number, item in enumerate(batch.laid):
        if not item.null:
            rows = slice(at, at + item.rows) if plan.batched else ...
            answer = {
                name: cuts[name][number] if name in cuts else output[rows]
                for name, output in outputs.items()
            }
            answers.append(finished(answer, item, plan))
        at += item.rows
    return answers


def check_rows(outputs: Mapping[str, Array], rows: int, plan: BatchPlan) -> None:
    """Raise `InternalError` unless the outputs are arrays of that many rows."""
    for name, output in outputs.items():
        if not isinstance(output, np.ndarray):
            raise InternalError(f"output '{name}' is no array but {type(output).__name__}")
        if not plan.batched or name in plan.scatter:
            continue
        if output.ndim == 0 or output.shape[0] != rows:
            raise InternalError(
                f"output '{name}' has shape {list(output.shape)} for a batch of {rows}: its first"
                " dim must be the batch size (or set max_batch_size to 0)"
            )
