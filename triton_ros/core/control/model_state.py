# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The readiness states of a model version as a table of transitions.  No IO, no threads."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from triton_ros.core.errors import InternalError


class ModelState(Enum):
    """Triton's `ModelReadyState`."""

    UNKNOWN = "UNKNOWN"
    LOADING = "LOADING"
    READY = "READY"
    UNLOADING = "UNLOADING"
    UNAVAILABLE = "UNAVAILABLE"


class Event(Enum):
    """What happens to a version."""

    LOAD = "load"
    LOADED = "loaded"
    FAILED = "failed"
    UNLOAD = "unload"
    UNLOADED = "unloaded"


TRANSITIONS: dict[tuple[ModelState, Event], ModelState] = {
    (ModelState.UNKNOWN, Event.LOAD): ModelState.LOADING,
    (ModelState.UNAVAILABLE, Event.LOAD): ModelState.LOADING,
    (ModelState.UNLOADING, Event.LOAD): ModelState.LOADING,
    (ModelState.LOADING, Event.LOADED): ModelState.READY,
    (ModelState.LOADING, Event.FAILED): ModelState.UNAVAILABLE,
    # a reload: the version that serves stays READY while its successor loads beside it
    (ModelState.READY, Event.LOAD): ModelState.READY,
    (ModelState.READY, Event.LOADED): ModelState.READY,
    (ModelState.READY, Event.FAILED): ModelState.READY,
    (ModelState.READY, Event.UNLOAD): ModelState.UNLOADING,
    (ModelState.UNLOADING, Event.UNLOADED): ModelState.UNAVAILABLE,
    # overtaken: the old one finished unloading after a new load had begun
    (ModelState.LOADING, Event.UNLOADED): ModelState.LOADING,
    (ModelState.READY, Event.UNLOADED): ModelState.READY,
    (ModelState.UNAVAILABLE, Event.UNLOADED): ModelState.UNAVAILABLE,
    # the server closed while a reload was under way, whose result is then thrown away
    (ModelState.UNLOADING, Event.FAILED): ModelState.UNLOADING,
    (ModelState.UNAVAILABLE, Event.FAILED): ModelState.UNAVAILABLE,
}


def transition(state: ModelState, event: Event) -> ModelState:
    """The next state; raises `InternalError` for a step that the table does not have."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise InternalError(f"a version that is {state.value} cannot be {event.value}") from None


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """One row of the repository index."""

    name: str
    version: int | None = None
    state: ModelState = ModelState.UNKNOWN
    reason: str = ""
    loading_seconds: float | None = None
    """How long a load of the model is under way; None if none is."""
