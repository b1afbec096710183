# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Ensembles: a graph of models that pass named tensors on.

All models of the graph are held from a request's start to its end, so one answer is never a
mixture of two versions of a model.  `EnsembleRun` is a request's way through the graph.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.config.scheduling_config import EnsembleStep
from triton_ros.core.ensemble.ensemble_booking import EnsembleBooking
from triton_ros.core.ensemble.ensemble_cache import EnsembleCache, Put, look
from triton_ros.core.ensemble.ensemble_flow import Graph
from triton_ros.core.ensemble.ensemble_gate import StepGate
from triton_ros.core.ensemble.ensemble_run import EnsembleRun, Errand, Host
from triton_ros.core.errors import TritonError, UnsupportedError
from triton_ros.core.execution.executor import Clock
from triton_ros.core.execution.payload import Item
from triton_ros.core.model import Interface, Model
from triton_ros.core.request import Done, InferenceRequest, InferenceResponse, Outcome, Parameter
from triton_ros.core.response_cache import ModelCache, ResponseCache
from triton_ros.core.scheduling.timer import Timer
from triton_ros.core.telemetry.statistics import StatisticsCollector
from triton_ros.core.validation import InputChecker, check_outputs

T = TypeVar("T")
Acquire = Callable[[str, int], Model]
Release = Callable[[Model], None]


@dataclass(frozen=True, slots=True)
class _Derived:
    """What holds as long as no model of the graph is exchanged."""

    configs: list[ModelConfig]
    graph: Graph
    answers: ModelCache | None
    """In the response cache, if they are to be there."""


