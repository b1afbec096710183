# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A few turns of what `python -m benchmarks.lifecycle` does for long."""

from __future__ import annotations

import itertools
import signal
from pathlib import Path

import pytest

from benchmarks import lifecycle, lifecycle_signals


def test_rounds_answer_frames_and_leave_nothing(tmp_path: Path) -> None:
    with lifecycle.running(tmp_path) as rig:
        samples = lifecycle.rounds(rig, 6)
    warm, last = samples[2], samples[-1]
    assert (last.threads, last.descriptors) <= (warm.threads, warm.descriptors)
    assert last.shared_maps <= warm.shared_maps
    assert last.resident_mb < 1.05 * warm.resident_mb


def test_any_transition_in_any_state(tmp_path: Path) -> None:
    walk = lifecycle.walk(tmp_path, seed=1)
    assert walk.state == "finalized"
    assert walk.refused > walk.transitions > 10


@pytest.mark.parametrize(
    ("moment", "number"),
    zip(lifecycle_signals.MOMENTS, itertools.cycle(lifecycle_signals.SIGNALS), strict=False),
)
def test_a_signal_at_any_moment(tmp_path: Path, moment: str, number: signal.Signals) -> None:
    ending = lifecycle_signals.end_at(tmp_path, moment, number, seed=number)
    assert ending.good, ending
