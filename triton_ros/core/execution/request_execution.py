# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One batch through an instance that answers the requests itself: Python, custom, decoupled.

Nothing is merged: every item becomes a `RunningRequest` with its own inputs.  It is ended exactly
once: by the model, or for it (an exception, no answer, nobody left who could give one).  A
request's own lock keeps its responses in the order in which they were sent, from whichever threads;
a receiver that blocks holds up the senders of that request alone.

Whoever can take one response only (a model that is not decoupled, an item without `respond`) gets
it when the request is ended, so that a second one can still be told from it.
"""

from __future__ import annotations

import _thread
import contextlib
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import numpy as np

from triton_ros.core.backend import ModelCalls, ModelInstance, ReportsTimes, RequestInstance
from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.errors import CancelledError, InternalError, TritonError
from triton_ros.core.execution.batch_tensors import BatchPlan
from triton_ros.core.execution.payload import Item, bad_input, finished, gap, own_inputs
from triton_ros.core.model_calls import NoCalls
from triton_ros.core.request import (
    Caller,
    Cancellation,
    InferenceRequest,
    Parameter,
    Timing,
)
from triton_ros.core.scheduling.rate_limiter import Grant
from triton_ros.core.telemetry.statistics import StatisticsCollector
from triton_ros.core.tensor import Array

_LOG = logging.getLogger(__name__)

Deliver: TypeAlias = Callable[[Item, dict[str, Array] | TritonError, Timing], None]
MakeCalls: TypeAlias = Callable[[Caller], ModelCalls]
Reschedule: TypeAlias = Callable[[Item], bool]
"""Queues a running item again; False if that is not for its model."""

_NO_REQUEST = InferenceRequest("", {})


def as_request_instance(instance: ModelInstance | RequestInstance) -> RequestInstance | None:
    """The instance, if it is of the port's second kind."""
    return cast(RequestInstance, instance) if hasattr(instance, "execute_requests") else None


def ours(error: BaseException, model: str) -> TritonError:
    """The runtime's boundary: a foreign error becomes one of our tree, once."""
    if isinstance(error, TritonError):
        error.reason = error.reason or "BACKEND"
        return error
    if not isinstance(error, Exception):  # Ctrl-C in a caller's thread, `sys.exit` in a model
        return CancelledError(f"model '{model}' was interrupted")
    reason = InternalError(f"model '{model}' failed: {error}")
    reason.__cause__ = error
    return reason


@dataclass(slots=True)
class _Run:
    """What the requests of one batch have in common."""

    plan: BatchPlan
    decoupled: bool
    clock: Callable[[], int]
    deliver: Deliver
    reschedule: Reschedule
    start: int
    reporter: ReportsTimes | None
    """The instance, if it tells times of its own."""
    merged: int = 0
    rows: int = 0

    def timing(self, item: Item) -> Timing:
        return Timing(self.start - item.offered_ns, *self.times(self.clock()), self.rows)

    def times(self, end: int) -> tuple[int, int, int]:
        """Nanoseconds of inputs, inference and outputs: the instance's word, where it has one."""
        total, told = end - self.merged, None
        if not self.decoupled and self.reporter is not None:
            told = self.reporter.times
        read, wrote = told or (0, 0)
        if read + wrote > total:  # by another clock
            read = wrote = 0
        return self.merged - self.start + read, total - read - wrote, wrote


