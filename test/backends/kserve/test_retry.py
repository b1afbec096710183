# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""When it is asked again, and after how long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triton_ros.backends.kserve.failure import RemoteFailure
from triton_ros.backends.kserve.retry import backoff_s, may_repeat


def test_the_pause_doubles_up_to_its_bound() -> None:
    assert [backoff_s(turn, 0.1, 0.5, 1.0) for turn in (1, 2, 3, 4, 1000)] == [
        *(0.1, 0.2, 0.4, 0.5, 0.5)
    ]
    assert backoff_s(1, 0.1, 0.5, 0.0) == 0.05


@given(st.integers(1, 10**6), st.floats(0, 60), st.floats(0, 60), st.floats(0, 1))
def test_the_pause_is_within_its_bounds(turn: int, base: float, most: float, random: float) -> None:
    pause = backoff_s(turn, base, most, random)
    assert min(base, most) / 2 <= pause <= most


@pytest.mark.parametrize(
    ("sent", "retry_on", "in_sequence", "may"),
    [
        (False, "connection", True, True),
        (False, "unavailable", False, True),
        (True, "unavailable", False, True),
        (True, "connection", False, False),
        (True, "unavailable", True, False),
    ],
)
def test_what_may_have_been_executed_is_repeated_only_where_that_does_no_harm(
    sent: bool, retry_on: str, in_sequence: bool, may: bool
) -> None:
    assert may_repeat(RemoteFailure("gone", sent), retry_on, in_sequence) is may
