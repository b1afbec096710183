# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The port that every framework implements, and the only thing core knows of one.

Triton's four steps in Python: a `Backend` (one per runtime and process) loads a version directory
into a `BackendModel` (the weights, one per version), which makes `ModelInstance`s (what executes;
one thread at a time each).  Splitting weights from instances is what lets N callers share one
ONNX Runtime session and N TensorRT contexts share one engine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from triton_ros.core.config.model_config import InstanceGroup, ModelConfig
from triton_ros.core.errors import TritonError
from triton_ros.core.request import (
    Cancellation,
    Done,
    InferenceRequest,
    InferenceResponse,
    Parameter,
)
from triton_ros.core.tensor import Array, TensorSpec


@dataclass(frozen=True, slots=True)
class Signature:
    """What the model file itself says; dims include the batch dim, -1 where variable.

    `batchable` is the backend's word that rows are independent when the first dim grows (an ONNX
    file with a variable first dim everywhere; for TFLite it has to be tried out).
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    batchable: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)
    completed: ModelConfig | None = None
    """The configuration as the backend itself completed it, where it does that: a model in code."""
    max_batch_size: int = 0
    """The most rows that the model takes, where it says so; 0 where it does not."""


class ModelInstance(Protocol):
    """One executor.  Never called by two threads at the same time."""

    def execute(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run one batch.

        Inputs are C-contiguous arrays with the batch dim in front (if the model has one), of the
        configured dtypes.  The outputs must not be overwritten by the next `execute`.  Raises
        `TritonError`; anything else is reported as an internal error of this model.
        """
        ...

    def finalize(self) -> None:
        """Release what the instance holds; called once, after the last `execute`."""
        ...


class ExecutionRequest(Protocol):
    """One request as a `RequestInstance` sees it: what it asks, and how it is answered.

    Exactly one of `finish`, `fail` and `reschedule` ends it; until then it may be answered from any
    thread, also after `execute_requests` returned (a decoupled model's only; any other model's
    requests that are not ended by then fail).
    """

    @property
    def id(self) -> str: ...

    @property
    def correlation_id(self) -> int | str: ...

    @property
    def sequence_start(self) -> bool: ...

    @property
    def sequence_end(self) -> bool: ...

    @property
    def inputs(self) -> Mapping[str, Array]:
        """With the batch dim in front (if the model has one), of the configured dtypes."""
        ...

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the wanted outputs; empty for all."""
        ...

    @property
    def parameters(self) -> Mapping[str, Parameter]: ...

    @property
    def cancelled(self) -> bool: ...

    @property
    def cancellation(self) -> Cancellation | None:
        """What to watch, for who waits elsewhere and wants to be woken."""
        ...

    @property
    def priority(self) -> int: ...

    @property
    def timeout_us(self) -> int: ...

    @property
    def deadline_ns(self) -> int | None:
        """On the server's clock: to hand on to a called model."""
        ...

    @property
    def remaining_ns(self) -> int | None:
        """Until `deadline_ns`, for who waits by another clock; None for no deadline."""
        ...

    def respond(
        self, outputs: dict[str, Array], parameters: Mapping[str, Parameter] | None = None
    ) -> None:
        """Send a response; exactly one unless the model is decoupled."""
        ...

    def finish(self) -> None:
        """No further response."""
        ...

    def fail(self, error: TritonError) -> None:
        """The error is the answer (a decoupled model's last one)."""
        ...

    def reschedule(self) -> None:
        """Execute this request again (iterative sequences only)."""
        ...


class ModelCalls(Protocol):
    """What an executing model may ask of the server it runs in (business logic scripting)."""

    def infer(self, request: InferenceRequest) -> InferenceResponse:
        """Raises the request's `TritonError`."""
        ...

    def submit(self, request: InferenceRequest, done: Done) -> None: ...

    def load_model(self, name: str) -> None:
        """Blocks; raises `TritonError`."""
        ...

    def unload_model(self, name: str) -> None:
        """Does not wait for the model's last request, which may be the caller's own."""
        ...

    def model_ready(self, name: str, version: int = -1) -> bool: ...

    def model_config(self, name: str, version: int = -1) -> str:
        """The completed configuration as Triton's JSON; raises `TritonError`."""
        ...


class RequestInstance(Protocol):
    """An executor that wants the requests themselves: Python and custom backends, decoupled models.

    Never called by two threads at the same time.
    """

    def execute_requests(self, requests: Sequence[ExecutionRequest], calls: ModelCalls) -> None:
        """Answer all requests.  An exception is the answer to those that have none yet."""
        ...

    def finalize(self) -> None: ...


@runtime_checkable
class ReportsTimes(Protocol):
    """A `RequestInstance` may have this, too."""

    @property
    def times(self) -> tuple[int, int] | None:
        """Nanoseconds that the last execution read inputs, and wrote outputs; None if not told.

        Asked on the thread of the execution, at its end; not for a decoupled model.
        """
        ...


class BackendModel(Protocol):
    """The loaded weights of one version."""

    @property
    def signature(self) -> Signature: ...

    def instance(self, group: InstanceGroup, device: int) -> ModelInstance | RequestInstance:
        """A further instance; `device` is the GPU's id, or 0 on CPU."""
        ...

    def finalize(self) -> None:
        """Release the weights; called once, after every instance was finalized."""
        ...


@runtime_checkable
class ReportsProblem(Protocol):
    """A `BackendModel` may have this, too."""

    @property
    def problem(self) -> str:
        """Why its requests cannot be answered now, in words; empty while they can.

        Asked often, from any thread and under locks: it neither blocks nor calls the server.
        """
        ...


@runtime_checkable
class ReportsBuilt(Protocol):
    """A `BackendModel` may have this, too."""

    @property
    def built(self) -> Sequence[str]:
        """What it built for this device or found built, and where that is kept; in words."""
        ...


@runtime_checkable
class LoadsInStages(Protocol):
    """A `Backend` whose loads may take minutes has this, too."""

    def load_in_stages(
        self, config: ModelConfig, version_dir: Path, stage: Callable[[str], None]
    ) -> BackendModel:
        """As `Backend.load`.  `stage` is told what begins, in words; what it raises ends the load.

        It may be called from any thread.
        """
        ...


@runtime_checkable
class ReportsCounters(Protocol):
    """A `BackendModel` may have this, too."""

    @property
    def counters(self) -> Mapping[str, int]:
        """What it counts beyond core's statistics, since it was loaded; for diagnostics."""
        ...


class Backend(Protocol):
    """One runtime."""

    def load(self, config: ModelConfig, version_dir: Path) -> BackendModel:
        """Load a version.

        `config` may be incomplete (it is completed from the signature afterwards).  Raises
        `UnsupportedError` when the runtime is not installed and `InvalidArgumentError` for a file
        that it cannot read.
        """
        ...
