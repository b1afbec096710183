# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One batch through one instance: merge, execute, split, answer everyone.

Every item is answered exactly once, whatever fails, and a failure says which model it was in.  An
item that is alone and needs no merging takes a short way; instances that want the requests
themselves are `request_execution`'s.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from triton_ros.core.backend import ModelInstance, RequestInstance
from triton_ros.core.config.model_config import InstanceGroup, ModelConfig
from triton_ros.core.errors import CancelledError, InternalError, TritonError
from triton_ros.core.execution.batch_tensors import BatchPlan
from triton_ros.core.execution.merging import Batch, check_rows, merge, split
from triton_ros.core.execution.payload import BufferPool, Item, finished, gap, whole
from triton_ros.core.execution.request_execution import (
    MakeCalls,
    RequestRunner,
    Reschedule,
    as_request_instance,
    ours,
)
from triton_ros.core.request import Timing
from triton_ros.core.scheduling.host_policy import HostPolicy
from triton_ros.core.scheduling.rate_limiter import Grant
from triton_ros.core.telemetry.statistics import StatisticsCollector
from triton_ros.core.tensor import Array

_LOG = logging.getLogger(__name__)

Clock = Callable[[], int]
"""Monotonic nanoseconds."""


def deliver(item: Item, outcome: dict[str, Array] | TritonError, timing: Timing) -> None:
    """Answer an item.  A callback that raises is a bug; it must not cost others their answers."""
    request = item.request
    if request is not None and request.cancellation is not None:
        request.cancellation.unwatch(id(item))
    # a callback that knows its item makes a circle, which would keep whole frames for a while
    done, item.done = item.done, _answered
    try:
        done(outcome, timing)
    except (Exception, SystemExit):
        _LOG.exception("a completion callback raised")


def settle(items: Sequence[Item], error: TritonError) -> None:
    """Answer those that were not."""
    for item in items:
        if not item.null and item.done is not _answered:
            deliver(item, error, Timing())


def _answered(outcome: dict[str, Array] | TritonError, timing: Timing) -> None:
    raise InternalError("an item was answered twice")


class Executor:
    """An instance with its buffers.  Used by one thread at a time.

    `make_calls` gives an executing model its way to the server, if it wants one.
    """

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
        make_calls: MakeCalls | None = None,
    ) -> None:
        self.instance = instance
        self.index = index
        self.group = group or InstanceGroup()
        self.device = device
        self.host_policy = host_policy
        self._plan = BatchPlan.of(config)
        self._statistics = statistics
        self._clock = clock
        self._pool = BufferPool()
        self._runner: RequestRunner | None = None
        requests = as_request_instance(instance)
        if requests is not None:
            self._runner = RequestRunner(requests, config, self._plan, clock, deliver, make_calls)
        else:
            self._execute = cast(ModelInstance, instance).execute

    @property
    def pooled_bytes(self) -> int:
        """Memory of batch tensors that are kept for the next batch."""
        return self._pool.pooled_bytes

    def run(
        self,
        items: Sequence[Item],
        grant: Grant | None = None,
        reschedule: Reschedule = lambda item: False,
    ) -> None:
        """Answer all items; `grant` is what the rate limiter lets them hold meanwhile."""
        start = self._clock()
        for item in items:
            if item.request is not None and item.request.cancellation is not None:
                items = self._without_cancelled(items, start)
                break
        if self._runner is not None:
            self._runner.run(items, grant, start, reschedule, self._statistics)
            return
        if len(items) == 1 and self._plan.plain and not items[0].null:
            inputs = whole(items[0], self._plan.batched)
            if inputs is not None:
                self._run_alone(items[0], inputs, start)
                return
        self._run_batch(items, start)

    @property
    def direct(self) -> bool:
        """Whether `run_direct` is possible: tensors go in as they are, and come out so."""
        return self._runner is None and self._plan.plain

    def run_direct(
        self, inputs: Mapping[str, Array], rows: int, start: int
    ) -> tuple[dict[str, Array], Timing]:
        """Run one request's plain arrays in this thread, unqueued since `start`, without an item.

        Raises `TritonError`; the caller enters the request in the books.
        """
        clock = self._clock
        begun = clock()
        try:
            outputs = self._execute(inputs)
            computed = clock()
            check_rows(outputs, rows, self._plan)
        except TritonError as error:
            ours(error, self._plan.model)
            raise
        except Exception as error:
            raise ours(error, self._plan.model) from error
        end = clock()
        self._statistics.executed(rows, 0, computed - begun, end - computed)
        return outputs, Timing(begun - start, 0, computed - begun, end - computed, rows)

    def _without_cancelled(self, items: Sequence[Item], start: int) -> Sequence[Item]:
        live = []
        for item in items:
            request = item.request
            if (
                request is None
                or request.cancellation is None
                or not request.cancellation.cancelled
            ):
                live.append(item)
                continue
            self._fail(item, CancelledError("request was cancelled"), start)
            if self._plan.fixed_rows:
                live.append(gap(item))
        return live

    def _run_alone(self, item: Item, inputs: dict[str, Array], start: int) -> None:
        """The same as `_run_batch` for one item whose inputs are the batch."""
        clock = self._clock
        merged = clock()
        try:
            answer = self._execute(inputs)
            computed = clock()
            rows = item.rows
            check_rows(answer, rows, self._plan)
            if item.element:
                answer = finished(answer, item, self._plan)
            if item.state is not None:
                answer = item.state.take(answer)
        except BaseException as error:
            self._fail(item, ours(error, self._plan.model), start)
            if isinstance(error, Exception):
                return
            raise
        end = clock()
        self._statistics.executed(rows, merged - start, computed - merged, end - computed)
        queued = start - item.offered_ns
        timing = Timing(queued, merged - start, computed - merged, end - computed, rows)
        deliver(item, answer, timing)

    def _run_batch(self, items: Sequence[Item], start: int) -> None:
        batch = self._merge(items)
        for item, error in batch.failed:
            self._fail(item, error, start)
        if not batch.items:
            return
        merged = self._clock()
        try:
            outputs = self._execute(batch.inputs)
            computed = self._clock()
            answers = split(outputs, batch, self._plan)
            for buffer in batch.pooled:
                self._pool.give(buffer, outputs)
        except BaseException as error:
            reason = ours(error, self._plan.model)
            for item in batch.items:
                self._fail(item, reason, start)
            if isinstance(error, Exception):
                return
            raise
        end = self._clock()
        times = merged - start, computed - merged, end - computed
        self._statistics.executed(batch.rows, *times)
        for item, answer in zip(batch.items, answers, strict=True):
            timing = Timing(start - item.offered_ns, *times, batch.rows)
            deliver(item, _without_state(item, answer), timing)

    def _merge(self, items: Sequence[Item]) -> Batch:
        if all(item.null for item in items):
            return Batch()
        try:
            return merge(items, self._pool, self._plan)
        except Exception as error:  # an impossible shape, say, or no memory
            reason = InternalError(f"model '{self._plan.model}': no batch can be made: {error}")
            return Batch(failed=[(item, reason) for item in items])

    def _fail(self, item: Item, error: TritonError, start: int) -> None:
        if not item.null:
            deliver(item, error, Timing(queue_ns=start - item.offered_ns))


def _without_state(item: Item, answer: dict[str, Array]) -> dict[str, Array] | TritonError:
    """What of an item's answer is for the caller; a state that is refused is its item's error."""
    if item.state is None:
        return answer
    try:
        return item.state.take(answer)
    except TritonError as error:
        return error
