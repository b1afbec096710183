# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which versions serve, and who still uses them.

A request holds the version it started on (`acquire` ... `release`), so that an exchange neither
loses a request nor answers one from two models; `wait_unused` is for who wants to close a version.

The lock is the lifecycle's: what has to change together with the state of a version is changed
under it.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping

from triton_ros.core.errors import NotFoundError, TritonError
from triton_ros.core.model import Model

Explain = Callable[[str, int], TritonError]
"""Why a model (name, version) does not serve; called under the lock."""


class ModelLeases:
    """The table of served versions, and how many requests hold each."""

    def __init__(self, lock: threading.RLock, explain: Explain) -> None:
        self._lock = lock
        self._released = threading.Condition(lock)
        self._explain = explain
        self._serving: dict[str, Mapping[int, Model]] = {}
        self._users: dict[Model, int] = {}
        self._awaited = 0

    # requests --------------------------------------------------------------------------------

    def acquire(self, name: str, version: int = -1) -> Model:
        """The version that serves, held until `release`; -1 for the highest."""
        with self._lock:
            model = self.serving(name, version)
            self._users[model] = self._users.get(model, 0) + 1
            return model

    def retain(self, model: Model) -> None:
        """Hold a version once more, for a request that takes another's place."""
        with self._lock:
            self._users[model] = self._users.get(model, 0) + 1

    def release(self, model: Model) -> None:
        with self._lock:
            left = self._users[model] - 1
            if left:
                self._users[model] = left
                return
            del self._users[model]  # or a late `retain` would keep a closed model for ever
            if self._awaited:
                self._released.notify_all()

    def serving(self, name: str, version: int = -1) -> Model:
        """The version that serves, not held: good under the lock only.

        Raises `NotFoundError` or `UnavailableError`.
        """
        versions = self._serving.get(name)
        if not versions:
            raise self._explain(name, version)
        model = versions.get(max(versions) if version == -1 else version)
        if model is None:
            raise NotFoundError(
                f"Request for unknown model: '{name}' version {version} is not found;"
                f" versions {', '.join(map(str, sorted(versions)))} are served"
            )
        return model

    # exchange --------------------------------------------------------------------------------

    def put(self, name: str, versions: Mapping[int, Model]) -> Mapping[int, Model]:
        """Let these serve from now on; what served before."""
        with self._lock:
            old = self._serving.get(name, {})
            self._serving[name] = dict(versions)
            return old

    def take(self, name: str) -> Mapping[int, Model]:
        """Let nothing serve from now on; what served before."""
        with self._lock:
            return self._serving.pop(name, {})

    def wait_unused(self, model: Model) -> None:
        """Until no request holds the version."""
        with self._lock:
            self._awaited += 1
            self._released.wait_for(lambda: model not in self._users)
            self._awaited -= 1

    # views -----------------------------------------------------------------------------------

    def versions(self, name: str) -> dict[int, Model]:
        """What serves under a name, not held."""
        with self._lock:
            return dict(self._serving.get(name, {}))

    def names(self) -> tuple[str, ...]:
        """The models of which some version serves."""
        with self._lock:
            return tuple(self._serving)

    def users(self) -> dict[str, int]:
        """How many requests each model has under way."""
        with self._lock:
            found: Counter[str] = Counter()
            for model, count in self._users.items():
                found[model.name] += count
            return dict(found)

    def ready(self, name: str, version: int = -1) -> bool:
        """Whether a version can answer (of an ensemble: and all its steps' models)."""
        with self._lock:
            versions = self._serving.get(name)
            if not versions:
                return False
            model = versions.get(max(versions) if version == -1 else version)
            return model is not None and not self.problem(model)

    def problem(self, model: Model) -> str:
        """Why a version that serves cannot answer now; empty while it can."""
        steps = model.config.ensemble
        if not all(self.ready(step.model_name, step.model_version) for step in steps):
            return "a model of its steps is not ready"
        return model.problem

    def problems(self, name: str) -> dict[int, str]:
        """The versions of a model that serve and cannot answer, and why."""
        with self._lock:
            found = {v: self.problem(model) for v, model in self._serving.get(name, {}).items()}
            return {version: problem for version, problem in found.items() if problem}

    def ensembles_with(self, name: str) -> list[Model]:
        """The ensembles that serve and have a model as a step."""
        with self._lock:
            return [
                model
                for versions in self._serving.values()
                for model in versions.values()
                if any(step.model_name == name for step in model.config.ensemble)
            ]
