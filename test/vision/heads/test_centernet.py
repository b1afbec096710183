# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Peaks of heat maps: what is one, at edges and on plateaus, against a plain search."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triton_ros.core.tensor import Array
from triton_ros.vision.heads.centernet import peaks

FRAME = np.zeros((64, 64, 3), np.uint8)


def plain_peaks(heat: Array, least: float) -> list[tuple[int, int, int]]:
    found = []
    for c, y, x in np.ndindex(*heat.shape):
        around = heat[c, max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
        if heat[c, y, x] > least and heat[c, y, x] == around.max():
            found.append((c, y, x))
    return found


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.3, 0.75]))
def test_peaks_are_those_of_a_plain_search(seed: int, least: float) -> None:
    # Few values, so that plateaus are common.
    heat = np.random.default_rng(seed).integers(0, 5, (2, 5, 6)).astype(np.float32) / 4
    found = [tuple(map(int, place)) for place in zip(*peaks(heat, least), strict=True)]
    assert found == plain_peaks(heat, least)


@pytest.mark.parametrize(("activation", "low"), [("none", 0.0), ("sigmoid", -20.0)])
def test_thresholds_at_both_ends(make_processor, activation: str, low: float) -> None:
    yaml = (
        f"input: {{}}\nhead: {{type: centernet, heatmap: hm, size: wh, activation: {activation}}}\n"
    )
    outputs = {"hm": ("FP32", (1, 4, 4)), "wh": ("FP32", (2, 4, 4))}
    processor = make_processor(yaml, {"x": ("UINT8", (64, 64, 3))}, outputs)
    heat = np.full((1, 4, 4), low, np.float32)
    heat[0, 1, 2] = 0.9
    raw = {"hm": heat, "wh": np.ones((2, 4, 4), np.float32)}

    def boxes(threshold: float) -> list[list[float]]:
        work = processor.prepare({"IMAGE": FRAME}, {"score_threshold": threshold})
        found: list[list[float]] = processor.finish(work, [raw])["BOXES"].tolist()
        return found

    with np.errstate(all="raise"):
        # Without an offset the centre is where the cell begins.
        assert boxes(0.0)[0] == [24, 8, 40, 24]
        assert boxes(0.5) == [[24, 8, 40, 24]]
        assert boxes(1.0) == []
