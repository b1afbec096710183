# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Ensembles of toy models: no server, no repository, no thread that a test did not start.

A `ToyModel` computes at once, on its caller's thread, or holds its requests until the test answers
them.  `Shelf` lends models to an ensemble and knows whether all came back.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from triton_ros.core.config.model_config import InputConfig, ModelConfig, OutputConfig
from triton_ros.core.config.scheduling_config import EnsembleStep
from triton_ros.core.ensemble.ensemble import EnsembleModel
from triton_ros.core.errors import NotFoundError, TritonError
from triton_ros.core.model import Interface
from triton_ros.core.request import Done, InferenceRequest, InferenceResponse, Parameter, Timing
from triton_ros.core.telemetry.statistics import StatisticsCollector
from triton_ros.core.tensor import Array, TensorSpec

Compute = Callable[[InferenceRequest], Mapping[str, Array] | TritonError]


def pairs(text: str) -> dict[str, str]:
    """``"x:X y:Y"`` as a map; a name alone maps to itself."""
    return dict((*part.split(":"), part)[:2] for part in text.split())


def a_step(model: str, inputs: str, outputs: str, **fields: Any) -> EnsembleStep:
    return EnsembleStep(
        model, input_map=pairs(inputs), output_map=pairs(outputs), **{"model_version": -1, **fields}
    )


def spec(text: str) -> TensorSpec:
    """``"x"``, ``"x:INT32"`` or ``"x:INT32:4,4"``; FP32 [1] unless told."""
    name, datatype, dims = (*text.split(":"), "", "")[:3]
    shape = tuple(int(dim) for dim in dims.split(",")) if dims else (1,)
    return TensorSpec(name, datatype or "FP32", shape)


def a_config(name: str, inputs: str, outputs: str, **fields: Any) -> ModelConfig:
    """A ``?`` behind an input's name makes it optional."""
    return ModelConfig(
        name,
        input=tuple(InputConfig(spec(t.replace("?", "")), "?" in t) for t in inputs.split()),
        output=tuple(OutputConfig(spec(t)) for t in outputs.split()),
        **fields,
    )


def an_ensemble(
    *steps: EnsembleStep, inputs: str = "X", outputs: str = "Y", **fields: Any
) -> ModelConfig:
    return a_config("E", inputs, outputs, platform="ensemble", ensemble=steps, **fields)


class ToyModel:
    """Answers with `compute`, at once; or holds what it is asked if there is none."""

    def __init__(self, config: ModelConfig, compute: Compute | None = None) -> None:
        self.config = config
        self.name = config.name
        self.version = 1
        self.statistics = StatisticsCollector()
        self.interface = Interface.of(config)
        self.labels: tuple[str, ...] = ()
        self.keypoint_names: tuple[str, ...] = ()
        self.output_labels: Mapping[str, tuple[str, ...]] = {}
        self.instance_count = 1
        self.pending = 0
        self.compute = compute
        self.parameters: dict[str, Parameter] = {}
        self.requests: list[InferenceRequest] = []
        self.held: list[tuple[InferenceRequest, Done]] = []

    def infer_now(self, request: InferenceRequest) -> InferenceResponse | None:
        return None

    def retire(self) -> None: ...

    def check_parameters(self, parameters: Mapping[str, Parameter]) -> None: ...

    def submit(
        self, request: InferenceRequest, done: Done, *, inline: bool = False, fan_out: bool = False
    ) -> None:
        self.requests.append(request)
        if self.compute is None:
            self.held.append((request, done))
        else:
            done(self.response(request, self.compute(request)))

    def answer(
        self, index: int = 0, outcome: Mapping[str, Array] | TritonError | None = None
    ) -> None:
        """End a held request; without outputs if None."""
        request, done = self.held.pop(index)
        done(self.response(request, {} if outcome is None else outcome))

    def respond(self, outputs: Mapping[str, Array], index: int = 0, **fields: Any) -> None:
        """One response of a decoupled model, to a held request."""
        request, _ = self.held[index]
        assert request.on_response is not None, "not decoupled"
        response = self.response(request, outputs)
        assert isinstance(response, InferenceResponse)
        response.final = False
        for name, value in fields.items():
            setattr(response, name, value)
        request.on_response(response)

    def response(
        self, request: InferenceRequest, outcome: Mapping[str, Array] | TritonError
    ) -> InferenceResponse | TritonError:
        if isinstance(outcome, TritonError):
            return outcome
        timing = Timing(queue_ns=1, compute_input_ns=2, compute_infer_ns=3, compute_output_ns=4)
        return InferenceResponse(
            self.name,
            self.version,
            dict(outcome),
            request.id,
            request.tag,
            timing,
            parameters=self.parameters,
        )

    def replace(self, *_: Any) -> None:
        return None

    def close(self) -> None: ...


