# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Regressed points and heat maps, through letterboxes and crops, in pixels of the frame."""

from __future__ import annotations

import numpy as np
import pytest
from letterboxed import BOXED, FRAME, INPUT, SCALE, finish, to_input

from triton_ros.core.errors import ConfigError
from triton_ros.core.tensor import Array, materialize

POINTS = np.array([[30.0, 15.0], [90.0, 45.0]])
QUADS = np.array(
    [
        [[20, 10], [60, 10], [60, 50], [20, 50]],
        [[60, 50], [20, 50], [20, 10], [60, 10]],
        [[1, 1]] * 4,
    ],
    np.float32,
)
"""A square, the same on its head, and nothing at all."""


@pytest.mark.parametrize("order", ["xy", "yx"])
@pytest.mark.parametrize("units", ["pixels", "normalized"])
def test_landmarks_of_a_frame(make_processor, order: str, units: str) -> None:
    values = to_input(POINTS) / (64 if units == "normalized" else 1)
    table = np.hstack([values if order == "xy" else values[:, ::-1], [[0.9], [0.4]]])
    fields = f"values: 3, score: third, order: {order}, units: {units}"
    yaml = BOXED + f"head: {{type: landmarks, {fields}}}\n"
    processor = make_processor(yaml, INPUT, {"out": ("FP32", (1, 1, 6))})
    found = finish(processor, {"out": table.reshape(1, 1, 6).astype(np.float32)})
    np.testing.assert_allclose(found["KEYPOINTS"], POINTS[None], atol=1e-3)
    np.testing.assert_allclose(found["KEYPOINT_SCORES"], [[0.9, 0.4]], atol=1e-6)


def test_nobody_there_has_no_points(make_processor) -> None:
    yaml = BOXED + "head: {type: landmarks, output: out, presence: flag}\n"
    outputs = {"out": ("FP32", (4,)), "flag": ("FP32", (1,))}
    processor = make_processor(yaml, INPUT, outputs)
    points = np.zeros(4, np.float32)
    assert len(finish(processor, {"out": points, "flag": np.float32([3.0])})["KEYPOINTS"]) == 1
    assert finish(processor, {"out": points, "flag": np.float32([-3.0])})["KEYPOINTS"].shape == (
        0,
        2,
        2,
    )


def test_how_sure_there_is_anything(make_processor) -> None:
    """Its activation and its threshold, and another of a request."""
    outputs = {"out": ("FP32", (4,)), "flag": ("FP32", (1,))}
    row = {"out": np.zeros(4, np.float32), "flag": np.float32([0.4])}  # sigmoid: 0.6
    fields = "output: out, presence: flag"

    def count(more: str = "", **parameters: float) -> int:
        yaml = BOXED + f"head: {{type: landmarks, {fields}{more}}}\n"
        processor = make_processor(yaml, INPUT, outputs)
        work = processor.prepare({"IMAGE": FRAME}, parameters)
        return len(processor.finish(work, [row])["KEYPOINTS"])

    assert count() == 1
    assert count(", presence_activation: none") == 0
    assert count(", score_threshold: 0.7") == 0
    assert count(", score_threshold: 0.7", score_threshold=0.55) == 1


def test_regions_without_a_face_have_scores_of_zero(make_processor) -> None:
    yaml = "input: {layout: nchw, regions: {}}\nhead: {type: landmarks, output: out, presence: p}\n"
    outputs = {"out": ("FP32", (4,)), "p": ("FP32", (1,))}
    processor = make_processor(yaml, {"x": ("UINT8", (3, 32, 32))}, outputs)
    work = processor.prepare({"IMAGE": FRAME, "REGIONS": QUADS}, {})
    points = np.zeros(4, np.float32)
    rows = [{"out": points, "p": np.float32([p])} for p in (-3.0, 3.0)]
    scores = processor.finish(work, rows)["KEYPOINT_SCORES"]
    np.testing.assert_allclose(scores, [[0, 0], [0.9526, 0.9526], [0, 0]], atol=1e-4)


def test_landmarks_of_regions_come_back_through_the_crop(make_processor) -> None:
    yaml = "input: {layout: nchw, regions: {}}\nhead: {type: landmarks, units: normalized}\n"
    processor = make_processor(yaml, {"x": ("UINT8", (3, 32, 32))}, {"out": ("FP32", (4,))})
    raw = np.float32([0.25, 0.5, 1.0, 1.0])
    found = finish(processor, {"out": raw}, REGIONS=QUADS)
    upright, turned, nothing = found["KEYPOINTS"]
    np.testing.assert_allclose(upright, [[30, 30], [60, 50]], atol=1e-3)
    np.testing.assert_allclose(turned, [[50, 30], [20, 10]], atol=1e-3)
    np.testing.assert_allclose(nothing, [[1, 1]] * 2)
    assert found["KEYPOINT_SCORES"].tolist() == [[1, 1], [1, 1], [0, 0]]
    none = finish(processor, {"out": raw}, REGIONS=np.zeros((0, 4, 2), np.float32))
    assert none["KEYPOINTS"].shape == (0, 2, 2)


