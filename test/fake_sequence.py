# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Sequence models without a runtime, and a desk to drive a sequence batcher by hand.

The models take ``x`` FP32 [1] a row.  Those of kind ``sum`` answer the running sum of their
sequence, which core keeps for them as implicit state; those of kind ``slots`` keep it themselves,
in the row of the batch that the direct strategy gave the sequence, and know from the controls when
it starts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from triton_ros.core.config.model_config import InputConfig, ModelConfig, OutputConfig
from triton_ros.core.config.scheduling_config import (
    ControlKind,
    DirectStrategy,
    OldestStrategy,
    SequenceBatching,
    SequenceControl,
    SequenceState,
)
from triton_ros.core.errors import TritonError
from triton_ros.core.execution.payload import Item, item_key
from triton_ros.core.request import InferenceRequest
from triton_ros.core.scheduling.batcher import Rejections, Wait
from triton_ros.core.scheduling.sequence_batcher import SequenceBatcher
from triton_ros.core.tensor import Array, TensorSpec

MODEL = "M"
SECOND = 1_000_000_000
SUM = SequenceState("sum_in", "sum_out", TensorSpec("sum_in", "FP32", (1,)))
FLAGS = tuple(
    SequenceControl(kind, TensorSpec(kind.name, "INT32", (1,)), (0, 1))
    for kind in (ControlKind.START, ControlKind.END, ControlKind.READY)
)


def corrid(datatype: str = "UINT64") -> SequenceControl:
    return SequenceControl(ControlKind.CORRID, TensorSpec("CORRID", datatype, (1,)))


def configuration(
    strategy: DirectStrategy | OldestStrategy | None = None,
    max_batch_size: int = 4,
    dims: tuple[int, ...] = (1,),
    **batching: Any,
) -> ModelConfig:
    """A model with ``x`` and ``y``; direct unless said otherwise."""
    return ModelConfig(
        MODEL,
        backend="fake",
        max_batch_size=max_batch_size,
        input=(InputConfig(TensorSpec("x", "FP32", dims)),),
        output=(OutputConfig(TensorSpec("y", "FP32", dims)),),
        sequence_batching=SequenceBatching(strategy or DirectStrategy(), **batching),
    )


class Desk:
    """A sequence batcher, its clock, and what it refused."""

    def __init__(
        self, config: ModelConfig, instances: int = 1, initial: Mapping[str, Array] | None = None
    ) -> None:
        self.batcher = SequenceBatcher(config, range(instances), initial or {})
        self.now = 0
        self.refused: dict[Item, TritonError] = {}

    def offer(
        self, sequence: int | str, flags: str = "", x: float = 0.0, size: int = 1, **fields: Any
    ) -> Item:
        """Offer a request; flags are ``s`` for START and ``e`` for END."""
        inputs = {"x": np.full((1, size), x, np.float32)}
        request = InferenceRequest(
            MODEL,
            inputs,
            correlation_id=sequence,
            sequence_start="s" in flags,
            sequence_end="e" in flags,
            **fields,
        )
        item = Item(
            inputs, lambda outcome, timing: None, key=item_key(inputs, False), request=request
        )
        self.add(self.batcher.offer(item, self.now))
        return item

    def add(self, rejections: Rejections) -> None:
        for item, error in rejections:
            assert item not in self.refused, "answered twice"
            self.refused[item] = error

    def next(self, instance: int = 0) -> list[Item | None] | Wait:
        """The next batch, None where a row is filled."""
        batch = self.batcher.next_batch(self.now, instance)
        return batch if isinstance(batch, Wait) else [None if i.null else i for i in batch]

    def finish(self, items: Sequence[Item | None], instance: int = 0) -> None:
        self.add(self.batcher.finished([i for i in items if i], instance, self.now))

    def run(self, instance: int = 0) -> list[Item | None]:
        """The next batch, finished; empty if there is none yet."""
        batch = self.next(instance)
        if isinstance(batch, Wait):
            return []
        self.finish(batch, instance)
        return batch

    def expire(self, at: int) -> list[Item]:
        """What is refused at that time; the batcher must have named it, or an earlier one."""
        due = self.batcher.next_due()
        self.now = at
        before = set(self.refused)
        self.add(self.batcher.expire(at))
        new = [item for item in self.refused if item not in before]
        assert not new or (due is not None and due <= at), "the timer would have been late"
        return new


def controls(item: Item) -> dict[str, Any]:
    """What the model is told about an item, by control."""
    names = [kind.name for kind in ControlKind]
    return {n: np.asarray(v).item() for n, v in item.inputs.items() if n in names}
