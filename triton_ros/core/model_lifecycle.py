# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Load, unload, reload: which version serves, and how it is exchanged under traffic.

A (re)load builds the new versions beside the old ones on the load pool.  When all of them are
warm, one assignment under the lock makes them the ones that serve; if any fails, nothing changes.
Requests hold the version they started on (`acquire` ... `release`); an old version is closed when
the last of them is done.  So a swap neither loses a request nor answers one from two models.

Calls for the same model are carried out one after the other, different models side by side.
An ensemble loads the models of its steps that are not loaded yet.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass

from triton_ros.core.control_tasks import ControlTasks
from triton_ros.core.ensemble import EnsembleModel
from triton_ros.core.ensemble_plan import check_circle, check_plan
from triton_ros.core.errors import (
    ConfigError,
    InternalError,
    NotFoundError,
    TritonError,
    UnavailableError,
)
from triton_ros.core.execution import Clock
from triton_ros.core.model import Model
from triton_ros.core.model_config import ModelConfig
from triton_ros.core.model_loader import ModelLoader
from triton_ros.core.model_repository import ModelDirectory, ModelRepository
from triton_ros.core.model_state import Event, IndexEntry, ModelState, transition

_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class _Status:
    state: ModelState = ModelState.UNKNOWN
    reason: str = ""


