# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One request on its way through an ensemble's graph.

It owns no thread: a step starts on the thread that brought its last tensor, or that made room in
its gate.  `Part` decides what is due; here it is started, and what comes back is passed on.

After the first failure nothing further starts: what waits at a gate leaves, the steps that run are
waited for, then the failure is the answer.  A decoupled step is told to stop through a
cancellation of the run's own.

A decoupled step's response opens a part.  Its thread waits until the steps of the part have passed
their gates, so that a fast producer cannot pile up tensors.  Responses leave in the order of what
they were made from, one at a time, then the final outcome.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from weakref import ref

from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.ensemble.ensemble_flow import Flow, Job, Part
from triton_ros.core.ensemble.ensemble_gate import StepGate
from triton_ros.core.ensemble.ensemble_values import SequenceMark, fitted, mark_of
from triton_ros.core.ensemble.outbox import Outbox
from triton_ros.core.errors import CancelledError, DeadlineError, InternalError, TritonError
from triton_ros.core.execution.executor import Clock
from triton_ros.core.model import Model
from triton_ros.core.request import (
    Cancellation,
    Done,
    InferenceRequest,
    InferenceResponse,
    Outcome,
    Parameter,
    Timing,
)
from triton_ros.core.scheduling.timer import Timer
from triton_ros.core.tensor import Array, Tensor, materialize

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Host:
    """What all runs of an ensemble share; `gates` by step, empty without a limit."""

    config: ModelConfig
    version: int
    clock: Clock
    timer: Timer | None = None
    gates: Sequence[StepGate[Errand]] = ()


@dataclass(eq=False)
class Errand:
    """A job and who runs it: what stands in line at a gate."""

    run: EnsembleRun
    job: Job
    passed: threading.Event = field(default_factory=threading.Event)
    """Set when it no longer stands in line."""


