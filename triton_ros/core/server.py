# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The inference server, in process: what every frontend (ROS, HTTP, gRPC, a script) talks to.

A call to `infer` costs no more than the model: when an instance is idle it runs in the caller's
thread.  `submit` never blocks.

Example::

    with InferenceServer([Path("models")], BackendRegistry().load_backend) as server:
        server.load_model("add_sub").result()
        request = InferenceRequest("add_sub", {"INPUT0": a, "INPUT1": b})
        response = server.infer(request)
        print(response.outputs["OUTPUT0"])
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue

from triton_ros.core.config.config_json import config_json
from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.control.instance_places import count_gpus
from triton_ros.core.control.load_progress import LoadProgress
from triton_ros.core.control.model_lifecycle import ModelLifecycle
from triton_ros.core.control.model_loader import (
    LoadBackend,
    LoadProcessor,
    ModelLoader,
    no_processor,
)
from triton_ros.core.control.model_repository import ModelRepository
from triton_ros.core.control.model_state import IndexEntry
from triton_ros.core.errors import TimeoutExpiredError, TritonError
from triton_ros.core.execution.executor import Clock
from triton_ros.core.execution.payload import Item
from triton_ros.core.model import Interface, Model
from triton_ros.core.model_calls import ServerCalls
from triton_ros.core.request import (
    Cancellation,
    Done,
    InferenceRequest,
    InferenceResponse,
    Outcome,
    Parameter,
)
from triton_ros.core.response_cache import ResponseCache
from triton_ros.core.server_options import ServerOptions
from triton_ros.core.telemetry.statistics import Statistics
from triton_ros.core.telemetry.trace_file import TraceFiles
from triton_ros.core.telemetry.trace_settings import TraceSettings
from triton_ros.core.telemetry.tracer import Tracer


@dataclass(frozen=True, slots=True)
class Ticket:
    """A submitted request that may still be waiting."""

    model: Model
    item: Item


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """What a client may ask of a served model."""

    name: str
    version: int
    config: ModelConfig
    interface: Interface
    labels: tuple[str, ...]
    keypoint_names: tuple[str, ...]
    output_labels: Mapping[str, tuple[str, ...]]
    instance_count: int
    pending: int
    statistics: Statistics
    counters: Mapping[str, int] = field(default_factory=dict)
    """What its backend counts beyond the statistics."""
    built: tuple[str, ...] = ()
    """What its backend built for this device, or found built."""


@contextmanager
def _own_token(request: InferenceRequest) -> Iterator[Cancellation]:
    """What withdraws this request alone: when the block is left early, or with the request's own
    token, which may stand for others too.

    Not after the answer: its sequence would end with a request that is withdrawn.
    """
    token, own = request.cancellation, Cancellation()
    if token is not None:
        token.watch(id(own), own.cancel)
    try:
        yield own
    except BaseException:
        own.cancel()
        raise
    finally:
        if token is not None:
            token.unwatch(id(own))


