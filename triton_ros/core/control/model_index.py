# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What is known of every version: its state, and the reason for it.  The repository index.

The lock is the lifecycle's, see `model_leases`.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from triton_ros.core.control.model_state import Event, IndexEntry, ModelState, transition
from triton_ros.core.errors import NotFoundError, TritonError, UnavailableError


@dataclass(slots=True)
class _Status:
    state: ModelState = ModelState.UNKNOWN
    reason: str = ""


class ModelIndex:
    """The states of all versions that were ever asked for."""

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._status: dict[str, dict[int, _Status]] = defaultdict(dict)
        self._news: dict[str, str] = {}

    def mark(self, name: str, versions: Iterable[int], event: Event, reason: str = "") -> None:
        """Something happens to versions.  Raises `InternalError` if that cannot be."""
        with self._lock:
            for version in versions:
                status = self._status[name].setdefault(version, _Status())
                before, status.state = status.state, transition(status.state, event)
                if status.state is not before or event in (Event.LOADED, Event.FAILED):
                    status.reason = reason

    def tell(self, name: str, reason: str) -> None:
        """What is to be said of the whole model (its last load failed, say); "" for nothing."""
        with self._lock:
            self._news.pop(name, None)
            if reason:
                self._news[name] = reason

    def known(self, name: str) -> bool:
        """Whether the model was ever asked for."""
        with self._lock:
            return name in self._status or name in self._news

    def explain(self, name: str, version: int) -> TritonError:
        """Why a model that does not serve does not."""
        with self._lock:
            if not self.known(name):
                return NotFoundError(f"Request for unknown model: '{name}' is not found")
            at = "" if version == -1 else f" version {version}"
            reason = self._news.get(name) or ", ".join(
                f"version {v} is {s.state.value}" for v, s in self._status[name].items()
            )
            return UnavailableError(
                f"Request for model '{name}'{at} is not at ready state: {reason}"
            )

    def rows(
        self, name: str, problems: Mapping[int, str], seconds: float | None
    ) -> list[IndexEntry]:
        """One row a version; `problems` are those of versions that serve and cannot answer."""
        with self._lock:
            known = {v: (s.state, s.reason) for v, s in self._status.get(name, {}).items()}
            news = self._news.get(name, "")
        if not known:
            state = ModelState.UNAVAILABLE if news else ModelState.UNKNOWN
            return [IndexEntry(name, None, state, news, seconds)]
        return [
            IndexEntry(name, version, state, news or reason, seconds)
            if state is not ModelState.READY or version not in problems
            else IndexEntry(name, version, ModelState.UNAVAILABLE, problems[version], seconds)
            for version, (state, reason) in sorted(known.items())
        ]
