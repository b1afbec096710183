# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How the versions of a model are exchanged: built beside the old ones, then all at once.

When all new versions are warm, one assignment under the lock makes them the ones that serve; if any
fails, nothing changes.  Requests hold the version they started on (`model_leases`); an old version
is closed when the last of them is done.  So a swap neither loses a request nor answers one from two
models.

Versions whose files and configuration are as they were stay, if anything else changed; where only
`instance_group` changed, instances come and go under traffic.

Calls for the same model are carried out one after the other (`_turn`), different models side by
side.  An ensemble's load takes the turns of its steps' models, never the other way round.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from weakref import WeakValueDictionary

from triton_ros.core.config.config_lines import PlacedError
from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.control.ensemble_checks import check_exchange
from triton_ros.core.control.last_good import LastGood
from triton_ros.core.control.load_progress import ProgressBoard
from triton_ros.core.control.model_index import ModelIndex
from triton_ros.core.control.model_leases import ModelLeases
from triton_ros.core.control.model_loader import ModelLoader
from triton_ros.core.control.model_override import LoadOrder, ModelSources, Override
from triton_ros.core.control.model_repository import ModelRepository
from triton_ros.core.control.model_signature import take_signature
from triton_ros.core.control.model_source import ModelSource
from triton_ros.core.control.model_state import Event
from triton_ros.core.control.version_build import Build, Retirement, close_model, fill
from triton_ros.core.ensemble.ensemble import EnsembleModel
from triton_ros.core.ensemble.ensemble_plan import check_circle
from triton_ros.core.errors import (
    ConfigError,
    InternalError,
    TritonError,
    UnavailableError,
)
from triton_ros.core.execution.executor import Clock
from triton_ros.core.model import Model
from triton_ros.core.server_options import ServerOptions

_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class _Attempt:
    """What a load did so far, so that it can be told or taken back."""

    versions: tuple[int, ...] = ()
    pulled: list[str] = field(default_factory=list)
    """Models of an ensemble's steps that were loaded for it."""
    needed: Counter[str] = field(default_factory=Counter)
    """Models that must not be taken away meanwhile."""