class InferenceServer:
    """Hosts the models of one or several repositories.

    `load_backend` gives the runtime for a backend's name and `load_processor` the work around a
    model (None for raw tensors only); `clock` is monotonic nanoseconds; `gpu_count` tells how many
    NVIDIA GPUs instance groups can have.
    """

    def __init__(
        self,
        repositories: Sequence[Path],
        load_backend: LoadBackend,
        load_processor: LoadProcessor = no_processor,
        clock: Clock = time.monotonic_ns,
        options: ServerOptions | None = None,
        gpu_count: Callable[[], int] = count_gpus,
    ) -> None:
        self.options = options or ServerOptions()
        self.repository = ModelRepository(repositories)
        self.tracer = Tracer(TraceSettings(), TraceFiles(), clock)
        size = self.options.cache_byte_size
        self.cache = ResponseCache(size) if size else None
        loader = ModelLoader(
            load_backend,
            load_processor,
            clock,
            self.options,
            gpu_count,
            cache=self.cache,
            make_calls=partial(ServerCalls, self),
        )
        self._lifecycle = ModelLifecycle(self.repository, loader, clock, self.options)

    def __enter__(self) -> InferenceServer:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def start(self) -> dict[str, Future[None]]:
        """Load what `options` want at start (side by side; a future for each), and in poll mode
        watch the repository from now on.
        """
        return self._lifecycle.start()

    def close(self, timeout: float | None = None) -> tuple[str, ...]:
        """Answer what is running, unload everything; what did not end in time, in words.

        `timeout` is in seconds, by default `options.exit_timeout_secs`.
        """
        limit = self.options.exit_timeout_secs if timeout is None else timeout
        try:
            return self._lifecycle.close(limit)
        finally:
            self.tracer.close()

    # inference -------------------------------------------------------------------------------

    def infer(self, request: InferenceRequest, timeout: float | None = None) -> InferenceResponse:
        """The answer to a request; runs in this thread if an instance is idle.

        Raises the request's `TritonError`, or `TimeoutExpiredError` after `timeout` seconds; the
        request is withdrawn then.
        """
        response = self.infer_now(request)
        if response is not None:
            return response
        outcomes: SimpleQueue[Outcome] = SimpleQueue()
        if timeout is None:
            self._submit(request, outcomes.put, inline=True)
            outcome = outcomes.get()
        else:
            with _own_token(request) as token:
                asked = replace(request, cancellation=token)
                self._submit(asked, outcomes.put, inline=True)
                try:
                    outcome = outcomes.get(timeout=timeout)
                except Empty:
                    raise TimeoutExpiredError("Request timeout expired") from None
        if isinstance(outcome, TritonError):
            raise outcome
        return outcome

    def infer_now(self, request: InferenceRequest) -> InferenceResponse | None:
        """The answer to a request, if an instance is idle and nothing about the request has to be
        watched; None where `submit` is needed.  Blocks no longer than the model computes.

        Raises the request's `TritonError`.
        """
        if self.tracer.enabled:
            return None
        model = self._lifecycle.acquire(request.model_name, request.model_version)
        try:
            return model.infer_now(request)
        finally:
            self._lifecycle.release(model)

    def infer_stream(self, request: InferenceRequest) -> Iterator[InferenceResponse]:
        """The responses of a request, as they come: any number from a decoupled model, else one.

        Raises the request's `TritonError` where the stream ends with it.  A caller that stops
        iterating withdraws the request.
        """
        arrived: SimpleQueue[Outcome] = SimpleQueue()
        with _own_token(request) as token:
            asked = replace(request, on_response=arrived.put, cancellation=token)
            self._submit(asked, arrived.put, inline=False)
            while not isinstance(outcome := arrived.get(), TritonError) and not outcome.final:
                yield outcome
        if isinstance(outcome, TritonError):
            raise outcome
        if outcome.outputs:
            yield outcome

    def submit(self, request: InferenceRequest, done: Done) -> Ticket | None:
        """Queue a request; `done` gets its outcome on the thread that finished it.

        The ticket lets a newer request take its place while it waits.
        """
        return self._submit(request, done, inline=False)

    def replace(self, ticket: Ticket, request: InferenceRequest, done: Done) -> Ticket | None:
        """Run `request` in the place of a waiting one, which is answered with `CancelledError`.

        None (and `done` is not called) if the old one no longer waits or is for another model.
        """
        model = ticket.model
        if request.model_name != model.name:
            return None
        self._lifecycle.retain(model)
        traced = self._trace(model, request)
        try:
            item = model.replace(ticket.item, request, self._releasing(model, done))
        except TritonError:
            item = None
        if item is None:
            if traced:  # of the attempt: if the request is submitted now, that is another one
                request.trace.end()
                request.trace = None
            self._lifecycle.release(model)
            return None
        return Ticket(model, item)

    def _submit(self, request: InferenceRequest, done: Done, inline: bool) -> Ticket | None:
        try:
            model = self._lifecycle.acquire(request.model_name, request.model_version)
        except TritonError as error:
            done(error)
            return None
        self._trace(model, request)
        item = model.submit(request, self._releasing(model, done), inline=inline)
        return Ticket(model, item) if item else None

    def _trace(self, model: Model, request: InferenceRequest) -> bool:
        """Whether a trace of the request begins here."""
        if not self.tracer.enabled or request.trace is not None:
            return False
        request.trace = self.tracer.start(model.name, model.version, request.id)
        return request.trace is not None

    def _releasing(self, model: Model, done: Done) -> Done:
        def finished(outcome: Outcome) -> None:
            try:
                done(outcome)
            finally:  # not before: who waits for an unload waits for the answers too
                self._lifecycle.release(model)

        return finished

    # models ----------------------------------------------------------------------------------

    def load_model(
        self, name: str, config: str = "", files: Mapping[str, bytes] | None = None
    ) -> Future[None]:
        """Load or reload; the future raises the reason if it cannot be.

        `config` is a model configuration as JSON that is used instead of the model's own, `files`
        (``file:<version>/<path>`` to content, with a `config`) stand for the model's directory.
        Raises `UnavailableError` unless the control mode is explicit.
        """
        return self._lifecycle.load(name, config, files)

    def unload_model(self, name: str, dependents: bool = False) -> Future[None]:
        """Unload; done when the last request was answered.

        With `dependents`, models go too that were loaded only as its steps.  Raises
        `UnavailableError` unless the control mode is explicit.
        """
        return self._lifecycle.unload(name, dependents)

    def load_progress(self, name: str) -> LoadProgress:
        """How far the load of a model is, or how its last one ended."""
        return self._lifecycle.progress(name)

    def repository_index(self) -> tuple[IndexEntry, ...]:
        """Every model on disk with the state of its versions."""
        return self._lifecycle.index()

    def ready_versions(self, name: str) -> tuple[int, ...]:
        """The versions of a model that serve, ascending."""
        return self._lifecycle.serving_versions(name)

    def model_ready(self, name: str, version: int = -1) -> bool:
        """Whether requests for a model are answered now."""
        return self._lifecycle.ready(name, version)

    def model_config(self, name: str, version: int = -1) -> str:
        """The completed configuration of a served version, as Triton's JSON.

        Raises `NotFoundError` or `UnavailableError`.
        """
        return config_json(self.describe(name, version).config)

    def configuration(self, name: str, version: int = -1) -> ModelConfig:
        """The completed configuration of a served version.

        Raises `NotFoundError` or `UnavailableError`.
        """
        model = self._lifecycle.acquire(name, version)
        self._lifecycle.release(model)
        return model.config

    def describe(self, name: str, version: int = -1) -> ModelDescription:
        """Configuration, interface, labels and statistics of a served version.

        Raises `NotFoundError` or `UnavailableError`.
        """
        model = self._lifecycle.acquire(name, version)
        try:
            return ModelDescription(
                model.name,
                model.version,
                model.config,
                model.interface,
                model.labels,
                model.keypoint_names,
                model.output_labels,
                model.instance_count,
                model.pending,
                model.statistics.snapshot(),
                model.counters,
                model.built,
            )
        finally:
            self._lifecycle.release(model)

    def check_parameters(self, name: str, parameters: Mapping[str, Parameter]) -> None:
        """Whether a model's requests could have these parameters; an ensemble asks its steps.

        Raises `InvalidArgumentError` naming what could be, `NotFoundError` or `UnavailableError`.
        """
        model = self._lifecycle.acquire(name, -1)
        try:
            model.check_parameters(parameters)
        finally:
            self._lifecycle.release(model)
