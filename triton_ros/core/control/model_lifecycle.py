# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Load, unload, reload: who may ask for it, where it runs, and what is known of it.

`model_exchange` says how versions are exchanged.  Loads run on a pool (`control_tasks`), an
ensemble's with those of its steps in one thread of it, so a pool of one is enough.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future

from triton_ros.core.control.control_tasks import ControlTasks
from triton_ros.core.control.load_progress import LoadProgress
from triton_ros.core.control.model_exchange import ModelExchange
from triton_ros.core.control.model_loader import ModelLoader
from triton_ros.core.control.model_override import LoadOrder
from triton_ros.core.control.model_repository import ModelRepository
from triton_ros.core.control.model_state import IndexEntry
from triton_ros.core.control.repository_poller import RepositoryPoller
from triton_ros.core.errors import UnavailableError
from triton_ros.core.execution.executor import Clock
from triton_ros.core.server_options import ModelControlMode, ServerOptions

_LOG = logging.getLogger(__name__)


class ModelLifecycle:
    """Owns every served version."""

    def __init__(
        self,
        repository: ModelRepository,
        loader: ModelLoader,
        clock: Clock,
        options: ServerOptions | None = None,
    ) -> None:
        self._repository = repository
        self._loader = loader
        self._clock = clock
        self._options = options or ServerOptions()
        self._tasks = ControlTasks(self._options.model_load_thread_count)
        self._exchange = ModelExchange(repository, loader, clock, self._options)
        self._leases = self._exchange.leases
        self._progress = self._exchange.progress
        self.acquire = self._leases.acquire
        self.retain = self._leases.retain
        self.release = self._leases.release
        self._poller: RepositoryPoller | None = None

    # control ---------------------------------------------------------------------------------

    def start(self) -> dict[str, Future[None]]:
        """Load what the control mode wants at start, and watch the repository in poll mode.

        The loads run side by side; each future has its model's outcome, none touches another's.
        """
        mode, names = self._options.model_control_mode, self._options.load_model
        if mode is not ModelControlMode.EXPLICIT or names == ("*",):
            names = self._repository.names()
        order = LoadOrder(always=False, fallback=True)
        if mode is ModelControlMode.POLL:
            self._poller = self._new_poller()
            self._poller.expect(names)
        loads = {name: self._submit(name, order) for name in dict.fromkeys(names)}
        if self._poller:
            for name, load in loads.items():
                self._poller.loading(name, load)
            self._poller.start()
        return loads

    def load(
        self, name: str, config: str = "", files: Mapping[str, bytes] | None = None
    ) -> Future[None]:
        """Load or reload a model; the future raises `TritonError` with the reason.

        `config` (JSON of a `ModelConfig`) is used instead of the model's own, `files` (by
        ``file:<version>/<path>``, with a `config`) instead of the model's directory; see
        `model_override` for how long.  Raises `UnavailableError` where the control mode forbids it.
        """
        self._check_mode()
        return self._submit(name, LoadOrder(config, files or {}))

    def unload(self, name: str, dependents: bool = False) -> Future[None]:
        """Take a model out of service; done when its last request was answered.

        With `dependents` also those models of an ensemble's steps that it had pulled in, unless
        another ensemble uses them.  Raises `UnavailableError` where the control mode forbids it.
        """
        self._check_mode()
        return self._tasks.unload(lambda n: self._exchange.unload(n, dependents), name)

    def close(self, timeout: float) -> tuple[str, ...]:
        """Unload everything; the names of what did not finish within `timeout` seconds.

        What is queued to be loaded is dropped; what loads ends before its next stage.
        """
        timeout = min(timeout, threading.TIMEOUT_MAX)  # also for infinity
        deadline = time.monotonic() + timeout
        if self._poller:
            self._poller.close(timeout)
        self._tasks.refuse()
        self._exchange.refuse()
        threads = self._exchange.retirement.threads
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        late = self._tasks.wait(max(0.0, deadline - time.monotonic()))
        left = tuple(dict.fromkeys([t.name for t in threads if t.is_alive()] + list(late)))
        self._exchange.close()
        if left:
            running = self._leases.users()
            _LOG.warning(
                "abandoned at shutdown: %s; requests running: %s",
                ", ".join(left),
                ", ".join(f"{count} of {name}" for name, count in running.items()) or "none",
            )
        else:
            self._loader.close()
        return left

    def _check_mode(self) -> None:
        if self._options.model_control_mode is not ModelControlMode.EXPLICIT:
            raise UnavailableError(
                "explicit model load / unload is not allowed if polling is enabled"
            )

    def _new_poller(self) -> RepositoryPoller:
        return RepositoryPoller(
            self._repository,
            lambda name: self._submit(name, LoadOrder(always=False)),
            lambda name: self._tasks.unload(lambda n: self._exchange.unload(n, False), name),
            self._options.repository_poll_secs,
            self._options.poll_quiet_secs,
            self._clock,
            self._options.model_config_name,
        )

    def _submit(self, name: str, order: LoadOrder) -> Future[None]:
        self._progress.queued(name)

        def ended(*_: Future[None]) -> None:
            self._progress.ended(name, forget=not self._exchange.index.known(name))

        try:
            future = self._tasks.load(lambda n: self._exchange.load(n, order), name)
        except UnavailableError:
            ended()
            raise
        future.add_done_callback(ended)
        return future

    # views -----------------------------------------------------------------------------------

    def ready(self, name: str, version: int = -1) -> bool:
        """Whether a version serves, -1 for any (of an ensemble: and all its steps' models)."""
        return self._leases.ready(name, version)

    def serving_versions(self, name: str) -> tuple[int, ...]:
        """Ascending."""
        return tuple(sorted(self._leases.versions(name)))

    def progress(self, name: str) -> LoadProgress:
        """How far the load of a model is."""
        return self._progress.of(name)

    def index(self) -> tuple[IndexEntry, ...]:
        """Every model of the repository and what is known of its versions."""
        names = sorted({*self._repository.names(), *self._leases.names()})
        return tuple(row for name in names for row in self._rows(name))

    def _rows(self, name: str) -> list[IndexEntry]:
        progress = self._progress.of(name)
        return self._exchange.index.rows(
            name, self._leases.problems(name), progress.seconds if progress.loading else None
        )
