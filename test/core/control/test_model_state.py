# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The transition table: every step that the lifecycle takes, and none that makes no sense."""

from __future__ import annotations

import pytest

from triton_ros.core.control.model_state import TRANSITIONS, Event, ModelState, transition
from triton_ros.core.errors import InternalError

S, E = ModelState, Event


def walk(*events: Event) -> ModelState:
    state = S.UNKNOWN
    for event in events:
        state = transition(state, event)
    return state


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ((E.LOAD,), S.LOADING),
        ((E.LOAD, E.LOADED), S.READY),
        ((E.LOAD, E.FAILED), S.UNAVAILABLE),
        ((E.LOAD, E.FAILED, E.LOAD, E.LOADED), S.READY),
        ((E.LOAD, E.LOADED, E.LOAD), S.READY),
        ((E.LOAD, E.LOADED, E.LOAD, E.LOADED), S.READY),
        ((E.LOAD, E.LOADED, E.LOAD, E.FAILED), S.READY),
        ((E.LOAD, E.LOADED, E.UNLOAD), S.UNLOADING),
        ((E.LOAD, E.LOADED, E.UNLOAD, E.UNLOADED), S.UNAVAILABLE),
    ],
)
def test_the_ways_of_a_version(events: tuple[Event, ...], state: ModelState) -> None:
    assert walk(*events) is state


UNLOADING = (E.LOAD, E.LOADED, E.UNLOAD)


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ((E.LOAD, E.UNLOADED), S.LOADING),
        ((E.LOAD, E.LOADED, E.UNLOADED), S.READY),
        # the new load failed before the old one had drained
        ((E.LOAD, E.FAILED, E.UNLOADED), S.UNAVAILABLE),
        # unloaded again while the first one still drains: both report in the end
        ((E.LOAD, E.LOADED, E.UNLOAD, E.UNLOADED, E.UNLOADED), S.UNAVAILABLE),
        # the server closed while a reload was under way
        ((E.FAILED,), S.UNLOADING),
        ((E.UNLOADED, E.FAILED), S.UNAVAILABLE),
    ],
)
def test_events_that_overtake_an_unload(events: tuple[Event, ...], state: ModelState) -> None:
    assert walk(*UNLOADING, *events) is state


@pytest.mark.parametrize(
    "events",
    [(E.LOADED,), (E.FAILED,), (E.UNLOADED,), (E.LOAD, E.LOAD), (E.LOAD, E.UNLOAD)],
)
def test_nonsense_is_refused_by_name(events: tuple[Event, ...]) -> None:
    with pytest.raises(InternalError, match=r"a version that is \w+ cannot be \w+"):
        walk(*events)


def test_only_a_load_brings_a_version_back() -> None:
    back = {e for (s, e), to in TRANSITIONS.items() if s is S.UNAVAILABLE and to is not s}
    assert back == {E.LOAD}