def adder(name: str, by: float, inputs: str = "x", **fields: Any) -> ToyModel:
    """``y = sum of all inputs + by``."""

    def compute(request: InferenceRequest) -> dict[str, Array]:
        total = sum(np.asarray(value) for value in request.inputs.values())
        return {"y": np.asarray(total + np.float32(by), np.float32)}

    return ToyModel(a_config(name, inputs, "y", **fields), compute)


def holder(name: str, inputs: str = "x", outputs: str = "y", **fields: Any) -> ToyModel:
    """Holds its requests until the test answers them."""
    return ToyModel(a_config(name, inputs, outputs, **fields))


class Shelf:
    """Where an ensemble finds its models."""

    def __init__(self, models: Iterable[Any]) -> None:
        self.models: dict[str, Any] = {model.name: model for model in models}
        self.lent: Counter[Any] = Counter()
        self._lock = threading.Lock()

    def acquire(self, name: str, version: int) -> Any:
        if name not in self.models:
            raise NotFoundError(f"Request for unknown model: '{name}' is not found")
        with self._lock:
            self.lent[name] += 1
        return self.models[name]

    def release(self, model: Any) -> None:
        with self._lock:
            self.lent[model.name] -= 1
            assert self.lent[model.name] >= 0, "given back twice"

    @property
    def complete(self) -> bool:
        return not any(self.lent.values())


class FakeClock:
    def __init__(self) -> None:
        self.now = 1000

    def __call__(self) -> int:
        return self.now


class FakeTimer:
    """Calls when the test says so."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, Callable[[], None]]] = []

    def call_at(self, due_ns: int, call: Callable[[], None]) -> None:
        self.calls.append((due_ns, call))

    def run(self) -> None:
        calls, self.calls = self.calls, []
        for _, call in calls:
            call()


def served(
    config: ModelConfig, models: Sequence[Any], clock: Any = None, timer: Any = None
) -> tuple[EnsembleModel, Shelf]:
    shelf = Shelf(models)
    model = EnsembleModel(
        config, 1, shelf.acquire, shelf.release, clock or FakeClock(), timer=timer
    )
    return model, shelf


def num(value: float) -> Array:
    """A tensor of one number."""
    return np.float32([value])


def ask(number: float = 0.0, name: str = "E", **fields: Any) -> InferenceRequest:
    return InferenceRequest(name, {"X": num(number)}, **fields)


def numbers(outcome: Any) -> dict[str, float]:
    """The outputs of a response as numbers."""
    assert isinstance(outcome, InferenceResponse), outcome
    return {name: float(array.reshape(())) for name, array in outcome.outputs.items()}


def run(config: Any, models: Any, request: InferenceRequest, **options: Any) -> Any:
    """The one outcome; every model is given back."""
    outcomes: list[Any] = []
    ensemble, shelf = served(config, models, **options)
    ensemble.submit(request, outcomes.append)
    assert len(outcomes) == 1
    assert shelf.complete
    return outcomes[0]


def decoupled(name: str = "d") -> ToyModel:
    return holder(name, decoupled=True)


class Stream:
    """An ensemble, one request to it, and all that comes back, in order."""

    def __init__(self, config: ModelConfig, *models: Any, **fields: Any) -> None:
        self.came: list[Any] = []
        self.ensemble, self.shelf = served(config, models)
        self.request = ask(on_response=self.came.append, **fields)
        self.ensemble.submit(self.request, self.came.append)

    @property
    def values(self) -> list[float]:
        return [numbers(r)["Y"] for r in self.came if not getattr(r, "final", True)]

    def ended(self) -> Any:
        """The final outcome, which came last and once."""
        finals = [c for c in self.came if not isinstance(c, InferenceResponse) or c.final]
        assert len(finals) == 1
        assert self.came[-1] is finals[0]
        assert self.shelf.complete
        return finals[0]
