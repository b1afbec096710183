# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Merging requests into one batch and splitting its answer again.

A request that is alone and already an array goes through untouched.  Otherwise the batch tensor is
taken from a small pool and every request writes its own rows in place; this is the one copy on a
frame's way.  A request whose source fails is left out of the batch and fails alone.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from triton_ros.core.errors import InternalError, TritonError
from triton_ros.core.request import InferenceRequest, Timing
from triton_ros.core.tensor import Array, Tensor, Tensors

ItemDone = Callable[[dict[str, Array] | TritonError, Timing], None]
Key = tuple[Any, ...]


class StateSlot(Protocol):
    """Keeps a sequence's state between two of its requests."""

    def take(self, outputs: dict[str, Array]) -> dict[str, Array]:
        """Keep the state outputs of one item's answer; what is left is for the caller."""
        ...


@dataclass(slots=True, eq=False)
class Item:
    """What waits in a batcher: some rows for one model, and who wants the outputs.

    `element` says that the inputs have no batch dim (they are one row each).
    """

    inputs: Tensors
    done: ItemDone
    rows: int = 1
    element: bool = False
    key: Key = ()
    """Items batch together only if their keys are equal: input names and the shape of a row."""
    offered_ns: int = 0
    request: InferenceRequest | None = None
    """Who asked: priority, timeout, deadline, sequence and caller are read from it."""
    state: StateSlot | None = None
    """Where the model's state outputs for this item go; set by a sequence batcher."""
    null: bool = False
    """A row that only fills a gap in a batch; nobody waits for its answer."""
    level: int = 0
    """The priority level that a batcher gave it."""
    sequence: Any = None
    """The sequence batcher's own note of what this item belongs to."""


def item_key(inputs: Tensors, element: bool) -> Key:
    """The key of an item's inputs."""
    skip = 0 if element else 1
    return tuple((name, tuple(value.shape[skip:])) for name, value in inputs.items())


class BufferPool:
    """Batch tensors for one instance, used again when nothing refers to them any more."""

    def __init__(self, capacity: int = 8) -> None:
        self._capacity = capacity
        self._free: OrderedDict[tuple[tuple[int, ...], np.dtype[Any]], Array] = OrderedDict()

    def take(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        buffer = self._free.pop((shape, dtype), None)
        return np.empty(shape, dtype) if buffer is None else buffer

    def give(self, buffer: Array, outputs: Mapping[str, Array]) -> None:
        """Take back a batch tensor, unless an output looks into it."""
        if any(np.may_share_memory(buffer, output) for output in outputs.values()):
            return
        self._free[buffer.shape, buffer.dtype] = buffer
        while len(self._free) > self._capacity:
            self._free.popitem(last=False)


@dataclass(slots=True)
class Batch:
    """Merged items: the tensors to execute, whose rows they are, and who already failed."""

    inputs: dict[str, Array] = field(default_factory=dict)
    items: list[Item] = field(default_factory=list)
    failed: list[tuple[Item, TritonError]] = field(default_factory=list)
    pooled: list[Array] = field(default_factory=list)

    @property
    def rows(self) -> int:
        return sum(item.rows for item in self.items)


def merge(items: Sequence[Item], pool: BufferPool, batched: bool) -> Batch:
    """One batch of all items (which have equal keys); `batched` if the model has a batch dim."""
    if len(items) == 1 and all(isinstance(v, np.ndarray) for v in items[0].inputs.values()):
        item = items[0]
        return Batch({n: _whole(v, item, batched) for n, v in item.inputs.items()}, [item])
    total = sum(item.rows for item in items)
    batch = Batch()
    for name, value in items[0].inputs.items():
        row = tuple(value.shape) if items[0].element or not batched else tuple(value.shape[1:])
        shape = (total, *row) if batched else row
        batch.inputs[name] = pool.take(shape, _model_dtype(value))
    batch.pooled = list(batch.inputs.values())
    _fill(batch, items, batched)
    if batch.failed and batched:
        batch.inputs = {name: buffer[: batch.rows] for name, buffer in batch.inputs.items()}
    return batch


def _model_dtype(value: Tensor) -> np.dtype[Any]:
    """What a model is given: native byte order, and strings of any length as objects."""
    dtype = value.dtype
    if dtype.kind in "SU":
        return np.dtype(np.object_)
    return dtype if dtype.isnative else dtype.newbyteorder("=")


def _whole(value: Tensor, item: Item, batched: bool) -> Array:
    array = np.asarray(value, _model_dtype(value), order="C")  # keeps a scalar one
    return array[None] if item.element and batched else array


def _fill(batch: Batch, items: Sequence[Item], batched: bool) -> None:
    at = 0
    for item in items:
        try:
            for name, value in item.inputs.items():
                buffer = batch.inputs[name]
                if not batched:
                    slot = buffer
                else:
                    slot = buffer[at, ...] if item.element else buffer[at : at + item.rows]
                _write(value, slot)
        except TritonError as error:
            batch.failed.append((item, error))
        except Exception as error:  # a source is foreign code: its fault is its request's alone
            batch.failed.append((item, InternalError(f"input could not be made: {error!r}")))
        else:
            batch.items.append(item)
            at += item.rows


def _write(value: Tensor, slot: Array) -> None:
    if isinstance(value, np.ndarray):
        slot[...] = value
    else:
        value.write(slot)


def split(outputs: Mapping[str, Array], items: Sequence[Item]) -> list[dict[str, Array]]:
    """Each item's own rows of a batched answer, as views of it."""
    total = sum(item.rows for item in items)
    for name, output in outputs.items():
        if output.ndim == 0 or output.shape[0] != total:
            raise InternalError(
                f"output '{name}' has shape {list(output.shape)} for a batch of {total}: its first"
                " dim must be the batch size (or set max_batch_size to 0)"
            )
    answers, at = [], 0
    for item in items:
        rows = at if item.element else slice(at, at + item.rows)
        # the ellipsis keeps a row of a 1-D output an array
        answers.append({name: output[rows, ...] for name, output in outputs.items()})
        at += item.rows
    return answers
