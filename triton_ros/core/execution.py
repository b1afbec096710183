# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One batch through one instance: merge, execute, split, answer everyone.

Every item is answered exactly once, whatever fails, and a failure says which model it was in.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from triton_ros.core.backend import ModelInstance
from triton_ros.core.errors import CancelledError, InternalError, TritonError
from triton_ros.core.payload import Batch, BufferPool, Item, merge, split
from triton_ros.core.request import Timing
from triton_ros.core.statistics import StatisticsCollector
from triton_ros.core.tensor import Array

_LOG = logging.getLogger(__name__)

Clock = Callable[[], int]
"""Monotonic nanoseconds."""


def deliver(item: Item, outcome: dict[str, Array] | TritonError, timing: Timing) -> None:
    """Answer an item.  A callback that raises is a bug; it must not cost others their answers."""
    try:
        item.done(outcome, timing)
    except Exception:
        _LOG.exception("a completion callback raised")


class Executor:
    """An instance with its buffers.  Used by one thread at a time."""

    def __init__(
        self,
        instance: ModelInstance,
        model_name: str,
        batched: bool,
        statistics: StatisticsCollector,
        clock: Clock,
    ) -> None:
        self.instance = instance
        self._name = model_name
        self._batched = batched
        self._statistics = statistics
        self._clock = clock
        self._pool = BufferPool()

    def run(self, items: Sequence[Item]) -> None:
        """Answer all items."""
        start = self._clock()
        batch = self._merge(items)
        for item, error in batch.failed:
            self._fail(item, error, start)
        if not batch.items:
            return
        try:
            merged, answers, computed = self._compute(batch)
        except TritonError as error:
            for item in batch.items:
                self._fail(item, error, start)
            return
        except BaseException:  # Ctrl-C in a caller's thread, `sys.exit` in a model
            for item in batch.items:
                self._fail(item, CancelledError(f"model '{self._name}' was interrupted"), start)
            raise
        end = self._clock()
        for item, answer in zip(batch.items, answers, strict=True):
            timing = Timing(
                queue_ns=start - item.offered_ns,
                compute_input_ns=merged - start,
                compute_infer_ns=computed - merged,
                compute_output_ns=end - computed,
                batch_size=batch.rows,
            )
            self._statistics.succeeded(timing, end - item.offered_ns)
            deliver(item, answer, timing)

    def _merge(self, items: Sequence[Item]) -> Batch:
        try:
            return merge(items, self._pool, self._batched)
        except Exception as error:  # an impossible shape, say, or no memory
            reason = InternalError(f"model '{self._name}': no batch can be made: {error}")
            return Batch(failed=[(item, reason) for item in items])

    def _compute(self, batch: Batch) -> tuple[int, list[dict[str, Array]], int]:
        merged = self._clock()
        try:
            outputs = self.instance.execute(batch.inputs)
            computed = self._clock()
            self._statistics.executed(batch.rows)
            answers = split(outputs, batch.items) if self._batched else [outputs]
            for buffer in batch.pooled:
                self._pool.give(buffer, outputs)
        except TritonError:
            raise
        except Exception as error:  # the runtime's boundary: a foreign error becomes ours, once
            raise InternalError(f"model '{self._name}' failed: {error}") from error
        return merged, answers, computed

    def _fail(self, item: Item, error: TritonError, start: int) -> None:
        self._statistics.failed(self._clock() - item.offered_ns)
        deliver(item, error, Timing(queue_ns=start - item.offered_ns))