class ModelExchange:
    """Carries out loads and unloads, each in the thread that calls."""

    def __init__(
        self,
        repository: ModelRepository,
        loader: ModelLoader,
        clock: Clock,
        options: ServerOptions,
    ) -> None:
        self._repository = repository
        self._loader = loader
        self._clock = clock
        self._retries = options.model_load_retry_count
        self._last_good = LastGood(options.last_good_file)
        self._lock = threading.RLock()
        self.index = ModelIndex(self._lock)
        self.leases = ModelLeases(self._lock, self.index.explain)
        self.progress = ProgressBoard(clock)
        self.retirement = Retirement()
        self._sources = ModelSources(repository, options.model_config_name)
        self._origins: dict[str, ModelSource] = {}
        self._explicit: set[str] = set()
        self._needed: Counter[str] = Counter()
        self._turns: WeakValueDictionary[str, threading.RLock] = WeakValueDictionary()
        self._closed = False

    def refuse(self) -> None:
        """Let loads that run end before their next stage, and retire everything that serves."""
        self.progress.close()
        with self._lock:
            self._closed = True
            names = self.leases.names()
        for name in names:
            self._retire(name, self.leases.take(name), self._sources.replace(name, None))

    def close(self) -> None:
        """Remove what overrides left on disk."""
        self._sources.close()

    def _turn(self, name: str) -> threading.RLock:
        with self._lock:
            return self._turns.setdefault(name, threading.RLock())

    # load ------------------------------------------------------------------------------------

    def load(self, name: str, order: LoadOrder) -> None:
        """Load or reload in this thread.  Raises `TritonError` with the reason."""
        with self._turn(name):
            number = 0
            while True:
                number += 1
                self.progress.began(name, number)
                attempt = _Attempt()
                try:
                    self._attempt(name, order, attempt)
                except TritonError as error:
                    self.progress.failed(name, str(error))
                    if number <= self._retries and self._may_pass(error):
                        continue
                    if self._stands_in(name, order, attempt, error):
                        return
                    self.progress.ended(name)
                    raise
                self.progress.succeeded(name)
                return

    def _may_pass(self, error: TritonError) -> bool:
        """Whether another attempt makes sense: what is wrong on disk stays wrong."""
        return isinstance(error, (InternalError, UnavailableError)) and not self._closed

    def _stands_in(self, name: str, order: LoadOrder, failed: _Attempt, error: TritonError) -> bool:
        """Serve the last version that loaded, if that is wanted and it is there."""
        if not order.fallback or not failed.versions or self._closed:
            return False
        try:
            version = self._last_good.version(name, self._repository.find(name))
        except (TritonError, OSError):  # its directory is gone, say
            return False
        if version is None or version in failed.versions[-1:]:
            return False
        try:
            self._attempt(name, replace(order, version=version), _Attempt())
        except TritonError as second:
            _LOG.warning("model '%s' version %d does not load either: %s", name, version, second)
            self.index.tell(name, str(error))
            return False
        self.index.tell(
            name,
            f"version {failed.versions[-1]} failed: {error}; serving version {version}, the last"
            " that loaded",
        )
        self.progress.ended(name)
        return True

    def _attempt(self, name: str, order: LoadOrder, attempt: _Attempt) -> None:
        try:
            self._exchange(name, order, attempt)
        except Exception as error:
            self._free(attempt)
            self._drop_unused(attempt.pulled)
            if isinstance(error, TritonError):
                self._note_failure(name, attempt.versions, str(error))
                raise
            reason = f"{type(error).__name__}: {error}"
            self._note_failure(name, attempt.versions, reason)
            # the file system's, say: translated here, once
            raise InternalError(reason) from error
        self._free(attempt)

    def _free(self, attempt: _Attempt) -> None:
        with self._lock:
            self._needed -= attempt.needed

    def _exchange(self, name: str, order: LoadOrder, attempt: _Attempt) -> None:
        self.progress.stage(name, "reading configuration")
        source, override = self._sources.open(name, order)
        try:
            self._bring(name, order, attempt, source, override)
        except BaseException as error:
            if override and override is not self._sources.in_force(name):
                override.remove()
            if isinstance(error, ConfigError) and not override:
                raise self._sources.located(error, source) from error
            raise

    def _bring(
        self,
        name: str,
        order: LoadOrder,
        attempt: _Attempt,
        source: ModelSource,
        override: Override | None,
    ) -> None:
        before, serving = self._origins.get(name), self.leases.versions(name)
        if serving and not order.always and source.same_as(before):
            self._explicit.update([name] if order.explicit else [])
            return
        attempt.versions = self._versions(source, order)
        self.index.mark(name, attempt.versions, Event.LOAD)
        build = Build()
        try:
            if source.config.is_ensemble:
                self._pull(source.config, attempt)
                labels = source.directory.labels(source.config)
                for version in attempt.versions:
                    build.add(self._ensemble(source.config, version, labels))
            else:
                stage = partial(self.progress.stage, name)
                fill(build, self._loader, source, before, serving, attempt.versions, stage)
            self._install(name, source, override, build, order.explicit)
        except BaseException:
            self._finish(name, build.undo())
            raise
        if override is None:  # what came with a load is not there at the next start
            self._last_good.loaded(name, max(attempt.versions), source.directory)

    def _versions(self, source: ModelSource, order: LoadOrder) -> tuple[int, ...]:
        if order.version is not None:
            return (order.version,)
        available = source.directory.versions()
        if source.config.is_ensemble and not available:
            available = (1,)  # an ensemble has no files, so it may do without a version directory
        versions = source.config.version_policy.select(available)
        if not versions:
            raise PlacedError(
                "at least one version must be available under the version policy of model"
                f" '{source.directory.name}'; version_policy selects none of the directories"
                " found: " + (", ".join(map(str, available)) or "none"),
                "version_policy",
            )
        return versions

    def _ensemble(
        self, config: ModelConfig, version: int, labels: Mapping[str, tuple[str, ...]]
    ) -> EnsembleModel:
        return EnsembleModel(
            config,
            version,
            self.leases.acquire,
            self.leases.release,
            self._clock,
            timer=self._loader.timer,
            cache=self._loader.cache,
            labels=labels,
        )

    def _pull(self, config: ModelConfig, attempt: _Attempt) -> None:
        """Load the models of an ensemble's steps that are not ready, in this thread."""
        steps = [step.model_name for step in config.ensemble]
        with self._lock:  # or another ensemble's unload could take them away meanwhile
            attempt.needed = Counter(steps)
            self._needed += attempt.needed
        check_circle(config, self._read_config)
        try:
            for step in dict.fromkeys(steps):
                if not self.leases.ready(step):
                    self.load(step, LoadOrder(explicit=False, always=False))
                    attempt.pulled.append(step)
        except TritonError as error:
            raise error.within(f"in ensemble '{config.name}'") from None

    def _read_config(self, name: str) -> ModelConfig | None:
        """What an ensemble's step would run with: as it serves, or as its load would find it."""
        if self.leases.ready(name):
            return self._origins[name].config
        try:
            return self._sources.find_config(name)
        except TritonError:  # its own load will tell
            return None

    def _outdated(self, name: str) -> bool:
        """Whether the files of a served model are no longer those that it was loaded from."""
        origin = self._origins[name]
        return take_signature(origin.directory.path) != origin.signature

    def _install(
        self,
        name: str,
        source: ModelSource,
        override: Override | None,
        build: Build,
        explicit: bool,
    ) -> None:
        with self._lock:
            if self._closed:
                raise UnavailableError(f"Server is stopping, model '{name}' is not served any more")
            check_exchange(self.leases, name, build.models, self._outdated)
            blocking = build.keep()
            old = self.leases.put(name, build.models)
            self._origins[name] = source
            self._explicit.update([name] if explicit else [])
            replaced = self._sources.replace(name, override)
            self.index.tell(name, "")
            self.index.mark(name, build.models, Event.LOADED)
        self._finish(name, blocking)
        gone = {v: m for v, m in old.items() if build.models.get(v) is not m}
        self._retire(name, gone, replaced, successors=build.models)

    # unload ----------------------------------------------------------------------------------

    def unload(self, name: str, dependents: bool) -> None:
        """Take a model out of service; returns when its last request was answered."""
        with self._turn(name):
            models = self._taken(name)
            if not models:
                self._repository.find(name)
            threads = self._retire(name, models, self._sources.replace(name, None))
        if dependents:
            threads += self._drop_unused(_steps(models))
        for thread in threads:
            thread.join()

    def _drop_unused(self, names: Iterable[str]) -> list[threading.Thread]:
        """Unload those models that nobody asked for by name and no ensemble uses."""
        threads: list[threading.Thread] = []
        for name in dict.fromkeys(names):
            with self._turn(name), self._lock:
                if name in self._explicit or self._needed[name]:
                    continue
                if self.leases.ensembles_with(name):
                    continue
                models = self._taken(name)
                threads += self._retire(name, models, self._sources.replace(name, None))
            threads += self._drop_unused(_steps(models))
        return threads

    def _taken(self, name: str) -> Mapping[int, Model]:
        with self._lock:
            models = self.leases.take(name)
            self._origins.pop(name, None)
            self._explicit.discard(name)
            if models:
                self.index.tell(name, "")  # a failed reload is no news of what is unloaded
            return models

    # retirement ------------------------------------------------------------------------------

    def _retire(
        self,
        name: str,
        models: Mapping[int, Model],
        override: Override | None = None,
        successors: Iterable[int] = (),
    ) -> list[threading.Thread]:
        """Close versions that no longer serve, each when its last request is done."""
        gone = [version for version in models if version not in set(successors)]
        self.index.mark(name, gone, Event.UNLOAD)

        def drain() -> None:
            for model in models.values():
                model.retire()
            for model in models.values():
                self.leases.wait_unused(model)
                close_model(model)
            if override:
                override.remove()
            self.index.mark(name, gone, Event.UNLOADED, "unloaded")

        return [self.retirement.start(f"unload_{name}", drain)] if models or override else []

    def _finish(self, name: str, blocking: Iterable[Callable[[], None]]) -> None:
        for work in blocking:
            self.retirement.start(f"instances_{name}", work)

    def _note_failure(self, name: str, versions: Iterable[int], reason: str) -> None:
        on_disk = name in self._repository.names()
        with self._lock:
            if on_disk or self.index.known(name):  # a name that nobody knows leaves no trace
                self.index.tell(name, reason)
            self.index.mark(name, versions, Event.FAILED, reason)


def _steps(models: Mapping[int, Model]) -> list[str]:
    return [step.model_name for model in models.values() for step in model.config.ensemble]
