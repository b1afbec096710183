# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Who may execute: decisions only, no thread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triton_ros.core.config.scheduling_config import RateLimiterConfig, Resource
from triton_ros.core.errors import ConfigError
from triton_ros.core.scheduling.rate_limiter import PATIENCE, Grant, RateLimiter


class Limits:
    """A limiter and who was told to ask again."""

    def __init__(self, **resources: int) -> None:
        self.limiter = RateLimiter({(name, 0): count for name, count in resources.items()})
        self.woken: list[str] = []

    def join(self, key: str, priority: int = 1, device: int = 0, **needs: int) -> None:
        resources = tuple(Resource(name, count) for name, count in needs.items())
        self.limiter.join(key, RateLimiterConfig(resources, priority), device)

    def start(self, key: str, lenders: Sequence[Grant] = ()) -> Grant | None:
        return self.limiter.start(key, lenders, lambda: self.woken.append(key))

    def granted(self, key: str, lenders: Sequence[Grant] = ()) -> Grant:
        grant = self.start(key, lenders)
        assert grant is not None
        return grant

    def finish(self, grant: Grant, **options: Any) -> None:
        for wake in self.limiter.finish(grant, **options):
            wake()


def test_an_instance_that_needs_nothing_is_never_held_up() -> None:
    limits = Limits(R=1)
    limits.join("free")
    limits.join("big", R=1)
    limits.granted("big")
    assert limits.start("big") is None
    limits.granted("free")
    limits.granted("free")


def test_a_resource_is_given_back_and_who_waits_is_woken() -> None:
    limits = Limits(R=2)
    limits.join("a", R=2)
    limits.join("b", R=1)
    grant = limits.granted("a")
    assert limits.start("b") is None
    limits.finish(grant)
    assert limits.woken == ["b"]
    limits.granted("b")


def test_without_a_stated_count_there_is_as_much_as_the_neediest_instance_wants() -> None:
    limits = Limits()
    limits.join("a", R=4)
    limits.join("b", R=3)
    limits.join("c", R=1)
    limits.granted("b")
    limits.granted("c")
    assert limits.start("a") is None


def test_each_device_has_its_own_units_and_global_ones_are_shared() -> None:
    limiter = RateLimiter()
    own, shared = Resource("R"), Resource("G", is_global=True)
    for device in (0, 1):
        limiter.join(("own", device), RateLimiterConfig((own,)), device)
        limiter.join(("shared", device), RateLimiterConfig((shared,)), device)
    assert limiter.start(("own", 0), (), list) is not None
    assert limiter.start(("own", 1), (), list) is not None
    assert limiter.start(("shared", 0), (), list) is not None
    assert limiter.start(("shared", 1), (), list) is None


def test_a_smaller_number_of_executions_times_priority_goes_first() -> None:
    limits = Limits(R=1)
    limits.join("often", R=1)
    limits.join("seldom", priority=3, R=1)
    order = []
    running = limits.granted("often")
    for _ in range(8):
        for key in ("often", "seldom"):
            limits.start(key)
        limits.finish(running)
        limits.woken.clear()
        attempts = [(key, limits.start(key)) for key in ("often", "seldom")]
        [(key, running)] = [(key, grant) for key, grant in attempts if grant]
        order.append(key)
    assert order.count("often") == 6
    assert order.count("seldom") == 2


def test_who_cannot_start_does_not_keep_others_from_starting() -> None:
    """Triton tries only the first in line (server issue 8358)."""
    limits = Limits(R=2, S=1)
    limits.join("both", R=2, S=1)
    limits.join("small", R=1)
    held = limits.granted("small")
    assert limits.start("both") is None
    limits.finish(held)
    held = limits.granted("small") if limits.start("both") is None else None
    assert held is None, "free again, the one with fewer executions goes first"


def test_nobody_is_passed_over_for_ever() -> None:
    limits = Limits(R=2)
    limits.join("big", priority=1000, R=2)
    limits.join("one", R=1)
    limits.join("two", R=1)
    first = limits.granted("big")
    limits.finish(first)  # from now on big's weight is 1000
    held = limits.granted("one")
    passed = 0
    while True:
        assert limits.start("big") is None
        following = limits.start("two" if held.key == "one" else "one")
        if following is None:
            break
        passed += 1
        assert passed <= PATIENCE
        limits.finish(held)
        held = following
    limits.finish(held)
    limits.granted("big")


def test_a_caller_lends_what_it_holds() -> None:
    limits = Limits(R=1)
    limits.join("caller", R=1)
    limits.join("called", R=1)
    above = limits.granted("caller")
    assert limits.start("called") is None, "not without the caller's leave"
    below = limits.granted("called", [above])
    assert limits.start("called", [above]) is None, "lent once"
    limits.finish(below)
    again = limits.granted("called", [above])
    limits.finish(again)
    limits.finish(above)
    limits.granted("called")


