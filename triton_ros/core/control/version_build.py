# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The versions that are to serve, until they do (`keep`) or come to nothing (`undo`).

Neither blocks: what has to wait for running requests is handed to `Retirement`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from triton_ros.core.control.load_progress import Stage
from triton_ros.core.control.model_loader import InstanceChange, ModelLoader
from triton_ros.core.control.model_source import ModelSource
from triton_ros.core.model import BackedModel, Model

_LOG = logging.getLogger(__name__)


def close_model(model: Model) -> None:
    """Release a model; a runtime that fails at it must not keep the others from being released."""
    try:
        model.close()
    except Exception:
        _LOG.exception("model '%s' version %d: closing failed", model.name, model.version)


@dataclass(slots=True)
class Build:
    """New versions, and served ones that stay, some with other instances."""

    models: dict[int, Model] = field(default_factory=dict)
    fresh: list[Model] = field(default_factory=list)
    changes: list[InstanceChange] = field(default_factory=list)

    def add(self, model: Model) -> None:
        """A new version."""
        self.models[model.version] = model
        self.fresh.append(model)

    def keep(self) -> list[Callable[[], None]]:
        """The new instances are the ones; what is left to be done, which blocks."""
        for change in self.changes:
            change.keep()
        return [change.model.instances.release_retired for change in self.changes if change.removed]

    def undo(self) -> list[Callable[[], None]]:
        """Back to what was; what is left to be done, which blocks."""
        for model in self.fresh:
            close_model(model)
        for change in self.changes:
            change.undo()
        return [change.model.instances.release_retired for change in self.changes if change.added]


def fill(
    build: Build,
    loader: ModelLoader,
    source: ModelSource,
    before: ModelSource | None,
    serving: dict[int, Model],
    versions: Iterable[int],
    stage: Stage,
) -> None:
    """Load versions, or keep those that a change since `before` leaves as they are.

    What did not change at all is loaded again: somebody asked for that.
    """
    for version in versions:
        old = serving.get(version)
        if (
            isinstance(old, BackedModel)
            and before is not None
            and not source.same_as(before)
            and source.keeps(version, before)
            and source.can_change_instances(before)
        ):
            build.models[version] = old
            change = loader.change_instances(old, source.directory, source.config, stage)
            build.changes.append(change)
        else:
            build.add(loader.load(source.directory, source.config, version, stage))


class Retirement:
    """Threads that wait for the last request of something, and then release it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    def start(self, name: str, work: Callable[[], None]) -> threading.Thread:
        """Do work that may block for as long as a request runs."""
        thread = threading.Thread(target=work, name=name, daemon=True)
        with self._lock:
            self._threads = [t for t in self._threads if t.is_alive() or not t.ident]
            self._threads.append(thread)
            thread.start()  # under the lock: who joins `threads` must find it started
        return thread

    @property
    def threads(self) -> list[threading.Thread]:
        """Those that may still be at it."""
        with self._lock:
            return list(self._threads)
