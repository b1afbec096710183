# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How the conformance suite loads a backend's toys, and runs both kinds of instance alike."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest
from conformance_case import Case, Made
from toy_models import Toy, write_model

from triton_ros.core.backend import (
    Backend,
    BackendModel,
    ModelInstance,
    RequestInstance,
)
from triton_ros.core.config.model_config import InstanceGroup, ModelConfig
from triton_ros.core.errors import TritonError
from triton_ros.core.model_calls import NoCalls
from triton_ros.core.tensor import Array

CASES: list[Case] = [
    case
    for path in sorted(Path(__file__).parent.glob("case_*.py"))
    for case in importlib.import_module(path.stem).CASES
]


def needs_file(case: Case) -> None:
    """Skip what is about the file of a model."""
    if not case.filename:
        pytest.skip(f"a model of {case.id} has no file")


@dataclass
class Loader:
    """Writes a toy as version 1 of model `toy` and loads it."""

    case: Case
    backend: Backend
    directory: Path
    models: list[BackendModel] = field(default_factory=list)

    def close(self) -> None:
        """Release what the test has not: some backends hold processes."""
        Runner.release_all()
        for model in self.models:
            model.finalize()

    def write(self, made: Made) -> Path:
        write_model(self.directory, Toy())
        made.write(self.directory / "1")
        return self.directory / "1"

    def model(self, made: Made, **fields: Any) -> BackendModel:
        config = ModelConfig("toy", **{**made.fields, **fields})
        model = self.backend.load(config, self.write(made))
        self.models.append(model)
        return model

    def instance(self, made: Made, **fields: Any) -> Runner:
        return Runner(self.model(made, **fields).instance(InstanceGroup(), 0))


class Runner:
    """An instance of either kind of the port, run with one batch at a time."""

    _unreleased: ClassVar[list[Runner]] = []

    def __init__(self, instance: ModelInstance | RequestInstance) -> None:
        self._instance: Any = instance
        self._unreleased.append(self)

    def finalize(self) -> None:
        """Once."""
        self._unreleased.remove(self)
        self._instance.finalize()

    @classmethod
    def release_all(cls) -> None:
        """Those that nobody has finalized."""
        while cls._unreleased:
            cls._unreleased[-1].finalize()

    def execute(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Raises what the instance raises or fails the request with."""
        if hasattr(self._instance, "execute"):
            outputs: dict[str, Array] = self._instance.execute(inputs)
            return outputs
        request = _Request(inputs)
        self._instance.execute_requests([request], NoCalls("no server here"))
        if request.error is not None:
            raise request.error
        assert request.answer is not None, "no answer"
        return request.answer


class _Request:
    """Core's `ExecutionRequest` of somebody who wants one response."""

    id, correlation_id = "", 0
    sequence_start = sequence_end = cancelled = False
    outputs: tuple[str, ...] = ()
    cancellation = deadline_ns = remaining_ns = None
    priority = timeout_us = 0

    def __init__(self, inputs: Mapping[str, Array]) -> None:
        self.inputs = inputs
        self.parameters: dict[str, Any] = {}
        self.answer: dict[str, Array] | None = None
        self.error: TritonError | None = None

    def respond(self, outputs: dict[str, Array], parameters: object = None) -> None:
        self.answer = outputs

    def finish(self) -> None:
        pass

    def fail(self, error: TritonError) -> None:
        self.error = error