class RunningRequest:
    """An item that executes: core's `ExecutionRequest`.

    Every call that comes after the end raises `InternalError`, for the model to see its mistake.
    """

    def __init__(self, item: Item, inputs: dict[str, Array], run: _Run) -> None:
        self._item = item
        self._inputs = inputs
        self._run = run
        self._request = item.request or _NO_REQUEST
        self._one = not run.decoupled or item.respond is None
        self._answer: dict[str, Array] | None = None
        self._responses = 0
        self._ended = item.null
        self._lock = threading.RLock()

    # what it asks ----------------------------------------------------------------------------

    @property
    def id(self) -> str:
        return self._request.id

    @property
    def correlation_id(self) -> int | str:
        return self._request.correlation_id

    @property
    def sequence_start(self) -> bool:
        return self._request.sequence_start

    @property
    def sequence_end(self) -> bool:
        return self._request.sequence_end

    @property
    def inputs(self) -> Mapping[str, Array]:
        return self._inputs

    @property
    def outputs(self) -> tuple[str, ...]:
        return self._request.outputs

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        return self._request.parameters

    @property
    def cancelled(self) -> bool:
        cancellation = self._request.cancellation
        return cancellation is not None and cancellation.cancelled

    @property
    def cancellation(self) -> Cancellation | None:
        return self._request.cancellation

    @property
    def priority(self) -> int:
        return self._request.priority

    @property
    def timeout_us(self) -> int:
        return self._request.timeout_us

    @property
    def deadline_ns(self) -> int | None:
        return self._request.deadline_ns

    @property
    def remaining_ns(self) -> int | None:
        deadline = self._request.deadline_ns
        return None if deadline is None else deadline - self._run.clock()

    # how it is answered ----------------------------------------------------------------------

    def respond(
        self, outputs: dict[str, Array], parameters: Mapping[str, Parameter] | None = None
    ) -> None:
        """Raises `InternalError` for what is no response, or one too many (which fails this)."""
        if self._item.null:
            return
        answer = self._shaped(outputs)
        with self._lock:
            self._check_open("a response was sent")
            self._responses += 1
            if self._one and self._responses > 1:
                error = self._mistake("sent more than one response to a request")
                self._end(error)
                raise error
            if self._item.state is not None and self._responses == 1:
                answer = self._item.state.take(answer)
            if self._one:
                self._answer = answer
                self._item.answer_parameters = parameters or {}
            else:
                self._send(answer, parameters or {})

    def finish(self) -> None:
        if self._item.null:
            return
        with self._lock:
            self._check_open("it was finished")
            self._end(self._result())

    def fail(self, error: TritonError) -> None:
        if self._item.null:
            return
        with self._lock:
            self._check_open("it was failed")
            self._end(error)

    def reschedule(self) -> None:
        if self._item.null:
            return
        with self._lock:
            self._check_open("it was rescheduled")
            if self._answer is not None:
                error = self._mistake("rescheduled a request that it had answered")
                self._end(error)
                raise error
            self._ended = True
        if not self._run.reschedule(self._item):
            reason = "rescheduled a request; that is for sequence_batching.iterative_sequence: true"
            self._deliver(self._mistake(reason))

    # for the runner --------------------------------------------------------------------------

    def settle(self, error: TritonError | None = None) -> None:
        """End it if it is not: with the error, or with the answer that it has."""
        with self._lock:
            if not self._ended:
                self._end(error or self._result())

    def __del__(self) -> None:
        if getattr(self, "_ended", True):
            return
        # on a thread of its own: garbage is collected anywhere, under anyone's locks
        error = self._mistake("forgot a request without ending it")
        with contextlib.suppress(RuntimeError):  # the interpreter ends: nobody waits any more
            arguments = (self._item, error, self._run.timing(self._item))
            _thread.start_new_thread(self._run.deliver, arguments)

    def _result(self) -> dict[str, Array] | TritonError:
        if not self._one:
            return {}
        return self._mistake("did not answer the request") if self._answer is None else self._answer

    def _end(self, outcome: dict[str, Array] | TritonError) -> None:
        self._ended = True
        self._deliver(outcome)

    def _deliver(self, outcome: dict[str, Array] | TritonError) -> None:
        self._run.deliver(self._item, outcome, self._run.timing(self._item))

    def _send(self, answer: dict[str, Array], parameters: Mapping[str, Parameter]) -> None:
        assert self._item.respond is not None
        try:
            self._item.respond(answer, parameters, self._run.timing(self._item))
        except (Exception, SystemExit):
            _LOG.exception("a response callback raised")

    def _check_open(self, what: str) -> None:
        if self._ended:
            raise self._mistake(f"has ended a request before {what}")

    def _mistake(self, what: str) -> InternalError:
        return InternalError(f"model '{self._run.plan.model}' {what}")

    def _shaped(self, outputs: dict[str, Array]) -> dict[str, Array]:
        for name, output in outputs.items():
            if not isinstance(output, np.ndarray):
                raise self._mistake(f"answered output '{name}' as {type(output).__name__}")
            if self._item.element and self._run.plan.batched and output.shape[:1] != (1,):
                raise self._mistake(
                    f"answered output '{name}' of shape {list(output.shape)} to an element:"
                    " its first dim must be 1"
                )
        return finished(dict(outputs), self._item, self._run.plan)


class RequestRunner:
    """A `RequestInstance` as an executor drives it.  Used by one thread at a time."""

    def __init__(
        self,
        instance: RequestInstance,
        config: ModelConfig,
        plan: BatchPlan,
        clock: Callable[[], int],
        deliver: Deliver,
        make_calls: MakeCalls | None,
    ) -> None:
        self._instance = instance
        # asked once: a protocol's isinstance costs as much as a small model
        self._reporter = instance if isinstance(instance, ReportsTimes) else None
        self._plan = plan
        self._decoupled = config.decoupled
        self._clock = clock
        self._deliver = deliver
        self._no_calls = NoCalls(f"model '{plan.model}' cannot call other models here")
        self._make_calls = make_calls or (lambda caller: self._no_calls)
        self._self = frozenset({plan.model})

    def run(
        self,
        items: Sequence[Item],
        grant: Grant | None,
        start: int,
        reschedule: Reschedule,
        statistics: StatisticsCollector,
    ) -> None:
        """Answer all items; those of a decoupled model may be answered later."""
        run = _Run(
            *(self._plan, self._decoupled, self._clock, self._deliver, reschedule, start),
            self._reporter,
        )
        requests = self._requests(items, run)
        run.merged = self._clock()
        if not run.rows:
            return
        try:
            self._instance.execute_requests(requests, self._make_calls(self._caller(items, grant)))
        except BaseException as error:
            reason = ours(error, self._plan.model)
            for request in requests:
                request.settle(reason)
            if isinstance(error, Exception):
                return
            raise
        end = self._clock()
        if not self._decoupled:
            for request in requests:
                request.settle()
        statistics.executed(run.rows, *run.times(end))

    def _requests(self, items: Sequence[Item], run: _Run) -> list[RunningRequest]:
        requests = []
        like = next((item for item in items if not item.null), None)
        for item in items if like else ():
            laid = item
            try:
                inputs = own_inputs(item, self._plan, like or item)
            except Exception as error:  # a source is foreign code: its fault is its request's alone
                timing = Timing(queue_ns=run.start - item.offered_ns)
                self._deliver(item, bad_input(error), timing)
                if not self._plan.fixed_rows:
                    continue
                laid = gap(item)
                inputs = own_inputs(laid, self._plan, like or item)
            requests.append(RunningRequest(laid, inputs, run))
            run.rows += 0 if laid.null else laid.rows
        return requests

    def _caller(self, items: Sequence[Item], grant: Grant | None) -> Caller:
        callers = [item.request.caller for item in items if item.request and item.request.caller]
        grants: tuple[Any, ...] = () if grant is None else (grant,)
        if not callers:
            return Caller(self._self, grants)
        models = self._self.union(*(caller.models for caller in callers))
        return Caller(models, grants + tuple(g for caller in callers for g in caller.grants))
