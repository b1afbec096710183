# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One batch through one instance: merge, execute, split, answer everyone.

Every item is answered exactly once, whatever fails, and a failure says which model it was in.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from triton_ros.core.backend import ModelInstance, RequestInstance
from triton_ros.core.errors import CancelledError, InternalError, TritonError
from triton_ros.core.host_policy import HostPolicy
from triton_ros.core.model_config import InstanceGroup, ModelConfig
from triton_ros.core.payload import Batch, BufferPool, Item, merge, split
from triton_ros.core.rate_limiter import Grant
from triton_ros.core.request import Timing
from triton_ros.core.statistics import StatisticsCollector
from triton_ros.core.tensor import Array

_LOG = logging.getLogger(__name__)

Clock = Callable[[], int]
"""Monotonic nanoseconds."""


def deliver(item: Item, outcome: dict[str, Array] | TritonError, timing: Timing) -> None:
    """Answer an item.  A callback that raises is a bug; it must not cost others their answers."""
    if item.request and item.request.cancellation:
        item.request.cancellation.unwatch(id(item))
    try:
        item.done(outcome, timing)
    except Exception:
        _LOG.exception("a completion callback raised")


class Executor:
    """An instance with its buffers.  Used by one thread at a time."""

    def __init__(
        self,
        instance: ModelInstance | RequestInstance,
        config: ModelConfig,
        statistics: StatisticsCollector,
        clock: Clock,
        index: int = 0,
        group: InstanceGroup | None = None,
        device: int = 0,
        host_policy: HostPolicy | None = None,
    ) -> None:
        self.instance = instance
        self.index = index
        self.group = group or InstanceGroup()
        self.device = device
        self.host_policy = host_policy
        self.reschedule: Callable[[Item], bool] = lambda item: False
        """Queues a running item again; set by the scheduler."""
        self._name = config.name
        self._batched = config.max_batch_size > 0
        self._statistics = statistics
        self._clock = clock
        self._pool = BufferPool()

    def run(self, items: Sequence[Item], grant: Grant | None = None) -> None:
        """Answer all items; `grant` is what the rate limiter lets them hold meanwhile."""
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
        self._statistics.executed(batch.rows, merged - start, computed - merged, end - computed)
        for item, answer in zip(batch.items, answers, strict=True):
            timing = Timing(
                queue_ns=start - item.offered_ns,
                compute_input_ns=merged - start,
                compute_infer_ns=computed - merged,
                compute_output_ns=end - computed,
                batch_size=batch.rows,
            )
            self._statistics.succeeded(timing, end - item.offered_ns, item.rows)
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
            outputs = self.instance.execute(batch.inputs)  # type: ignore[union-attr]
            computed = self._clock()
            answers = split(outputs, batch.items) if self._batched else [outputs]
            for buffer in batch.pooled:
                self._pool.give(buffer, outputs)
        except TritonError:
            raise
        except Exception as error:  # the runtime's boundary: a foreign error becomes ours, once
            raise InternalError(f"model '{self._name}' failed: {error}") from error
        return merged, answers, computed

    def _fail(self, item: Item, error: TritonError, start: int) -> None:
        self._statistics.failed(self._clock() - item.offered_ns, error)
        deliver(item, error, Timing(queue_ns=start - item.offered_ns))
