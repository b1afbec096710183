# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A backend whose time the test controls: implementations of core's ports, without a runtime.

A model file is a number, its offset: ``y = x + offset``, FP32 [N,4].  `on_execute` runs inside
every `execute` and may wait on an event or raise.  Instances complain about everything that the
port forbids: two threads at once, `execute` after `finalize`, `finalize` twice.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from toy_models import Toy, write_repository

from triton_ros.core.backend import Signature
from triton_ros.core.config.model_config import InstanceGroup, ModelConfig
from triton_ros.core.errors import InvalidArgumentError
from triton_ros.core.processing import Work
from triton_ros.core.request import InferenceRequest, InferenceResponse, Outcome
from triton_ros.core.server import InferenceServer
from triton_ros.core.tensor import Array, Tensors, TensorSpec

TIMEOUT = 10.0
"""Seconds; every wait of a test has it, so that a hang is a failure."""

FILE = "model.fake"


def fake(offset: float | str | None = 0.0, config: str = "", **toy: Any) -> Toy:
    """A model directory for `FakeBackend`; an offset that is no number is a broken file."""
    data = None if offset is None else str(offset).encode()
    if "versions" in toy:
        toy["versions"] = {v: str(o).encode() for v, o in toy["versions"].items()}
    return Toy(data, f'backend: "fake" {config}', FILE, **toy)