class EnsembleModel:
    """A served ensemble; `acquire` and `release` hold the models of its steps for a request.

    Its `config.decoupled` follows the models of its steps.  With a `timer`, a deadline fires when
    it is due also where a request waits for `max_inflight_requests`; without one it is noticed
    when there is room.
    """

    def __init__(
        self,
        config: ModelConfig,
        version: int,
        acquire: Acquire,
        release: Release,
        clock: Clock,
        *,
        timer: Timer | None = None,
        cache: ResponseCache | None = None,
        labels: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        self.name = config.name
        self.version = version
        self.config = config
        self.statistics = StatisticsCollector()
        self.output_labels: Mapping[str, tuple[str, ...]] = labels or {}
        self.interface = Interface.of(config)
        self._checker = InputChecker(config)
        self._acquire = acquire
        self._release = release
        self._clock = clock
        self._cache = (
            EnsembleCache(cache, config.name, version)
            if cache is not None and config.response_cache
            else None
        )
        limit = config.max_inflight_requests
        gates = [StepGate[Errand](limit, _launch) for _ in config.ensemble if limit]
        self._host = Host(config, version, clock, timer, gates)
        self._lock = threading.Lock()
        self._derived: _Derived | None = None
        self._derive()

    @property
    def pending(self) -> int:
        """Steps of requests that wait for `max_inflight_requests`."""
        return sum(len(gate) for gate in self._host.gates)

    @property
    def problem(self) -> str:
        """Its steps' problems are looked for where they are held together."""
        return ""

    @property
    def counters(self) -> Mapping[str, int]:
        return {}

    @property
    def built(self) -> tuple[str, ...]:
        return ()

    @property
    def labels(self) -> tuple[str, ...]:
        """Those of the last step that names an output of the ensemble by classes."""
        return self._names({"CLASS_IDS", "LABELS", "CLASS_MAP"}, lambda model: model.labels)

    @property
    def keypoint_names(self) -> tuple[str, ...]:
        return self._names({"KEYPOINTS"}, lambda model: model.keypoint_names)

    def _names(self, outputs: set[str], get: Callable[[Model], tuple[str, ...]]) -> tuple[str, ...]:
        """What the last step says that has any for one of these outputs of the ensemble."""
        for step in reversed(self.config.ensemble):
            if outputs.intersection(step.output_map.values()):
                nothing: tuple[str, ...] = ()
                if names := self._look(step, get, nothing):
                    return names
        return ()

    def check_parameters(self, parameters: Mapping[str, Parameter]) -> None:
        """They go to every step."""
        for step in self.config.ensemble:
            self._look(step, lambda model: model.check_parameters(parameters), None)

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

    def infer_now(self, request: InferenceRequest) -> InferenceResponse | None:
        """A graph is never run without a queue."""
        return None

    def submit(
        self, request: InferenceRequest, done: Done, *, inline: bool = False, fan_out: bool = False
    ) -> Item | None:
        booking = EnsembleBooking(request, self.version, self.statistics, self._clock)
        held: list[Model] = []
        puts: list[Put] = []

        def finished(outcome: Outcome) -> None:
            self._give_back(held)
            for put in puts:
                put(outcome)
            booking.ended(outcome)
            done(outcome)

        try:
            rows = self._checker.rows(request)
            check_outputs(request, self.config)
            # one by one: those that were acquired are given back if a later one cannot be
            held.extend(self._acquire(s.model_name, s.model_version) for s in self.config.ensemble)
            derived = self._derived_from(held)
            graph = derived.graph
            if graph.decoupled and request.on_response is None:
                raise UnsupportedError(
                    f"model '{self.name}' is decoupled: give the request an on_response"
                )
            flow = graph.flow(request.outputs)
            if derived.answers is not None and not graph.decoupled:
                outputs, put = look(derived.answers, request)
                if outputs is not None:
                    self._give_back(held)
                    done(booking.cached(self.name, self.version, request, outputs))
                    return None
                booking.missed()
                puts.append(put)
        except TritonError as error:
            finished(error.within(f"in ensemble '{self.name}'"))
            return None
        booking.begins(rows, graph.decoupled)
        receiver = booking.responded if graph.decoupled else None
        EnsembleRun(self._host, flow, request, held, finished, receiver).start()
        return None

    def replace(self, old: Item, request: InferenceRequest, done: Done) -> Item | None:
        return None

    def retire(self) -> None:
        """Its requests wait for nobody else's."""

    def close(self) -> None:
        """Forget what was cached; there is nothing else of its own."""
        if self._cache is not None:
            self._cache.close()

    def _derive(self) -> None:
        """Become decoupled if a step's model is, and no longer if none is, as in Triton."""
        held: list[Model] = []
        try:
            held.extend(self._acquire(s.model_name, s.model_version) for s in self.config.ensemble)
            self._derived_from(held)
        except TritonError:
            return  # the plan's check tells, or the next request
        finally:
            self._give_back(held)

    def _derived_from(self, models: list[Model]) -> _Derived:
        """The graph over these models, made again when one of them was exchanged."""
        configs = [model.config for model in models]
        if self._cache is not None:
            configs += [c for config in configs for c in self._below(config)]
        with self._lock:
            known = self._derived
            if known is None or not _same(known.configs, configs):
                graph = Graph(self.config, models)
                answers = self._cache.renew() if self._cache is not None else None
                if graph.decoupled != self.config.decoupled:
                    self.config = self.config.with_changes(decoupled=graph.decoupled)
                known = self._derived = _Derived(configs, graph, answers)
        return known

    def _below(self, config: ModelConfig) -> list[ModelConfig]:
        """Those of the models that an ensemble among the steps would use now, and so on."""
        found: list[ModelConfig] = []
        for step in config.ensemble:
            model = self._acquire(step.model_name, step.model_version)
            self._release(model)
            found += [model.config, *self._below(model.config)]
        return found

    def _give_back(self, held: list[Model]) -> None:
        for model in held:
            self._release(model)


def _same(one: list[ModelConfig], other: list[ModelConfig]) -> bool:
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))


def _launch(errand: Errand) -> None:
    errand.run.launch(errand)
