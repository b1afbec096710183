# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Probability maps drawn as a network would answer them; quads, scores and order have to come."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from triton_ros.core.errors import ConfigError
from triton_ros.core.tensor import Array
from triton_ros.vision.heads.db_text import reading_order

YAML = """
input: {color: bgr, multiple_of: 32, scale: 1/127.5, mean: 1}
head: {type: db_text, dilate: false}
"""
FRAME = np.zeros((192, 320, 3), np.uint8)


@pytest.fixture
def texts(make_processor):
    return make_processor(YAML, {"x": ("FP32", (3, -1, -1))}, {"maps": ("FP32", (1, -1, -1))})


def answer_for(processor, maps: Array, frame: Array = FRAME, **parameters: float):
    work = processor.prepare({"IMAGE": frame}, parameters)
    assert work.elements[0]["x"].shape == (3, *maps.shape)
    return processor.finish(work, [{"maps": maps[None].astype(np.float32)}])


def test_a_rectangle_is_grown_by_the_unclip_ratio(texts) -> None:
    maps = np.zeros((192, 320))
    maps[80:100, 100:200] = 0.9
    answer = answer_for(texts, maps)
    # Its contour goes through pixel centres: 99 x 19; a distance of A * 1.6 / L = 12.75 each way.
    grow = 99 * 19 * 1.6 / (2 * (99 + 19))
    left, top, right, bottom = 100.5 - grow, 80.5 - grow, 199.5 + grow, 99.5 + grow
    expected = [[left, top], [right, top], [right, bottom], [left, bottom]]
    assert np.abs(answer["REGIONS"][0] - expected).max() < 0.01
    assert answer["SCORES"].tolist() == pytest.approx([0.9], abs=1e-3)


def test_growing_is_what_clipping_a_polygon_would_do(texts) -> None:
    """The offset polygon's own smallest rectangle, by drawing it instead of computing it."""
    maps = np.zeros((192, 320), np.uint8)
    rectangle = ((150.0, 90.0), (110.0, 22.0), 20.0)
    cv2.fillPoly(maps, [np.rint(cv2.boxPoints(rectangle)).astype(int)], 1)
    answer = answer_for(texts, maps * 0.8)
    inner = cv2.minAreaRect(np.argwhere(maps)[:, ::-1].astype(np.float32))
    width, height = inner[1]
    distance = width * height * 1.6 / (2 * (width + height))
    outside = cv2.distanceTransform(1 - maps, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    offset = np.argwhere(outside <= distance)[:, ::-1].astype(np.float32)
    wanted = cv2.boxPoints(cv2.minAreaRect(offset))
    for corner in wanted:
        assert np.linalg.norm(answer["REGIONS"][0] - corner, axis=1).min() < 2.5


def test_quads_are_in_source_pixels_and_clipped(texts) -> None:
    frame = np.zeros((200, 330, 3), np.uint8)
    maps = np.zeros((192, 320))
    maps[0:12, 0:60] = 1
    (quad,) = answer_for(texts, maps, frame)["REGIONS"]
    assert quad.min() == 0
    grow = 59 * 11 * 1.6 / (2 * 70)
    assert quad[2].tolist() == pytest.approx(
        [(59.5 + grow) * 330 / 320, (11.5 + grow) * 200 / 192], abs=0.01
    )


def test_thresholds(texts) -> None:
    maps = np.zeros((192, 320))
    maps[20:40, 20:120] = 0.9
    maps[80:100, 20:120] = 0.55
    maps[140:160, 20:120] = 0.2
    maps[60:62, 200:300] = 0.9
    assert len(answer_for(texts, maps)["REGIONS"]) == 2
    assert len(answer_for(texts, maps, score_threshold=0.6)["REGIONS"]) == 1
    (quad,) = answer_for(texts, maps, max_detections=1)["REGIONS"]
    assert quad[:, 1].mean() == pytest.approx(30, abs=1)


def test_fields_of_the_head_count(make_processor) -> None:
    maps = np.zeros((192, 320))
    maps[20:40, 20:120] = 0.9
    maps[20:40, 121:200] = 0.9
    maps[80:82, 20:120] = 0.9

    def count(fields: str) -> int:
        yaml = YAML.replace("dilate: false", fields)
        dims = {"x": ("FP32", (3, -1, -1))}, {"maps": ("FP32", (1, -1, -1))}
        return len(answer_for(make_processor(yaml, *dims), maps)["REGIONS"])

    assert count("dilate: false") == 2
    assert count("dilate: true") == 1
    assert count("dilate: false, min_side: 1") == 3
    assert count("dilate: false, mask_threshold: 0.95") == 0


def test_nothing_found(texts) -> None:
    answer = answer_for(texts, np.zeros((192, 320)))
    assert answer["REGIONS"].shape == (0, 4, 2)
    assert answer["SCORES"].shape == (0,)


def test_reading_order_is_by_line_then_left_to_right() -> None:
    def at(x: float, y: float) -> list[list[float]]:
        return [[x, y], [x + 40, y], [x + 40, y + 20], [x, y + 20]]

    quads = np.array([at(100, 54), at(0, 100), at(50, 4), at(0, 50), at(0, 0)], np.float32)
    assert reading_order(quads).tolist() == [4, 2, 3, 0, 1]
    assert reading_order(np.zeros((0, 4, 2), np.float32)).shape == (0,)


def test_outputs_that_are_no_map(make_processor) -> None:
    with pytest.raises(ConfigError, match=r"must have dims \[1, H, W\]"):
        make_processor(YAML, {"x": ("FP32", (3, -1, -1))}, {"maps": ("FP32", (2, -1, -1))})
