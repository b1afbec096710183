# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The port: a model whose every request goes to another server.

Requests go as they are, each by itself, those of a batch at the same time: the remote batches.
Instances are callers that wait; `max_in_flight` bounds what all of them have under way.

A sequence stays where it began, on one server or on the fallback, for its state is there.

Two servers whose models are each other's remote would send a request round for ever: so each one
counts in the request's parameter `kserve_hops` how many forwarded it, and the one that would be
more than `max_hops` refuses.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import BoundedSemaphore

from triton_ros.backends.kserve.breaker import Circuit
from triton_ros.backends.kserve.description import describe
from triton_ros.backends.kserve.forwarding import Forwarding
from triton_ros.backends.kserve.grpc_transport import GrpcTransport
from triton_ros.backends.kserve.http_transport import HttpTransport
from triton_ros.backends.kserve.routes import Route, Routes
from triton_ros.backends.kserve.settings import RemoteSettings, warn_of_open_secrets
from triton_ros.backends.support import check_heeded, check_settings, released
from triton_ros.core.backend import ExecutionRequest, ModelCalls, Signature
from triton_ros.core.backend_config import EMPTY, BackendSettings
from triton_ros.core.config.config_lines import PlacedError
from triton_ros.core.config.model_config import InstanceGroup, InstanceKind, ModelConfig
from triton_ros.core.errors import InternalError, TritonError, UnavailableError, UnsupportedError


class KserveBackend:
    """Loads no file: what it needs is in the configuration's parameters (see `settings`)."""

    def __init__(self, settings: BackendSettings = EMPTY) -> None:
        check_settings("kserve", settings)

    def load(self, config: ModelConfig, version_dir: Path) -> KserveModel:
        """See `core.backend.Backend.load`; asks the remote what the model is.

        A remote that is down is an error only where the configuration does not say it.
        """
        _check(config)
        settings = RemoteSettings.of(config, version_dir.parent)
        warn_of_open_secrets(settings)
        transport = GrpcTransport if settings.protocol == "grpc" else HttpTransport
        made = [(str(address), transport(settings, address)) for address in settings.addresses]
        routes = Routes(
            settings,
            [
                Route(
                    address,
                    each,
                    Circuit(settings.breaker_failures, settings.breaker_open_ns, time.monotonic_ns),
                )
                for address, each in made
            ],
        )
        try:
            signature = describe(config, settings, routes)
        except BaseException:
            routes.close()
            raise
        return KserveModel(config, settings, routes, signature)


class KserveModel:
    """One version: its servers."""

    def __init__(
        self, config: ModelConfig, settings: RemoteSettings, routes: Routes, signature: Signature
    ) -> None:
        self._settings = settings
        self._routes: Routes | None = routes
        self._signature = signature
        self._forwarding: Forwarding | None = Forwarding(config, settings, routes, signature)
        self._slots = BoundedSemaphore(settings.max_in_flight)
        self._pool = ThreadPoolExecutor(settings.max_in_flight, f"kserve_{config.name}")
        self._decoupled = config.decoupled

    @property
    def signature(self) -> Signature:
        return self._signature

    @property
    def problem(self) -> str:
        """See `core.backend.ReportsProblem`; none where a fallback answers."""
        if self._routes is None or self._settings.fallback_model:
            return ""
        return self._routes.problem

    @property
    def counters(self) -> Mapping[str, int]:
        """See `core.backend.ReportsCounters`."""
        return self._routes.counters if self._routes else {}

    def instance(self, group: InstanceGroup, device: int) -> KserveInstance:
        """See `core.backend.BackendModel.instance`."""
        if self._forwarding is None:
            raise released(self._settings.model)
        return KserveInstance(
            self._settings, self._forwarding, self._slots, self._pool, self._decoupled
        )

    def finalize(self) -> None:
        """See `core.backend.BackendModel.finalize`."""
        self._pool.shutdown()
        if self._routes is not None:
            self._routes.close()
        self._routes = self._forwarding = None


class KserveInstance:
    """One caller.  A decoupled model's requests are answered from the pool, later."""

    def __init__(
        self,
        settings: RemoteSettings,
        forwarding: Forwarding,
        slots: BoundedSemaphore,
        pool: ThreadPoolExecutor,
        decoupled: bool,
    ) -> None:
        self._settings = settings
        self._forwarding: Forwarding | None = forwarding
        self._slots = slots
        self._pool = pool
        self._decoupled = decoupled

    def execute_requests(self, requests: Sequence[ExecutionRequest], calls: ModelCalls) -> None:
        """See `core.backend.RequestInstance.execute_requests`."""
        forwarding = self._forwarding
        if forwarding is None:
            raise released(self._settings.model)
        running: list[Future[None]] = []
        for index, request in enumerate(requests):
            until = time.monotonic() + self._settings.timeout_s
            if not self._slots.acquire(timeout=self._patience(request)):
                request.fail(self._full())
            elif self._decoupled or index + 1 < len(requests):
                running.append(self._pool.submit(self._run, forwarding, request, calls, until))
            else:
                self._run(forwarding, request, calls, until)
        if not self._decoupled:
            for future in running:
                future.result()

    def finalize(self) -> None:
        """See `core.backend.RequestInstance.finalize`."""
        self._forwarding = None

    def _run(
        self, forwarding: Forwarding, request: ExecutionRequest, calls: ModelCalls, until: float
    ) -> None:
        try:
            forwarding.answer(request, calls, until)
        except TritonError as error:
            request.fail(error)
        except Exception as error:  # the pool's boundary: it is the request's error
            failure = InternalError(f"model '{self._settings.model}': {error!r}")
            failure.__cause__ = error
            request.fail(failure)
        finally:
            self._slots.release()

    def _patience(self, request: ExecutionRequest) -> float:
        """How long it is worth waiting for room."""
        left = request.remaining_ns
        most = self._settings.timeout_s
        return most if left is None else max(0.0, min(most, left / 1e9))

    def _full(self) -> UnavailableError:
        error = UnavailableError(
            f"model '{self._settings.model}': max_in_flight {self._settings.max_in_flight} requests"
            " are with the remote, and none came back in time"
        )
        error.reason = "BACKEND"
        return error


def _check(config: ModelConfig) -> None:
    """Refuse what has no effect here: the remote's own configuration has it."""
    check_heeded(config, "kserve")
    if config.default_model_filename:
        raise PlacedError(
            f"model '{config.name}': a remote model has no file: drop default_model_filename",
            "default_model_filename",
        )
    for group in config.instance_group:
        if group.kind is InstanceKind.KIND_GPU:
            raise UnsupportedError(
                f"model '{config.name}': a remote model's instances are callers: KIND_GPU means"
                " nothing for them; use KIND_CPU"
            )
    batching = config.sequence_batching
    if batching and (batching.control_input or batching.state or batching.iterative_sequence):
        raise PlacedError(
            f"model '{config.name}': sequence_batching: control_input, state and"
            " iterative_sequence belong to the remote's configuration",
            "sequence_batching",
        )
