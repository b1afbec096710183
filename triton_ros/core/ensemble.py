# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Ensembles: a graph of models that pass named tensors on.

`EnsembleRun` decides, tensor by tensor, which steps can start; it neither blocks nor owns a thread:
a step starts on the thread that brought its last input.  All models of the graph are held from a
request's start to its end, so one answer is never a mixture of two versions of a model.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from triton_ros.core.errors import InternalError, TritonError
from triton_ros.core.execution import Clock
from triton_ros.core.model import Interface, Model
from triton_ros.core.model_config import ModelConfig
from triton_ros.core.payload import Item
from triton_ros.core.request import (
    Done,
    InferenceRequest,
    InferenceResponse,
    Outcome,
    Timing,
)
from triton_ros.core.scheduling_config import EnsembleStep
from triton_ros.core.statistics import StatisticsCollector
from triton_ros.core.tensor import Tensor, materialize
from triton_ros.core.validation import check_inputs, check_outputs

T = TypeVar("T")
Acquire = Callable[[str, int], Model]
Release = Callable[[Model], None]
Ready = list[tuple[EnsembleStep, Model]]


class EnsembleModel:
    """A served ensemble; `acquire` and `release` hold the models of its steps for a request."""

    def __init__(
        self, config: ModelConfig, version: int, acquire: Acquire, release: Release, clock: Clock
    ) -> None:
        self.name = config.name
        self.version = version
        self.config = config
        self.statistics = StatisticsCollector()
        self.interface = Interface.of(config)
        self.pending = 0
        self._acquire = acquire
        self._release = release
        self._clock = clock

    @property
    def labels(self) -> tuple[str, ...]:
        """Those of the last step that classifies into an output of the ensemble."""
        for step in reversed(self.config.ensemble):
            if "CLASS_IDS" in step.output_map:
                return self._look(step, lambda model: model.labels, ())
        return ()

    @property
    def instance_count(self) -> int:
        """How many requests can make progress at once: the widest step."""
        return max(
            self._look(s, lambda model: model.instance_count, 1) for s in self.config.ensemble
        )

    def _look(self, step: EnsembleStep, get: Callable[[Model], T], default: T) -> T:
        try:
            model = self._acquire(step.model_name, step.model_version)
        except TritonError:
            return default
        try:
            return get(model)
        finally:
            self._release(model)

    def submit(
        self, request: InferenceRequest, done: Done, *, inline: bool = False, fan_out: bool = False
    ) -> Item | None:
        held: list[Model] = []
        try:
            check_inputs(request, self.config)
            check_outputs(request, self.config)
            for step in self.config.ensemble:
                model = self._acquire(step.model_name, step.model_version)
                held.append(model)
        except TritonError as error:
            self._give_back(held)
            done(error.within(f"in ensemble '{self.name}'"))
            return None
        start = self._clock()

        def finished(outcome: Outcome) -> None:
            self._give_back(held)
            total = self._clock() - start
            if isinstance(outcome, TritonError):
                self.statistics.failed(total, outcome)
            else:
                timing = outcome.timing
                self.statistics.executed(
                    1, timing.compute_input_ns, timing.compute_infer_ns, timing.compute_output_ns
                )
                self.statistics.succeeded(timing, total, 1)
            done(outcome)

        EnsembleRun(self, request, held, finished).start()
        return None

    def replace(self, old: Item, request: InferenceRequest, done: Done) -> Item | None:
        return None

    def close(self) -> None:
        """Nothing of its own to release."""

    def _give_back(self, held: list[Model]) -> None:
        for model in held:
            self._release(model)


class EnsembleRun:
    """One request on its way through the graph."""

    def __init__(
        self, ensemble: EnsembleModel, request: InferenceRequest, models: list[Model], done: Done
    ) -> None:
        self._ensemble = ensemble
        self._request = request
        self._waiting = list(zip(ensemble.config.ensemble, models, strict=True))
        self._running = 0
        self._tensors: dict[str, Tensor] = dict(request.inputs)
        self._timing = Timing()
        self._error: TritonError | None = None
        self._done = done
        self._lock = threading.Lock()

    def start(self) -> None:
        with self._lock:
            ready = self._take_ready()
        self._advance(ready, over=not ready)

    def _take_ready(self) -> Ready:
        """Under the lock: the steps whose inputs are there, counted as running from now on."""
        if self._error:
            return []
        ready = [
            (step, model)
            for step, model in self._waiting
            if all(tensor in self._tensors for tensor in step.input_map.values())
        ]
        self._waiting = [entry for entry in self._waiting if entry not in ready]
        self._running += len(ready)
        return ready

    def _advance(self, ready: Ready, over: bool) -> None:
        """Start steps, or finish when nothing runs any more."""
        for step, model in ready:
            model.submit(self._step_request(step), self._arrival(step), fan_out=step.fan_out)
        if over:
            self._finish()

    def _step_request(self, step: EnsembleStep) -> InferenceRequest:
        return replace(
            self._request,
            model_name=step.model_name,
            model_version=step.model_version,
            inputs={name: self._tensors[tensor] for name, tensor in step.input_map.items()},
            outputs=(),
        )

    def _arrival(self, step: EnsembleStep) -> Done:
        def arrived(outcome: Outcome) -> None:
            with self._lock:
                self._running -= 1
                if isinstance(outcome, TritonError):
                    self._error = self._error or outcome.within(
                        f"in ensemble '{self._ensemble.name}'"
                    )
                else:
                    self._timing = _added(self._timing, outcome.timing)
                    for name, tensor in step.output_map.items():
                        if name in outcome.outputs:
                            self._tensors[tensor] = outcome.outputs[name]
                # in the same section as the count: of two last arrivals only one ends the run
                ready = self._take_ready()
                over = not self._running
            self._advance(ready, over)

        return arrived

    def _finish(self) -> None:
        config, request = self._ensemble.config, self._request
        wanted = request.outputs or tuple(o.spec.name for o in config.output)
        error = self._error
        missing = [name for name in wanted if name not in self._tensors]
        if error is None and missing:
            error = InternalError(
                f"in ensemble '{config.name}', no step answered output '{missing[0]}'"
            )
        outputs = {}
        try:
            if error is None:
                outputs = {name: materialize(self._tensors[name]) for name in wanted}
        except Exception as failure:  # a source of the request, passed through to the answer
            error = InternalError(f"in ensemble '{config.name}', an output failed: {failure!r}")
        if error is not None:
            self._done(error)
            return
        self._done(
            InferenceResponse(
                config.name,
                self._ensemble.version,
                outputs,
                request.id,
                request.tag,
                self._timing,
            )
        )


def _added(a: Timing, b: Timing) -> Timing:
    return Timing(
        a.queue_ns + b.queue_ns,
        a.compute_input_ns + b.compute_input_ns,
        a.compute_infer_ns + b.compute_infer_ns,
        a.compute_output_ns + b.compute_output_ns,
        max(a.batch_size, b.batch_size),
    )
