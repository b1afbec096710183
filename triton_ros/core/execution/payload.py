# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What waits for a model and runs on it: items, and one item's tensors as its model sees them.

`merging` makes batches of them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from triton_ros.core.errors import InternalError, TritonError
from triton_ros.core.execution.batch_tensors import BatchPlan, Reshape, Shape
from triton_ros.core.request import InferenceRequest, Parameter, Timing
from triton_ros.core.tensor import Array, Tensor, Tensors

ItemDone = Callable[[dict[str, Array] | TritonError, Timing], None]
Key = tuple[Any, ...]
Respond = Callable[[dict[str, Array], Mapping[str, Parameter], Timing], None]


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
    """Items batch together only if their keys are equal: input names, dtypes and the shape of
    a row."""
    offered_ns: int = 0
    request: InferenceRequest | None = None
    """Who asked: priority, timeout, deadline, sequence and caller are read from it."""
    state: StateSlot | None = None
    """Where the model's state outputs for this item go; set by a sequence batcher."""
    null: bool = False
    """A row that only fills a gap in a batch; nobody waits for its answer.  Inputs that it does not
    have are zeros there."""
    respond: Respond | None = None
    """Gets each response of a decoupled model; `done` then gets no outputs, or the error.  Without
    it, a decoupled model must give exactly one response, which `done` gets."""
    answer_parameters: Mapping[str, Parameter] = field(default_factory=dict)
    """The parameters of the one answer, set before `done` is called."""
    level: int = 0
    """The priority level that a batcher gave it."""
    sequence: Any = None
    """The sequence batcher's own note of what this item belongs to."""


_NO_NAMES: frozenset[str] = frozenset()
_OBJECT = np.dtype(np.object_)


def item_key(inputs: Tensors, element: bool, ragged: frozenset[str] = _NO_NAMES) -> Key:
    """The key of an item's inputs; the shapes of `ragged` ones may differ."""
    key: list[Any] = []
    for name, value in inputs.items():
        shape, dtype = value.shape, value.dtype
        key.append(name)
        key.append(_OBJECT if dtype.kind in "SU" else dtype)
        key.append(None if name in ragged else shape if element else shape[1:])
    return tuple(key)


class BufferPool:
    """Batch tensors for one instance, used again when nothing refers to them any more."""

    def __init__(self, capacity: int = 8) -> None:
        self._capacity = capacity
        self._free: OrderedDict[tuple[Shape, np.dtype[Any]], Array] = OrderedDict()
        self.pooled_bytes = 0
        """What it keeps for later."""

    def take(self, shape: Shape, dtype: np.dtype[Any]) -> Array:
        buffer = self._free.pop((shape, dtype), None)
        if buffer is None:
            return np.empty(shape, dtype)
        self.pooled_bytes -= buffer.nbytes
        return buffer

    def give(self, buffer: Array, outputs: Mapping[str, Array]) -> None:
        """Take back a batch tensor, unless an output looks into it."""
        if any(np.may_share_memory(buffer, output) for output in outputs.values()):
            return
        if buffer.dtype.hasobject:
            return  # it would keep the last batch's texts alive
        key = buffer.shape, buffer.dtype
        replaced = self._free.pop(key, None)
        self._free[key] = buffer
        self.pooled_bytes += buffer.nbytes - (0 if replaced is None else replaced.nbytes)
        while len(self._free) > self._capacity:
            self.pooled_bytes -= self._free.popitem(last=False)[1].nbytes


def _nobody(outcome: dict[str, Array] | TritonError, timing: Timing) -> None: ...


def gap(item: Item) -> Item:
    """A null item of as many rows."""
    return Item({}, _nobody, item.rows, item.element, null=True)


def whole(item: Item, batched: bool) -> dict[str, Array] | None:
    """The inputs of an item that runs alone, as arrays; None if one of them is not an array yet."""
    add_dim = batched and item.element
    inputs = {}
    for name, value in item.inputs.items():
        if not isinstance(value, np.ndarray):
            return None
        dtype = value.dtype
        if value.flags.c_contiguous and dtype.isnative and dtype.kind not in "SU":
            array = value
        else:
            array = np.asarray(value, model_dtype(value), order="C")  # keeps a scalar one
        inputs[name] = array[None] if add_dim else array
    return inputs


def own_inputs(item: Item, plan: BatchPlan, like: Item) -> dict[str, Array]:
    """One item's inputs as its model sees them when nothing is merged, in new arrays if need be.

    A null item gets zeros for what it lacks, shaped as those of `like`.
    """
    inputs = {}
    for name in like.inputs if item.null else item.inputs:
        value = item.inputs.get(name)
        shape = model_shape(like if value is None else item, name, plan)
        if value is None:
            shape = (item.rows, *shape[1:]) if plan.batched else shape
            inputs[name] = np.empty(shape, model_dtype(like.inputs[name]))
            blank(inputs[name], name, plan)
        elif isinstance(value, np.ndarray):
            inputs[name] = np.asarray(value, model_dtype(value), order="C").reshape(shape)
        else:
            inputs[name] = np.empty(shape, model_dtype(value))
            value.write(inputs[name].reshape(tuple(value.shape)))
    return inputs


def model_shape(item: Item, name: str, plan: BatchPlan) -> Shape:
    """The shape in which the model sees an item's input."""
    shape = tuple(item.inputs[name].shape)
    if item.element and plan.batched:
        shape = (1, *shape)
    reshape = plan.input_reshape.get(name)
    if reshape is None:
        return shape
    return (shape[0], *reshape(shape[1:])) if plan.batched else reshape(shape)


def model_dtype(value: Tensor) -> np.dtype[Any]:
    """What a model is given: native byte order, and strings of any length as objects."""
    dtype = value.dtype
    if dtype.kind in "SU":
        return _OBJECT
    return dtype if dtype.isnative else dtype.newbyteorder("=")


def bad_input(error: Exception) -> TritonError:
    """What an item is answered whose source raised."""
    if isinstance(error, TritonError):
        return error
    return InternalError(f"input could not be made: {error!r}")


def blank(slot: Array, name: str, plan: BatchPlan) -> None:
    """Fill rows that are nobody's."""
    slot[...] = b"" if slot.dtype.hasobject else plan.gaps.get(name, 0)


def finished(answer: dict[str, Array], item: Item, plan: BatchPlan) -> dict[str, Array]:
    """One item's answer as the model gave it, in the dims of the configuration."""
    for name, reshape in plan.output_reshape.items():
        if name in answer:
            answer[name] = _reshaped(name, answer[name], reshape, plan.batched)
    if item.element and plan.batched:
        return {name: output[0, ...] for name, output in answer.items()}  # of 1-D: still an array
    return answer


def _reshaped(name: str, output: Array, reshape: Reshape, batched: bool) -> Array:
    try:
        if batched:
            return output.reshape(output.shape[0], *reshape(output.shape[1:]))
        return output.reshape(reshape(output.shape))
    except ValueError:
        raise InternalError(
            f"output '{name}' has shape {list(output.shape)}; its reshape says"
            f" {list(reshape.given)}{' behind the batch dim' if batched else ''}"
        ) from None
