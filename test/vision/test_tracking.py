# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Ids stay with what moves, through gaps and past each other."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
import pytest

from triton_ros.core.errors import UnavailableError
from triton_ros.core.tensor import Array
from triton_ros.vision.tracking import Tracker, TrackerSettings, bounds, check_tracker

pytest.importorskip("norfair", reason="no norfair: pip install norfair-enough")

NORFAIR = TrackerSettings("norfair", iou=0.3, max_missed=5)


def frame(*found: tuple[float, float, int]) -> dict[str, Array]:
    """Boxes of 40 x 60 pixels at x, y, each of a class."""
    boxes = [[x, y, x + 40, y + 60] for x, y, _ in found]
    return {
        "BOXES": np.array(boxes, np.float32).reshape(-1, 4),
        "CLASS_IDS": np.array([kind for *_, kind in found], np.int32),
    }


def play(
    frames: Sequence[dict[str, Array]], settings: TrackerSettings = NORFAIR
) -> list[list[int]]:
    tracker = Tracker(settings)
    return [tracker.update(each).tolist() for each in frames]


def test_what_moves_keeps_its_id_and_a_first_sight_has_none() -> None:
    ids = play([frame((10 + 5 * t, 50, 1), (300 - 5 * t, 200, 1)) for t in range(8)])
    assert ids[0] == [0, 0]
    assert all(row == ids[1] for row in ids[1:])
    assert len(set(ids[1])) == 2
    assert 0 not in ids[1]


def test_classes_pass_each_other_without_exchanging_ids() -> None:
    ids = play([frame((10 + 10 * t, 50, 1), (210 - 10 * t, 50, 2)) for t in range(21)])
    assert all(row == ids[1] for row in ids[1:])


def test_an_id_survives_a_gap_but_not_a_long_one() -> None:
    still = frame((100, 100, 1))
    ids = play([still, still, *[frame()] * 3, still, *[frame()] * 12, still, still])
    first = ids[1][0]
    assert ids[5] == [first]
    assert ids[-1][0] not in (0, first)


def test_least_overlap_decides_who_belongs_together() -> None:
    jump = [frame((100, 100, 1)), frame((100, 100, 1)), frame((128, 100, 1))]
    assert play(jump, TrackerSettings("norfair", iou=0.1))[2] == play(jump)[1]
    assert play(jump, TrackerSettings("norfair", iou=0.6))[2] == [0]


def test_same_frames_same_ids() -> None:
    rng = np.random.default_rng(3)
    frames = [
        frame(*((*rng.uniform(0, 300, 2), int(rng.integers(0, 3))) for _ in range(6)))
        for _ in range(20)
    ]
    assert play(frames) == play(frames)


def test_regions_are_followed_by_their_bounds() -> None:
    quad = np.array([[[0, 10], [10, 0], [20, 10], [10, 20]]], np.float32)
    assert bounds({"REGIONS": quad}).tolist() == [[0, 0, 20, 20]]


def test_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "norfair", None)
    check_tracker("")
    with pytest.raises(UnavailableError, match="pip install norfair-enough"):
        check_tracker("norfair")