class FakeInstance:
    """Adds the model's offset."""

    def __init__(self, model: FakeModel) -> None:
        self.model = model
        self.finalized = 0
        self._busy = threading.Lock()

    def execute(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        assert self._busy.acquire(blocking=False), "two threads in one instance"
        try:
            assert not self.finalized, "execute after finalize"
            backend = self.model.backend
            with backend.lock:
                backend.batches.append((self.model.name, len(inputs["x"])))
                backend.threads.append(threading.current_thread().name)
            backend.on_execute(self.model, inputs)
            assert not self.finalized, "finalize during execute"
            return {"y": inputs["x"] + np.float32(self.model.offset)}
        finally:
            self._busy.release()

    def finalize(self) -> None:
        assert not self._busy.locked(), "finalize during execute"
        self.finalized += 1
        if self.model.backend.finalize_raises:
            raise RuntimeError("finalize failed")


class FakeModel:
    """One loaded version."""

    def __init__(self, backend: FakeBackend, name: str, offset: float) -> None:
        self.backend = backend
        self.name = name
        self.offset = offset
        self.instances: list[FakeInstance] = []
        self.finalized = 0
        self.problem = ""
        self.counters: dict[str, int] = {}
        self.gone = threading.Event()

    @property
    def signature(self) -> Signature:
        spec = (-1, 4)
        return Signature(
            (TensorSpec("x", "FP32", spec),), (TensorSpec("y", "FP32", spec),), batchable=True
        )

    def instance(self, group: InstanceGroup, device: int) -> FakeInstance:
        self.instances.append(FakeInstance(self))
        return self.instances[-1]

    def finalize(self) -> None:
        assert all(instance.finalized == 1 for instance in self.instances), "instances first"
        self.finalized += 1
        self.gone.set()


def nothing(model: FakeModel, inputs: Mapping[str, Array]) -> None:
    """The `on_execute` of an undisturbed model."""


@dataclass
class FakeBackend:
    """Remembers every model that it loaded and every batch that ran."""

    on_execute: Callable[[FakeModel, Mapping[str, Array]], None] = nothing
    on_load: Callable[[str], None] = lambda name: None
    finalize_raises: bool = False
    models: list[FakeModel] = field(default_factory=list)
    batches: list[tuple[str, int]] = field(default_factory=list)
    threads: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def load(self, config: ModelConfig, version_dir: Path) -> FakeModel:
        self.on_load(config.name)
        text = (version_dir / FILE).read_text()
        if text == "crash":
            raise RuntimeError("the runtime crashed")
        try:
            model = FakeModel(self, config.name, float(text))
        except ValueError:
            raise InvalidArgumentError(f"{version_dir / FILE}: not a model: {text!r}") from None
        with self.lock:
            self.models.append(model)
        return model

    def load_backend(self, name: str) -> FakeBackend:
        """What a server is given."""
        assert name == "fake"
        return self

    def sizes(self, name: str) -> list[int]:
        """The batch sizes that a model ran."""
        with self.lock:
            return [rows for model, rows in self.batches if model == name]


class Gate:
    """An `on_execute` that holds chosen models until it is opened."""

    def __init__(self, *names: str, offset: float | None = None) -> None:
        self._names = names
        self._offset = offset
        self.entered = threading.Semaphore(0)
        self._open = threading.Event()

    def __call__(self, model: FakeModel, inputs: Mapping[str, Array]) -> None:
        if model.name in self._names and self._offset in (None, model.offset):
            self.entered.release()
            assert self._open.wait(TIMEOUT), "the gate was never opened"

    def wait_entered(self, count: int = 1) -> None:
        for _ in range(count):
            assert self.entered.acquire(timeout=TIMEOUT), "nothing arrived at the gate"

    def open(self) -> None:
        self._open.set()


class Outcomes:
    """A `done` that keeps what it gets and lets the test wait for it."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._came = threading.Condition()

    def __call__(self, outcome: Any, *timing: Any) -> None:
        with self._came:
            self.values.append(outcome)
            self._came.notify_all()

    def wait(self, count: int = 1) -> list[Any]:
        with self._came:
            came = self._came.wait_for(lambda: len(self.values) >= count, TIMEOUT)
            assert came, f"{len(self.values)} of {count} outcomes came"
            return list(self.values)

    def one(self) -> Outcome:
        values = self.wait(1)
        assert len(values) == 1
        outcome: Outcome = values[0]
        return outcome


class Source:
    """A `TensorSource` of one value; a value that is an exception is raised."""

    def __init__(self, value: float | Exception, shape: tuple[int, ...] = (4,)) -> None:
        self.value = value
        self.shape = shape
        self.dtype = np.dtype(np.float32)

    def write(self, out: Array) -> None:
        assert out.shape == self.shape
        assert out.dtype == self.dtype
        if isinstance(self.value, Exception):
            out[...] = 666  # a half-written slot must not be seen by anyone
            raise self.value
        out[...] = self.value


class FakeProcessor:
    """``VALUES`` [n] to n elements; the answer ``SUMS`` [n] adds each one's row up."""

    inputs = (TensorSpec("VALUES", "FP32", (-1,)),)
    outputs = (TensorSpec("SUMS", "FP32", (-1,)), TensorSpec("COUNT", "INT32", (1,)))
    labels = ("cat", "dog")
    keypoint_names = ("nose",)

    def check_parameters(self, parameters: Mapping[str, Any]) -> None:
        if "refused" in parameters:
            raise InvalidArgumentError("parameter 'refused' is not accepted")

    def prepare(self, inputs: Tensors, parameters: Mapping[str, Any]) -> Work:
        if "prepare" in parameters:
            raise RuntimeError("prepare broke")
        values = np.asarray(inputs["VALUES"])
        elements: list[Tensors] = [
            {"x": Source(ValueError("bad pixels") if np.isnan(v) else float(v))} for v in values
        ]
        return Work(elements, dict(parameters))

    def finish(self, work: Work, outputs: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
        if "finish" in work.context:
            raise RuntimeError("finish broke")
        sums = np.array([output["y"].sum() for output in outputs], np.float32)
        return {"SUMS": sums, "COUNT": np.array([len(outputs)], np.int32)}


def row(value: float = 0.0, rows: int = 1) -> Array:
    """`x` of that many rows."""
    return np.full((rows, 4), value, np.float32)


def request(name: str, value: float = 0.0, rows: int = 1, **fields: Any) -> InferenceRequest:
    return InferenceRequest(name, {"x": row(value, rows)}, **fields)


def value(outcome: InferenceResponse | Outcome, name: str = "y") -> float:
    """The one number that the output consists of."""
    assert isinstance(outcome, InferenceResponse), outcome
    found = np.unique(outcome.outputs[name])
    assert len(found) == 1, f"a mixture: {found}"
    return float(found[0])


def loaded(server: InferenceServer, *names: str) -> None:
    """Load models, one after the other."""
    for name in names:
        server.load_model(name).result(TIMEOUT)


def serving(root: Path, backend: FakeBackend, models: Mapping[str, Toy], **options: Any) -> Any:
    """A server over a repository with these models, none of them loaded."""
    write_repository(root, models)
    return InferenceServer([root], backend.load_backend, **options)


def step(model: str, inputs: str, outputs: str, extra: str = "") -> str:
    """An ensemble's step; ``"x:X"`` maps the model's x to the ensemble's X."""

    def maps(field_name: str, text: str) -> str:
        pairs = [pair.split(":") for pair in text.split()]
        return " ".join(f'{field_name} {{ key: "{k}" value: "{v}" }}' for k, v in pairs)

    return (
        f'step {{ model_name: "{model}" {extra}'
        f" {maps('input_map', inputs)} {maps('output_map', outputs)} }}"
    )


def ensemble(*steps: str, fan_out: str = "", inputs: str = "X", outputs: str = "Y") -> Toy:
    """An ensemble of FP32 [-1,4] tensors without a batch dim."""
    sides = [
        f'{side} {{ name: "{name}" data_type: TYPE_FP32 dims: [-1, 4] }}'
        for side, names in (("input", inputs), ("output", outputs))
        for name in names.split()
    ]
    spread = f'parameters {{ key: "fan_out" value {{ string_value: "{fan_out}" }} }}'
    text = f'platform: "ensemble" {" ".join(sides)} ensemble_scheduling {{ {" ".join(steps)} }}'
    return Toy(config=f"{text} {spread if fan_out else ''}")


CHAIN = ensemble(step("a", "x:X", "y:M"), step("b", "x:M", "y:Y"))
"""``Y = b(a(X))``."""

FANNED = ensemble(step("a", "x:X", "y:M"), step("b", "x:M", "y:Y"), fan_out="a,b")
"""The same for any number of rows, each an element."""