class EnsembleRun:
    """One request; `done` is called once, when nothing of it runs any more.

    `on_response` is given if the ensemble is decoupled: it gets every response, and the outcome is
    without outputs then.
    """

    def __init__(
        self,
        host: Host,
        flow: Flow,
        request: InferenceRequest,
        models: Sequence[Model],
        done: Done,
        on_response: Callable[[InferenceResponse], None] | None = None,
    ) -> None:
        self._host = host
        self._place = f"in ensemble '{host.config.name}'"
        self._inputs = request.inputs
        self._on_response = on_response
        self._token = request.cancellation
        self._stop = Cancellation() if on_response else self._token
        # without the tensors: a part drops each of them when its last taker has started
        self._request = replace(request, inputs={}, on_response=None, cancellation=self._stop)
        self._own = SequenceMark(
            request.correlation_id, request.sequence_start, request.sequence_end
        )
        self._models = models
        self._sink = flow.sink
        self._root = Part(flow, 0)
        self._wanted = [o.spec for o in host.config.output if o.spec.name in flow.wanted]
        self._done = done
        self._lock = threading.Lock()
        self._running = 0
        self._over = False
        self._lined_up: set[Errand] = set()
        self._error: TritonError | None = None
        self._timing = Timing()
        self._outbox = Outbox()

    def start(self) -> None:
        """Start what can start; the answer may have been given when this returns."""
        if self._stop and self._token and self._stop is not self._token:
            self._token.watch(id(self), self._stop.cancel)
        config = self._host.config
        with self._lock:
            names = [i.spec.name for i in config.input]
            self._root.give(self._inputs, names, config.max_batch_size > 0)
            self._inputs = {}
            jobs = self._advance(self._root)
        self._carry_on(jobs)

    # the graph, under the lock ---------------------------------------------------------------

    def _advance(self, part: Part) -> list[Job]:
        """What a part starts now; closes the part, and the run, if nothing of it runs any more."""
        jobs: list[Job] = []
        if self._error is None:
            try:
                jobs = part.take()
                self._running += len(jobs)
                if not part.running and not part.ended:
                    part.ended = True
                    part.response = self._response(part)
            except TritonError as error:
                self._note(error)
        if self._error is None:
            for response in self._root.drain() if self._on_response else ():
                self._outbox.put(partial(self._respond, response))
        if not self._running and not self._over:
            self._over = True
            self._outbox.put(partial(self._finish, self._final()))
        return jobs

    def _note(self, error: TritonError) -> None:
        """The first failure; what stands in line at the gates ends with it."""
        if self._error is not None:
            return
        self._error = error.within(self._place)
        for errand in list(self._lined_up):
            if self._host.gates[errand.job.node.index].remove(errand):
                self._dropped(errand)

    def _dropped(self, errand: Errand) -> None:
        self._lined_up.discard(errand)
        if self._stop:
            self._stop.unwatch(id(errand))
        errand.passed.set()
        self._running -= 1
        errand.job.part.running -= 1

    def _response(self, part: Part) -> InferenceResponse | None:
        if part.region != self._sink:
            return None
        values, outputs = part.results(), {}
        parameters: dict[str, Parameter] = {}
        batched = self._host.config.max_batch_size > 0
        for spec in self._wanted:
            value = values[spec.name]
            tensor = fitted(value, spec, batched)
            if tensor is not None:
                outputs[spec.name] = _array(spec.name, tensor)
                parameters.update(value.mark.parameters() if value.mark else {})
            elif value.fault:
                raise InternalError(f"no step answered output '{spec.name}': {value.fault}")
        return self._answer(outputs, parameters, final=self._on_response is None)

    def _final(self) -> Outcome:
        if self._error is not None:
            return self._error
        if self._on_response is None and self._root.response is not None:
            return self._root.response
        return self._answer({}, {}, final=True)

    def _answer(
        self, outputs: dict[str, Array], parameters: dict[str, Parameter], final: bool
    ) -> InferenceResponse:
        return InferenceResponse(
            self._host.config.name,
            self._host.version,
            outputs,
            self._request.id,
            self._request.tag,
            self._timing,
            final=final,
            parameters=parameters,
        )

    # steps -----------------------------------------------------------------------------------

    def _carry_on(self, jobs: Sequence[Job]) -> list[Errand]:
        """Without the lock: start jobs, send what is ready; the errands that stand in line."""
        lined_up = [errand for job in jobs if (errand := self._start(job))]
        if self._stop is not self._token and self._stop and self._error is not None:
            self._stop.cancel()
        self._outbox.send()
        return lined_up

    def _start(self, job: Job) -> Errand | None:
        errand = Errand(self, job)
        if not self._host.gates:
            self.launch(errand)
            return None
        gate = self._host.gates[job.node.index]
        self._watch(errand)
        if gate.enter(errand):
            self.launch(errand)
            return None
        if self._refusal():  # the watchers may have come before it stood in line
            self.expire(errand)
        return errand

    def _watch(self, errand: Errand) -> None:
        with self._lock:
            self._lined_up.add(errand)
        if self._stop:
            self._stop.watch(id(errand), partial(self.expire, errand))
        if self._host.timer and self._request.deadline_ns is not None:
            # a far deadline must not keep the request's tensors
            self._host.timer.call_at(self._request.deadline_ns, partial(_due, ref(errand)))

    def expire(self, errand: Errand) -> None:
        """It was cancelled, or is too late, while it stands in line."""
        with self._lock:
            if not self._host.gates[errand.job.node.index].remove(errand):
                return
            self._dropped(errand)
            self._note(self._refusal() or CancelledError("request was cancelled"))
            jobs = self._advance(errand.job.part)
        self._carry_on(jobs)

    def _refusal(self) -> TritonError | None:
        if self._stop and self._stop.cancelled:
            return CancelledError("request was cancelled")
        deadline = self._request.deadline_ns
        if deadline is not None and self._host.clock() >= deadline:
            return DeadlineError("Request deadline expired")
        return None

    def launch(self, errand: Errand) -> None:
        """There is room for it in its step: start it, unless the run has ended meanwhile."""
        job = errand.job
        with self._lock:
            self._lined_up.discard(errand)
            error = self._refusal() if self._error is None else None
            if error:
                self._note(error)
            failed = self._error is not None
        errand.passed.set()
        if self._host.gates and self._stop:
            self._stop.unwatch(id(errand))
        if failed:
            self._ended(job, None)
            return
        model = self._models[job.node.index]
        request = self._step_request(job, model)
        job.inputs = {}
        model.submit(request, partial(self._ended, job), fan_out=job.node.step.fan_out)

    def _step_request(self, job: Job, model: Model) -> InferenceRequest:
        step, mark, trace = job.node.step, job.mark or self._own, self._request.trace
        return replace(
            self._request,
            model_name=step.model_name,
            model_version=step.model_version,
            inputs=job.inputs,
            outputs=tuple(step.output_map),
            correlation_id=mark.correlation_id,
            sequence_start=mark.start,
            sequence_end=mark.end,
            on_response=partial(self._streamed, job) if job.node.decoupled else None,
            trace=trace.child(step.model_name, model.version) if trace is not None else None,
        )

    def _ended(self, job: Job, outcome: Outcome | None) -> None:
        """A step's final outcome; None if it never started."""
        with self._lock:
            self._running -= 1
            job.part.running -= 1
            if isinstance(outcome, TritonError):
                self._note(outcome)
            elif outcome is not None:
                self._timing = _added(self._timing, outcome.timing)
                if not job.node.decoupled:
                    self._take_in(job, job.part, outcome)
            jobs = self._advance(job.part)
        if self._host.gates:
            self._host.gates[job.node.index].leave()
        self._carry_on(jobs)

    def _streamed(self, job: Job, response: InferenceResponse) -> None:
        """One response of a decoupled step; blocks its thread until the next steps have room."""
        with self._lock:
            if self._error is not None or self._over:
                return
            part = job.part.child(job.node.index + 1)
            self._take_in(job, part, response)
            jobs = self._advance(part)
        for errand in self._carry_on(jobs):
            errand.passed.wait()

    def _take_in(self, job: Job, part: Part, response: InferenceResponse) -> None:
        try:
            mark = mark_of(response.parameters, job.mark or self._own, job.mark)
        except TritonError as error:
            self._note(error)
            return
        part.answer(job.node, response, mark)

    # answers ---------------------------------------------------------------------------------

    def _respond(self, response: InferenceResponse) -> None:
        assert self._on_response is not None
        try:
            self._on_response(response)
        except (Exception, SystemExit):  # the receiver's fault must not cost it its outcome
            _LOG.exception("a response callback raised")

    def _finish(self, outcome: Outcome) -> None:
        if self._token:
            self._token.unwatch(id(self))
        self._done(outcome)


def _due(errand: ref[Errand]) -> None:
    late = errand()
    if late is not None:
        late.run.expire(late)


def _added(a: Timing, b: Timing) -> Timing:
    return Timing(
        a.queue_ns + b.queue_ns,
        a.compute_input_ns + b.compute_input_ns,
        a.compute_infer_ns + b.compute_infer_ns,
        a.compute_output_ns + b.compute_output_ns,
        max(a.batch_size, b.batch_size),
    )


def _array(name: str, tensor: Tensor) -> Array:
    try:
        return materialize(tensor)
    except TritonError:
        raise
    except Exception as failure:  # a source of the request, passed through to the answer
        raise InternalError(f"output '{name}' failed: {failure!r}") from failure