class ModelLifecycle:
    """Owns every served version."""

    def __init__(
        self, repository: ModelRepository, loader: ModelLoader, clock: Clock, load_threads: int = 4
    ) -> None:
        self._repository = repository
        self._loader = loader
        self._clock = clock
        self._tasks = ControlTasks(load_threads)
        self._lock = threading.Lock()
        self._released = threading.Condition(self._lock)
        self._serving: dict[str, dict[int, Model]] = {}
        self._status: dict[str, dict[int, _Status]] = defaultdict(dict)
        self._failed: dict[str, str] = {}
        self._users: Counter[Model] = Counter()
        self._turns: dict[str, threading.RLock] = defaultdict(threading.RLock)
        self._closers: list[threading.Thread] = []
        self._closed = False

    # control ---------------------------------------------------------------------------------

    def load(self, name: str) -> Future[None]:
        """Load or reload a model; the future raises `TritonError` with the reason."""
        return self._tasks.load(self._load, name)

    def unload(self, name: str) -> Future[None]:
        """Take a model out of service; done when its last request was answered."""
        return self._tasks.unload(self._unload, name)

    def close(self, timeout: float) -> tuple[str, ...]:
        """Unload everything; the names of what did not finish within `timeout` seconds."""
        deadline = time.monotonic() + timeout
        self._tasks.refuse()
        with self._lock:
            self._closed = True
            names = list(self._serving)
        for name in names:
            self._retire(name, self._taken(name))
        with self._lock:
            closers = list(self._closers)
        for thread in closers:
            thread.join(max(0.0, deadline - time.monotonic()))
        late = self._tasks.wait(max(0.0, deadline - time.monotonic()))
        return tuple(dict.fromkeys([t.name for t in closers if t.is_alive()] + list(late)))

    def _load(self, name: str) -> None:
        with self._turn(name):
            loading: tuple[int, ...] = ()
            try:
                directory = self._repository.find(name)
                config = directory.read_config()
                try:
                    versions = self._versions(directory, config)
                    self._events(name, versions, Event.LOAD)
                    loading = versions
                    built = self._build(directory, config, versions)
                except ConfigError as error:
                    raise directory.located(error) from error
                self._install(name, built)
            except TritonError as error:
                self._note_failure(name, loading, str(error))
                raise
            except Exception as error:  # the file system's, say: translated here, once
                reason = f"{type(error).__name__}: {error}"
                self._note_failure(name, loading, reason)
                raise InternalError(reason) from error

    def _unload(self, name: str) -> None:
        with self._turn(name):
            models = self._taken(name)
            if not models:
                self._repository.find(name)
            closer = self._retire(name, models)
        if closer:
            closer.join()

    def _turn(self, name: str) -> threading.RLock:
        with self._lock:
            return self._turns[name]

    def _versions(self, directory: ModelDirectory, config: ModelConfig) -> tuple[int, ...]:
        available = directory.versions()
        if config.is_ensemble and not available:
            available = (1,)  # an ensemble has no files, so it may do without a version directory
        versions = config.version_policy.select(available)
        if not versions:
            raise ConfigError(
                "at least one version must be available under the version policy of model"
                f" '{directory.name}'; version_policy selects none of the directories found: "
                + (", ".join(map(str, available)) or "none")
            )
        return versions

    def _build(
        self, directory: ModelDirectory, config: ModelConfig, versions: Iterable[int]
    ) -> dict[int, Model]:
        if config.is_ensemble:
            self._check_ensemble(config)
            return {
                version: EnsembleModel(config, version, self.acquire, self.release, self._clock)
                for version in versions
            }
        built: dict[int, Model] = {}
        try:
            for version in versions:
                built[version] = self._loader.load(directory, config, version)
        except TritonError:
            for model in built.values():
                _close(model)
            raise
        return built

    def _check_ensemble(self, config: ModelConfig) -> None:
        models: dict[str, Model] = {}
        try:
            check_circle(config, self._read_config)
            for step in config.ensemble:
                if not self.ready(step.model_name):
                    self._load(step.model_name)
                if step.model_name not in models:
                    models[step.model_name] = self.acquire(step.model_name, step.model_version)
            check_plan(config, models)
        except TritonError as error:
            raise error.within(f"in ensemble '{config.name}'") from None
        finally:
            for model in models.values():
                self.release(model)

    def _read_config(self, name: str) -> ModelConfig | None:
        try:
            return self._repository.find(name).read_config()
        except TritonError:  # its own load will tell
            return None

    def _install(self, name: str, built: dict[int, Model]) -> None:
        with self._lock:
            stopping = self._closed
            if not stopping:
                old = self._serving.get(name, {})
                self._serving[name] = built
                self._failed.pop(name, None)
                self._mark(name, built, Event.LOADED)
        if stopping:
            for model in built.values():
                _close(model)
            raise UnavailableError(f"Server is stopping, model '{name}' is not served any more")
        self._retire(name, old, replaced=set(built))

    # exchange --------------------------------------------------------------------------------

    def _taken(self, name: str) -> dict[int, Model]:
        with self._lock:
            models = self._serving.pop(name, {})
            if models:
                self._failed.pop(name, None)  # a failed reload is no news of what is unloaded
            return models

    def _retire(
        self, name: str, models: dict[int, Model], replaced: Iterable[int] = ()
    ) -> threading.Thread | None:
        """Close versions that no longer serve, each when its last request is done."""
        if not models:
            return None
        gone = [version for version in models if version not in set(replaced)]
        self._events(name, gone, Event.UNLOAD)

        def drain() -> None:
            for model in models.values():
                self._wait_unused(model)
                _close(model)
            self._events(name, gone, Event.UNLOADED, "unloaded")

        thread = threading.Thread(target=drain, name=f"unload_{name}", daemon=True)
        with self._lock:
            self._closers = [t for t in self._closers if t.is_alive() or not t.ident]
            self._closers.append(thread)
        thread.start()
        return thread

    def _wait_unused(self, model: Model) -> None:
        with self._released:
            self._released.wait_for(lambda: not self._users[model])

    # data path -------------------------------------------------------------------------------

    def acquire(self, name: str, version: int = -1) -> Model:
        """The version that serves, held until `release`; -1 for the highest."""
        with self._lock:
            versions = self._serving.get(name)
            if not versions:
                raise self._not_serving(name, version)
            model = versions.get(max(versions) if version == -1 else version)
            if model is None:
                raise NotFoundError(
                    f"Request for unknown model: '{name}' version {version} is not found;"
                    f" versions {', '.join(map(str, sorted(versions)))} are served"
                )
            self._users[model] += 1
            return model

    def retain(self, model: Model) -> None:
        """Hold a version once more, for a request that takes another's place."""
        with self._lock:
            self._users[model] += 1

    def release(self, model: Model) -> None:
        with self._lock:
            self._users[model] -= 1
            if not self._users[model]:
                del self._users[model]  # or a late `retain` would keep a closed model for ever
                self._released.notify_all()

    def _not_serving(self, name: str, version: int) -> TritonError:
        if name not in self._status and name not in self._failed:
            return NotFoundError(f"Request for unknown model: '{name}' is not found")
        at = "" if version == -1 else f" version {version}"
        reason = self._failed.get(name) or ", ".join(
            f"version {v} is {s.state.value}" for v, s in self._status[name].items()
        )
        return UnavailableError(f"Request for model '{name}'{at} is not at ready state: {reason}")

    # views -----------------------------------------------------------------------------------

    def ready(self, name: str) -> bool:
        """Whether some version serves (of an ensemble: and all its steps' models)."""
        with self._lock:
            versions = self._serving.get(name)
            model = versions[max(versions)] if versions else None
        if model is None:
            return False
        return all(self.ready(step.model_name) for step in model.config.ensemble)

    def index(self) -> tuple[IndexEntry, ...]:
        """Every model of the repository and what is known of its versions."""
        names = self._repository.names()
        with self._lock:
            names = tuple(sorted({*names, *self._serving}))
            known = {name: dict(self._status.get(name, {})) for name in names}
            failed = {name: self._failed.get(name, "") for name in names}
        return tuple(row for name in names for row in self._rows(name, known[name], failed[name]))

    def _rows(self, name: str, known: dict[int, _Status], failed: str) -> list[IndexEntry]:
        if not known:
            state = ModelState.UNAVAILABLE if failed else ModelState.UNKNOWN
            return [IndexEntry(name, None, state, failed)]
        rows = []
        for version, status in sorted(known.items()):
            state, reason = status.state, failed or status.reason
            if state is ModelState.READY and not self.ready(name):
                state, reason = ModelState.UNAVAILABLE, "a model of its steps is not ready"
            rows.append(IndexEntry(name, version, state, reason))
        return rows

    def _events(self, name: str, versions: Iterable[int], event: Event, reason: str = "") -> None:
        with self._lock:
            self._mark(name, versions, event, reason)

    def _mark(self, name: str, versions: Iterable[int], event: Event, reason: str = "") -> None:
        for version in versions:
            status = self._status[name].setdefault(version, _Status())
            before, status.state = status.state, transition(status.state, event)
            if status.state is not before or event in (Event.LOADED, Event.FAILED):
                status.reason = reason

    def _note_failure(self, name: str, versions: Iterable[int], reason: str) -> None:
        on_disk = name in self._repository.names()
        with self._lock:
            if on_disk or name in self._status:  # a name that nobody knows leaves no trace
                self._failed[name] = reason
            self._mark(name, versions, Event.FAILED, reason)


def _close(model: Model) -> None:
    """Release a model; a runtime that fails at it must not keep the others from being released."""
    try:
        model.close()
    except Exception:
        _LOG.exception("model '%s' version %d: closing failed", model.name, model.version)
