# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Models that answer the requests themselves: a backend of `RequestInstance`s, without a runtime.

A model file is the name of a behaviour below.  Every behaviour gets the requests of a batch and the
`ModelCalls` of that execution; without a server, ``FakeRequestInstance(echo)`` is one, too.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from fake_backend import TIMEOUT, Outcomes, Source, row
from toy_models import Toy

from triton_ros.core.backend import ExecutionRequest, ModelCalls, Signature
from triton_ros.core.config.model_config import InstanceGroup, ModelConfig
from triton_ros.core.errors import InvalidArgumentError
from triton_ros.core.execution.executor import Executor
from triton_ros.core.execution.payload import Item
from triton_ros.core.request import InferenceRequest, Timing
from triton_ros.core.telemetry.statistics import StatisticsCollector
from triton_ros.core.tensor import Array, TensorSpec

FILE = "model.requests"

Behaviour = Callable[[Sequence[ExecutionRequest], ModelCalls], None]


def echo(requests: Sequence[ExecutionRequest], calls: ModelCalls) -> None:
    """``y = x``, one response each."""
    for request in requests:
        request.respond({"y": request.inputs["x"].copy()}, {"echo": True})
        request.finish()


def repeat(requests: Sequence[ExecutionRequest], calls: ModelCalls) -> None:
    """As many responses as the first value of x says: 0, 1, 2, ... (decoupled)."""
    for request in requests:
        for number in range(int(request.inputs["x"].flat[0])):
            request.respond({"y": row(number)}, {"number": number})
        request.finish()


def again(requests: Sequence[ExecutionRequest], calls: ModelCalls) -> None:
    """Asks for another execution until the request's state, or its x, is at least 3."""
    for request in requests:
        if request.inputs["x"].flat[0] < 3:
            request.reschedule()
        else:
            request.respond({"y": request.inputs["x"].copy()})
            request.finish()


def failing(requests: Sequence[ExecutionRequest], calls: ModelCalls) -> None:
    """Answers the first request and breaks."""
    request = requests[0]
    request.respond({"y": request.inputs["x"].copy()})
    request.finish()
    raise RuntimeError("the model broke")


def silent(requests: Sequence[ExecutionRequest], calls: ModelCalls) -> None:
    """Answers nobody, and keeps nobody."""


def calling(name: str) -> Behaviour:
    """``y = name(x)``: business logic."""

    def behave(requests: Sequence[ExecutionRequest], calls: ModelCalls) -> None:
        for request in requests:
            answer = calls.infer(InferenceRequest(name, dict(request.inputs)))
            request.respond({"y": answer.outputs["y"]})
            request.finish()

    return behave


class Late:
    """Answers from another thread, when the test says so (decoupled)."""

    def __init__(self) -> None:
        self.kept: list[ExecutionRequest] = []
        self.came = threading.Semaphore(0)

    def __call__(self, requests: Sequence[ExecutionRequest], calls: ModelCalls) -> None:
        for request in requests:
            self.kept.append(request)
            self.came.release()

    def answer(self, *values: float) -> None:
        """These responses for the oldest kept request, and its end, from a thread of its own."""
        assert self.came.acquire(timeout=TIMEOUT), "no request came"
        request = self.kept.pop(0)

        def work() -> None:
            for value in values:
                request.respond({"y": row(value)})
            request.finish()

        thread = threading.Thread(target=work)
        thread.start()
        thread.join(TIMEOUT)
        assert not thread.is_alive(), "the responses were not taken"


class FakeRequestInstance:
    """One executor of a behaviour; it complains about what the port forbids."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self.finalized = 0
        self.sizes: list[int] = []
        """Requests of each execution."""
        self._busy = threading.Lock()

    def execute_requests(self, requests: Sequence[ExecutionRequest], calls: ModelCalls) -> None:
        assert self._busy.acquire(blocking=False), "two threads in one instance"
        try:
            assert not self.finalized, "execute after finalize"
            self.sizes.append(len(requests))
            self._behaviour(requests, calls)
        finally:
            self._busy.release()

    def finalize(self) -> None:
        assert not self._busy.locked(), "finalize during execute"
        self.finalized += 1


BEHAVIOURS: dict[str, Behaviour] = {
    "echo": echo,
    "repeat": repeat,
    "again": again,
    "failing": failing,
    "silent": silent,
}


@dataclass
class FakeRequestModel:
    """One loaded version."""

    behaviour: Behaviour
    instances: list[FakeRequestInstance] = field(default_factory=list)
    finalized: int = 0

    @property
    def signature(self) -> Signature:
        dims = (-1, 4)
        return Signature(
            (TensorSpec("x", "FP32", dims),), (TensorSpec("y", "FP32", dims),), batchable=True
        )

    def instance(self, group: InstanceGroup, device: int) -> FakeRequestInstance:
        self.instances.append(FakeRequestInstance(self.behaviour))
        return self.instances[-1]

    def finalize(self) -> None:
        assert all(instance.finalized == 1 for instance in self.instances), "instances first"
        self.finalized += 1


@dataclass
class FakeRequestBackend:
    """Knows `BEHAVIOURS` and those of the test."""

    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    models: list[FakeRequestModel] = field(default_factory=list)

    def load(self, config: ModelConfig, version_dir: Path) -> FakeRequestModel:
        name = (version_dir / FILE).read_text()
        behaviour = (BEHAVIOURS | self.behaviours).get(name)
        if behaviour is None:
            raise InvalidArgumentError(f"{version_dir / FILE}: no behaviour '{name}'")
        self.models.append(FakeRequestModel(behaviour))
        return self.models[-1]


def behaving(behaviour: str, config: str = "", **toy: Any) -> Toy:
    """A model directory for `FakeRequestBackend`, whose backend is called "requests"."""
    return Toy(behaviour.encode(), f'backend: "requests" {config}', FILE, **toy)


class Answers(Outcomes):
    """One item's outcome, and before it the responses with their parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.responses: list[tuple[float, dict[str, Any], Timing]] = []

    def respond(
        self, outputs: dict[str, Array], parameters: Mapping[str, Any], timing: Timing
    ) -> None:
        assert not self.values, "a response after the end"
        self.responses.append((float(outputs["y"].flat[0]), dict(parameters), timing))

    @property
    def numbers(self) -> list[float]:
        return [number for number, _, _ in self.responses]


def executor(behaviour: Behaviour, **fields: Any) -> Executor:
    """An executor of that behaviour; `fields` are its configuration's and its own."""
    options = {n: fields.pop(n) for n in ("statistics", "make_calls") if n in fields}
    statistics = options.pop("statistics", None) or StatisticsCollector()
    config = ModelConfig("m", **{"max_batch_size": 8, **fields})
    return Executor(FakeRequestInstance(behaviour), config, statistics, lambda: 100, **options)


def asked(value: Any = 1.0, **fields: Any) -> tuple[Item, Answers]:
    """An item with that x (a number stands for a row of it) and who waits for its answer."""
    answers = Answers()
    x = value if isinstance(value, np.ndarray | Source) else row(value)
    return Item({"x": x}, answers, **fields), answers


def streamed(value: Any = 1.0, **fields: Any) -> tuple[Item, Answers]:
    """An item that can take any number of responses."""
    item, answers = asked(value, **fields)
    item.respond = answers.respond
    return item, answers


def only(step: Any) -> Behaviour:
    """A behaviour of one step for each request."""

    def behave(requests: Sequence[ExecutionRequest], calls: Any) -> None:
        for request in requests:
            step(request)

    return behave
