# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How far a load is: readable while it runs, and where it can be stopped.

A load says which stage begins; that is also where it notices that the server is closing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from triton_ros.core.errors import UnavailableError
from triton_ros.core.execution.executor import Clock

Stage = Callable[[str], None]
"""Says what begins now.  Raises `UnavailableError` if it should not begin any more."""


def no_stage(stage: str) -> None:
    """For a load that nobody watches."""


@dataclass(frozen=True, slots=True)
class LoadProgress:
    """The load that runs, or the last one."""

    name: str
    loading: bool = False
    stage: str = ""
    """What it does now, or what it did last: "making instance 1 of 2"."""
    seconds: float = 0.0
    """Since it began; of one that ended, how long it took."""
    attempt: int = 0
    """Counted from 1; 0 for a model that was never loaded."""
    reason: str = ""
    """Why the last attempt that failed did, until one succeeds."""


class ProgressBoard:
    """The progress of every model's load."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._loads: dict[str, LoadProgress] = {}
        self._began: dict[str, int] = {}
        self._closed = False

    def queued(self, name: str) -> None:
        """A load is asked for; one that already runs goes on."""
        with self._lock:
            if not self._last(name).loading:
                self._began[name] = self._clock()
                self._set(name, loading=True, stage="waiting for a load thread", attempt=0)

    def began(self, name: str, attempt: int) -> None:
        """An attempt begins."""
        with self._lock:
            if attempt == 1:
                self._began[name] = self._clock()
            self._set(name, loading=True, stage="", attempt=attempt)

    def stage(self, name: str, stage: str) -> None:
        """The next stage of a load begins.  Raises `UnavailableError` after `close`."""
        with self._lock:
            self._set(name, stage=stage)
            if self._closed:
                raise UnavailableError(f"Server is stopping, model '{name}' is not served any more")

    def failed(self, name: str, reason: str) -> None:
        """An attempt failed."""
        with self._lock:
            self._set(name, reason=reason)

    def succeeded(self, name: str) -> None:
        """The load is done."""
        with self._lock:
            self._set(name, loading=False, seconds=self._seconds(name), reason="")

    def ended(self, name: str, forget: bool = False) -> None:
        """No further attempt, also for a load that never began; `forget` a name nobody knows."""
        with self._lock:
            if self._last(name).loading:
                self._set(name, loading=False, seconds=self._seconds(name))
            if forget:
                self._loads.pop(name, None)

    def close(self) -> None:
        """Let every load end before its next stage."""
        with self._lock:
            self._closed = True

    def of(self, name: str) -> LoadProgress:
        """The progress of a model's load; one with attempt 0 if it never had any."""
        with self._lock:
            found = self._last(name)
            return replace(found, seconds=self._seconds(name)) if found.loading else found

    def _last(self, name: str) -> LoadProgress:
        return self._loads.get(name) or LoadProgress(name)

    def _set(self, name: str, **changes: Any) -> None:
        self._loads[name] = replace(self._last(name), **changes)

    def _seconds(self, name: str) -> float:
        return (self._clock() - self._began[name]) / 1e9