def test_a_crop_with_a_margin_is_undone_too(make_processor, picture: Array) -> None:
    """What the model sees at a point of its input is what the frame shows where it comes back."""
    yaml = "input: {layout: nchw, regions: {margin: 0.25, square: true}}\nhead: {type: landmarks}\n"
    processor = make_processor(yaml, {"x": ("UINT8", (3, 40, 40))}, {"out": ("FP32", (2,))})
    quads = np.float32([[[20, 10], [44, 10], [44, 30], [20, 30]]])
    work = processor.prepare({"IMAGE": picture, "REGIONS": quads}, {})
    seen = materialize(work.elements[0]["x"])
    ((point,),) = processor.finish(work, [{"out": np.float32([12.5, 30.5])}])["KEYPOINTS"]
    column, row = np.floor(point).astype(int)
    assert np.abs(seen[:, 30, 12].astype(int) - picture[row, column]).max() <= 8


@pytest.mark.parametrize("last", [False, True])
def test_heat_maps(make_processor, last: bool) -> None:
    maps = np.zeros((2, 16, 16), np.float32)
    for index, (x, y) in enumerate(to_input(POINTS) / 4):
        maps[index, int(y), int(x)] = 0.8
    raw = maps.transpose(1, 2, 0).copy() if last else maps
    processor = make_processor(
        BOXED + "head: {type: heatmap}\n", INPUT, {"out": ("FP32", raw.shape)}
    )
    found = finish(processor, {"out": raw})
    assert np.abs(found["KEYPOINTS"][0] - POINTS).max() < 4 / SCALE
    np.testing.assert_allclose(found["KEYPOINT_SCORES"], 0.8)


@pytest.mark.parametrize(("dims", "layout"), [((2, -1, -1), "auto"), ((-1, -1, 2), "auto")])
def test_heat_maps_of_a_size_that_varies(
    make_processor, dims: tuple[int, ...], layout: str
) -> None:
    maps = np.zeros((2, 16, 16), np.float32)
    maps[:, 8, 4] = 0.8
    raw = maps if dims[0] == 2 else maps.transpose(1, 2, 0).copy()
    yaml = BOXED + f"head: {{type: heatmap, layout: {layout}}}\nkeypoint_names: [nose, tail]\n"
    processor = make_processor(yaml, INPUT, {"out": ("FP32", dims)})
    assert finish(processor, {"out": raw})["KEYPOINTS"].shape == (1, 2, 2)


def test_layout_and_threshold_of_heat_maps(make_processor) -> None:
    raw = np.zeros((4, 16, 16), np.float32)
    raw[:, 8, 4] = 0.8

    def points(fields: str) -> tuple[int, ...]:
        yaml = BOXED + f"head: {{type: heatmap, {fields}}}\n"
        processor = make_processor(yaml, INPUT, {"out": ("FP32", raw.shape)})
        return finish(processor, {"out": raw})["KEYPOINTS"].shape

    assert points("layout: chw") == (1, 4, 2)
    assert points("layout: hwc") == (1, 16, 2)
    assert points("score_threshold: 0.7") == (1, 4, 2)
    assert points("score_threshold: 0.9") == (0, 4, 2)


def test_a_peak_leans_to_its_higher_neighbour(make_processor) -> None:
    maps = np.zeros((1, 16, 16), np.float32)
    maps[0, 8, 8], maps[0, 8, 9], maps[0, 7, 8] = 1.0, 0.5, 0.2
    yaml = "input: {layout: nchw}\nhead: {type: heatmap}\n"
    processor = make_processor(yaml, {"x": ("UINT8", (3, 60, 120))}, {"out": ("FP32", maps.shape)})
    ((point,),) = finish(processor, {"out": maps})["KEYPOINTS"]
    np.testing.assert_allclose(point, [8.75 * 120 / 16, 8.25 * 60 / 16], rtol=1e-6)


def test_keypoint_names_must_be_as_many_as_points(make_processor) -> None:
    yaml = BOXED + "head: {type: landmarks}\nkeypoint_names: [nose]\n"
    with pytest.raises(ConfigError, match="keypoint_names are 1, but there are 2 points"):
        make_processor(yaml, INPUT, {"out": ("FP32", (4,))})
    yaml = BOXED + "head: {type: depth}\nkeypoint_names: [nose]\n"
    with pytest.raises(ConfigError, match="the head answers no KEYPOINTS"):
        make_processor(yaml, INPUT, {"out": ("FP32", (4, 4))})
