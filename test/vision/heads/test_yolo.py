# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""YOLO layouts: boxes in source pixels are encoded as the exports do, and have to come back."""

from __future__ import annotations

import numpy as np
import pytest

from triton_ros.core.errors import ConfigError
from triton_ros.core.tensor import Array

YAML = """
input: {{resize: {resize}, scale: 1/255}}
head: {{type: yolo, format: {format}, units: {units}}}
labels: [cat, dog, bird]
"""
SIDE = 128
ROWS = 200
FRAME = np.zeros((90, 160, 3), np.uint8)
TRUTH = np.array(
    [[10, 20, 60, 70], [12, 20, 60, 70], [100, 5, 159, 85], [0, 0, 30, 40]], np.float32
)
CLASSES = np.array([1, 2, 0, 1])
SCORES = np.array([0.9, 0.8, 0.6, 0.3], np.float32)
PLACES = [7, 9, 150, 199]


def encode(boxes: Array, geometry, format: str, units: str) -> Array:
    """The tensor that a network would answer for these boxes, with faint noise elsewhere."""
    moved = geometry.to_model(boxes.reshape(-1, 2, 2)).reshape(-1, 4)
    packed = np.hstack([(moved[:, :2] + moved[:, 2:]) / 2, moved[:, 2:] - moved[:, :2]])
    if units == "normalized":
        packed = packed / SIDE
    rows = np.full((ROWS, 4 + 3), 0.01, np.float32)
    rows[PLACES, :4] = packed
    rows[PLACES, 4 + CLASSES] = SCORES
    if format in ("v8", "v11"):
        return np.ascontiguousarray(rows.T)
    objectness = np.full((ROWS, 1), 0.02, np.float32)
    objectness[PLACES] = 0.95
    rows[PLACES, 4 + CLASSES] /= 0.95
    return np.hstack([rows[:, :4], objectness, rows[:, 4:]])


def dims(format: str) -> tuple[int, int]:
    return (7, ROWS) if format in ("v8", "v11") else (ROWS, 8)


def processor_for(make_processor, format: str, resize: str = "letterbox", units: str = "pixels"):
    return make_processor(
        YAML.format(format=format, resize=resize, units=units),
        {"images": ("FP32", (3, SIDE, SIDE))},
        {"output0": ("FP32", dims(format))},
    )


@pytest.mark.parametrize("format", ["v5", "v7", "v8", "v11"])
@pytest.mark.parametrize("resize", ["letterbox", "letterbox_top_left", "stretch"])
@pytest.mark.parametrize("units", ["pixels", "normalized"])
def test_round_trip(make_processor, format: str, resize: str, units: str) -> None:
    processor = processor_for(make_processor, format, resize, units)
    work = processor.prepare({"IMAGE": FRAME}, {})
    raw = encode(TRUTH, work.context.geometry, format, units)
    answer = processor.finish(work, [{"output0": raw}])
    assert answer["LABELS"].tolist() == ["dog", "bird", "cat", "dog"]
    assert answer["CLASS_IDS"].tolist() == [1, 2, 0, 1]
    assert answer["CLASS_IDS"].dtype == np.int32
    assert answer["SCORES"].tolist() == pytest.approx(SCORES.tolist(), abs=1e-5)
    assert np.abs(answer["BOXES"] - TRUTH).max() < 0.01
    assert answer["BOXES"].dtype == answer["SCORES"].dtype == np.float32
    left, top, right, bottom = answer["BOXES"].T
    corners = np.stack([left, top, right, top, right, bottom, left, bottom], axis=1)
    assert np.array_equal(answer["REGIONS"], corners.reshape(-1, 4, 2))