def test_what_was_borrowed_can_be_lent_further() -> None:
    limits = Limits(R=1)
    for key in "abc":
        limits.join(key, R=1)
    a = limits.granted("a")
    b = limits.granted("b", [a])
    c = limits.granted("c", [a, b])
    for grant in (c, b, a):
        limits.finish(grant)
    limits.granted("c")


def test_who_borrowed_keeps_what_it_has_when_the_lender_ends() -> None:
    """A call for which its caller does not wait."""
    limits = Limits(R=2, S=1)
    limits.join("caller", R=2, S=1)
    limits.join("called", R=1, S=1)
    limits.join("below", R=1)
    limits.join("other", R=1)
    above = limits.granted("caller")
    called = limits.granted("called", [above])
    below = limits.granted("below", [called])
    limits.finish(called)  # it owns nothing: the rest is its own lender's
    limits.finish(above)
    assert limits.start("called", [above]) is not None, "R is free once, S is"
    assert limits.start("other") is None
    limits.finish(below)
    assert limits.start("other") is not None


def test_who_ended_lends_no_more() -> None:
    limits = Limits(R=1)
    limits.join("caller", R=1)
    limits.join("called", R=1)
    above = limits.granted("caller")
    limits.finish(above)
    again = limits.granted("caller")
    assert limits.start("called", [above]) is None
    limits.finish(again)
    assert limits.start("called", [above]) is not None


def test_a_grant_that_was_not_used_does_not_count_as_an_execution() -> None:
    limits = Limits(R=1)
    limits.join("a", R=1)
    limits.join("b", R=1)
    for _ in range(5):
        limits.finish(limits.granted("a"), executed=False)
    limits.finish(limits.granted("b"))
    held = limits.granted("a")
    limits.start("b")
    limits.start("a")
    limits.finish(held)
    assert limits.woken[0] in "ab"


def test_who_has_nothing_to_do_any_more_is_not_waited_for() -> None:
    limits = Limits(R=1)
    limits.join("a", R=1)
    limits.join("b", priority=5, R=1)
    limits.finish(limits.granted("b"))
    held = limits.granted("b")
    assert limits.start("a") is None
    limits.finish(held)
    assert limits.start("b") is None, "a has fewer executions"
    for wake in limits.limiter.idle("a"):
        wake()
    assert limits.woken[-1] == "b"
    limits.granted("b")


def test_an_instance_that_left_is_forgotten() -> None:
    limits = Limits(R=1)
    limits.join("a", R=1)
    limits.join("b", R=1)
    limits.finish(limits.granted("b"))
    held = limits.granted("b")
    assert limits.start("a") is None
    limits.limiter.leave("a")
    limits.finish(held)
    limits.granted("b")


def test_what_can_never_run_is_refused() -> None:
    limits = Limits(R=1)
    with pytest.raises(ConfigError, match="resource 'R' count 2 is more than the server's 1"):
        limits.join("a", R=2)


def test_a_resource_is_either_global_or_a_device_s() -> None:
    limits = Limits(R=1)
    shared = RateLimiterConfig((Resource("R", 1, is_global=True),))
    with pytest.raises(ConfigError, match="'R' is used both as a global one and as one of a dev"):
        limits.limiter.join("a", shared, 0)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), min_size=2, max_size=5),
    st.lists(st.tuples(st.sampled_from(["start", "end"]), st.integers(0, 9)), max_size=60),
)
def test_never_more_than_there_is_and_never_stuck(
    members: list[tuple[int, int]], steps: list[tuple[str, int]]
) -> None:
    limits = Limits(R=3, S=2)
    for index, (r, s) in enumerate(members):
        limits.join(str(index), R=r, S=s)
    running: dict[str, Grant] = {}
    waiting: set[str] = set()
    for action, number in steps:
        key = str(number % len(members))
        if action == "start" and key not in running:
            grant = limits.start(key)
            if grant:
                running[key] = grant
                waiting.discard(key)
            else:
                waiting.add(key)
        elif action == "end" and running:
            limits.finish(running.pop(sorted(running)[number % len(running)]))
        for position, limit in ((0, 3), (1, 2)):
            assert sum(members[int(k)][position] for k in running) <= limit
    while waiting or running:  # everybody asks whenever woken: all of them get their turn
        for key in list(running):
            limits.woken.clear()
            limits.finish(running.pop(key))
            assert set(limits.woken) == waiting
        before = len(waiting)
        for key in sorted(waiting):
            grant = limits.start(key)
            if grant:
                running[key] = grant
        waiting -= running.keys()
        assert not before or len(waiting) < before, "nobody runs, somebody waits, nobody may start"
