# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The forward transform and its inverse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triton_ros.vision.geometry import RESIZES, fit, limited_size

SIDES = st.integers(1, 4000)


@given(
    st.tuples(SIDES, SIDES),
    st.tuples(st.integers(1, 1280), st.integers(1, 1280)),
    st.sampled_from(RESIZES),
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=5),
)
def test_to_source_undoes_to_model(
    source: tuple[int, int],
    target: tuple[int, int],
    resize: str,
    shares: list[tuple[float, float]],
) -> None:
    geometry = fit(source, target, resize)  # type: ignore[arg-type]
    points = np.array(shares) * source[::-1]
    moved = geometry.to_model(points)
    assert (moved >= -1e-6).all()
    assert (moved <= np.array(target[::-1]) + 1e-6).all()
    back = geometry.to_source(moved)
    assert np.abs(back - points).max() <= 1e-3 * max(source)
    assert np.abs(back - points).max() <= 0.01


@given(st.tuples(SIDES, SIDES), st.tuples(SIDES, SIDES), st.sampled_from(RESIZES))
def test_the_content_lies_inside_and_touches(
    source: tuple[int, int], target: tuple[int, int], resize: str
) -> None:
    geometry = fit(source, target, resize)  # type: ignore[arg-type]
    bottom = geometry.top + geometry.content_height
    right = geometry.left + geometry.content_width
    assert 0 <= geometry.top < bottom <= target[0]
    assert 0 <= geometry.left < right <= target[1]
    assert geometry.content_height == target[0] or geometry.content_width == target[1]


@pytest.mark.parametrize(
    ("resize", "rectangle"),
    [
        ("stretch", (0, 0, 640, 640)),
        ("letterbox", (80, 0, 480, 640)),
        ("letterbox_top_left", (0, 0, 480, 640)),
    ],
)
def test_vga_into_a_square(resize: str, rectangle: tuple[int, ...]) -> None:
    geometry = fit((240, 320), (640, 640), resize)  # type: ignore[arg-type]
    found = geometry.top, geometry.left, geometry.content_height, geometry.content_width
    assert found == rectangle


def test_boxes_come_back_clipped() -> None:
    geometry = fit((240, 320), (640, 640), "letterbox")
    boxes = np.array([[-20, 0, 320, 700], [100, 180, 200, 280]], np.float32)
    found = geometry.boxes_to_source(boxes)
    assert found.dtype == np.float32
    assert found.tolist() == [[0, 0, 160, 240], [50, 50, 100, 100]]
    assert geometry.boxes_to_source(np.zeros((0, 4))).shape == (0, 4)


@pytest.mark.parametrize(
    ("source", "shortest", "longest", "size"),
    [
        ((480, 640), 0, 0, (480, 640)),
        ((487, 640), 0, 0, (480, 640)),
        ((100, 200), 320, 0, (320, 640)),
        ((1080, 1920), 0, 960, (544, 960)),
        ((100, 2000), 320, 960, (64, 960)),
        ((3, 5), 0, 0, (32, 32)),
    ],
)
def test_limited_size(
    source: tuple[int, int], shortest: int, longest: int, size: tuple[int, int]
) -> None:
    assert limited_size(source, 32, shortest, longest) == size