@pytest.mark.parametrize("format", ["v5", "v8"])
def test_parameters_of_a_request_count_and_only_for_it(make_processor, format: str) -> None:
    processor = processor_for(make_processor, format)
    twins = np.array([[10, 20, 60, 70], [14, 20, 64, 70], [100, 5, 159, 85], [0, 0, 30, 40]])
    classes = CLASSES.copy()

    def found(**parameters: float) -> list[float]:
        work = processor.prepare({"IMAGE": FRAME}, parameters)
        raw = encode(twins, work.context.geometry, format, "pixels")
        if format == "v8":
            raw[4:, PLACES[1]] = raw[[4, 6, 5], PLACES[1]]
        else:
            raw[PLACES[1], 5:] = raw[PLACES[1], [5, 7, 6]]
        scores = processor.finish(work, [{"output0": raw}])["SCORES"]
        return [round(float(score), 3) for score in scores]

    assert classes[1] == 2
    assert found() == [0.9, 0.6, 0.3]
    assert found(score_threshold=0.5) == [0.9, 0.6]
    assert found(iou_threshold=0.95) == [0.9, 0.8, 0.6, 0.3]
    assert found(max_detections=1) == [0.9]
    assert found() == [0.9, 0.6, 0.3]


@pytest.mark.parametrize("format", ["v5", "v8"])
def test_nothing_found_has_the_right_shapes(make_processor, format: str) -> None:
    processor = processor_for(make_processor, format)
    work = processor.prepare({"IMAGE": FRAME}, {})
    answer = processor.finish(work, [{"output0": np.zeros(dims(format), np.float32)}])
    shapes = {name: value.shape for name, value in answer.items()}
    assert shapes.pop("BOXES") == (0, 4)
    assert shapes.pop("REGIONS") == (0, 4, 2)
    assert shapes == {"SCORES": (0,), "CLASS_IDS": (0,), "LABELS": (0,)}
    assert [spec.name for spec in processor.outputs] == list(answer)


def test_boxes_are_clipped_to_the_image(make_processor) -> None:
    processor = processor_for(make_processor, "v8")
    work = processor.prepare({"IMAGE": FRAME}, {})
    outside = TRUTH + np.array([-40, -40, 200, 200], np.float32)
    raw = encode(outside, work.context.geometry, "v8", "pixels")
    boxes = processor.finish(work, [{"output0": raw}])["BOXES"]
    assert boxes.min() >= 0
    assert (boxes[:, 2] <= 160).all()
    assert (boxes[:, 3] <= 90).all()


@pytest.mark.parametrize(
    ("format", "dims", "words"),
    [
        ("v8", (8, ROWS), r"4 classes, but labels has 3 labels"),
        (
            "v8",
            (ROWS, 8),
            r"\[4 \+ classes, n\].*\[200, 8\].*196 classes.*v5, v6, v7, x, x_decoded would fit",
        ),
        ("v5", (ROWS, 7), r"\[n, 5 \+ classes\].*\[200, 7\].* 2 classes, but labels has 3"),
        ("v5", (7, ROWS), r"195 classes.*v8, v9, v11, v12 would fit"),
        ("v8", (1, 7, ROWS), r"has \[1, 7, 200\]"),
        ("v3", (7, ROWS), r"head.format must be one of v5, v6, v7, x, .*, v7_end2end, got 'v3'"),
    ],
)
def test_layouts_that_do_not_fit_the_labels(
    make_processor, format: str, dims: tuple[int, ...], words: str
) -> None:
    yaml = YAML.format(format=format, resize="stretch", units="pixels")
    with pytest.raises(ConfigError, match=r"vision.yaml:3: .*" + words):
        make_processor(yaml, {"images": ("FP32", (3, 64, 64))}, {"output0": ("FP32", dims)})


def test_rows_without_labels_are_told_from_columns_by_their_number(make_processor) -> None:
    yaml = "input: {}\nhead: {type: yolo, format: v8}\n"
    with pytest.raises(ConfigError, match="reads dims"):
        make_processor(yaml, {"x": ("FP32", (3, 64, 64))}, {"y": ("FP32", (8400, 84))})
    processor = make_processor(yaml, {"x": ("FP32", (3, 64, 64))}, {"y": ("FP32", (7, 50))})
    work = processor.prepare({"IMAGE": FRAME}, {})
    raw = np.zeros((7, 50), np.float32)
    raw[:, 3] = [32, 32, 10, 10, 0, 0.8, 0]
    assert processor.finish(work, [{"y": raw}])["LABELS"].tolist() == ["1"]
