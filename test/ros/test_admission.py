# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Rates and ages on times that are made up; no jump of time shuts a stream for good."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from triton_ros.ros.admission import BACK_NS, RateLimit, Stamps, age_ns

MS = 1_000_000


def passed(times_ms: list[float], rate_hz: float) -> list[float]:
    limit = RateLimit()
    return [ms for ms in times_ms if limit.allows(round(ms * MS), rate_hz)]


def test_a_third_of_the_frames_at_a_third_of_the_rate() -> None:
    assert len(passed([33.3 * n for n in range(300)], 10.0)) == 100


def test_a_camera_that_jitters_keeps_its_rate() -> None:
    times = [100 * n + (8 if n % 2 else -8) for n in range(1, 200)]
    assert len(passed(times, 10.0)) == 199


def test_no_limit() -> None:
    assert passed([1, 1, 1], 0.0) == [1, 1, 1]


@given(st.lists(st.integers(0, 100), min_size=5, max_size=200), st.sampled_from([1.0, 7.5, 30.0]))
def test_never_more_than_the_rate_allows(gaps_ms: list[int], rate_hz: float) -> None:
    times, now = [], 0
    for gap in gaps_ms:
        now += gap
        times.append(float(now))
    count, period = len(passed(times, rate_hz)), 1000 / rate_hz
    assert count <= now / period + 2
    assert count >= 1


def test_time_that_jumps_back_begins_anew() -> None:
    limit = RateLimit()
    assert limit.allows(10_000 * MS, 10.0)
    assert not limit.allows(10_050 * MS, 10.0)
    assert limit.allows(5 * MS, 10.0), "a bag's next round"
    assert not limit.allows(50 * MS, 10.0)


def test_stamps_that_go_back_are_another_beginning() -> None:
    stamps = Stamps()
    assert not stamps.began_anew(10 * BACK_NS)
    assert not stamps.began_anew(10 * BACK_NS - 1), "two frames out of order"
    assert not stamps.began_anew(10 * BACK_NS)
    assert stamps.began_anew(BACK_NS)
    assert not stamps.began_anew(BACK_NS + 1)
    assert not stamps.began_anew(0), "no stamp says nothing"
    assert not stamps.began_anew(BACK_NS + 2)


def test_age() -> None:
    assert age_ns(100, 350) == 250
    assert age_ns(400, 350) == 0, "a clock that is ahead"
    assert age_ns(0, 350) == 0, "no stamp, no age"
