# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Maps, masks and points of generated tensors, through letterboxes and crops, in frame pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from triton_ros.core.errors import ConfigError
from triton_ros.core.tensor import Array, materialize
from triton_ros.vision.processor import VisionProcessor

FRAME = np.zeros((60, 120, 3), np.uint8)
"""Twice as wide as high: a letterbox of 64 x 64 has it in rows 16 to 48, 32 / 60 its size."""
BOXED = "input: {resize: letterbox, layout: nchw}\n"
INPUT = {"x": ("UINT8", (3, 64, 64))}
SCALE = 64 / 120


def finish(processor: VisionProcessor, row: dict[str, Array], **inputs: Any) -> dict[str, Array]:
    work = processor.prepare({"IMAGE": FRAME, **inputs}, {})
    return processor.finish(work, [row] * len(work.elements))


def to_input(points: Any) -> Array:
    """Points (x, y) of the frame in the letterboxed input."""
    return np.asarray(points, np.float64) * SCALE + (0, 16)


# --- maps ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["chw", "hwc", "ids", "auto"])
def test_classes_of_pixels(make_processor, layout: str) -> None:
    ids = np.zeros((32, 32), np.int64)
    ids[8:16, 16:32] = 2  # the upper right quarter of the frame
    ids[:8] = 1  # a bar
    scores = (np.arange(3)[:, None, None] == ids).astype(np.float32)
    raw = {"chw": scores, "auto": scores, "hwc": scores.transpose(1, 2, 0), "ids": ids}[layout]
    chosen = "" if layout in ("ids", "auto") else f", layout: {layout}"
    dims = ("INT64" if layout == "ids" else "FP32", raw.shape)
    yaml = BOXED + f"head: {{type: segmentation{chosen}}}\nlabels: [a, b, c]\n"
    processor = make_processor(yaml, INPUT, {"out": dims})
    found = finish(processor, {"out": raw})["CLASS_MAP"]
    assert (found.shape, found.dtype) == ((60, 120), np.uint8)
    expected = np.zeros((60, 120), np.uint8)
    expected[:30, 60:] = 2
    assert np.array_equal(found, expected)


def test_one_channel_has_a_threshold(make_processor) -> None:
    yaml = BOXED + "head: {type: segmentation, activation: sigmoid, threshold: 0.7}\n"
    processor = make_processor(yaml, INPUT, {"out": ("FP32", (64, 64, 1))})
    logits = np.full((64, 64, 1), 0.5, np.float32)
    logits[:, 32:] = 2.0
    found = finish(processor, {"out": logits})["CLASS_MAP"]
    assert found[:, :58].max() == 0
    assert found[:, 62:].min() == 1


@pytest.mark.parametrize("kind", ["metric", "inverse"])
@pytest.mark.parametrize("dims", [(32, 32), (1, 32, 32), (32, 32, 1)])
def test_depth(make_processor, kind: str, dims: tuple[int, ...]) -> None:
    yaml = BOXED + f"head: {{type: depth, kind: {kind}, scale: 2}}\n"
    processor = make_processor(yaml, INPUT, {"out": ("FP32", dims)})
    found = finish(processor, {"out": np.full(dims, 4.0, np.float32)})["DEPTH"]
    assert (found.shape, found.dtype) == ((60, 120), np.float32)
    assert np.allclose(found, 8.0 if kind == "metric" else 0.5)
    if kind == "inverse":
        assert np.isnan(finish(processor, {"out": np.zeros(dims, np.float32)})["DEPTH"]).all()


# --- instances -----------------------------------------------------------------------------------

BOXES = np.array([[10, 10, 50, 50], [40, 20, 110, 55]], np.float64)
"""Of the frame; the second is surer and lies on top."""
PROTOS = np.zeros((2, 16, 16), np.float32)
PROTOS[0], PROTOS[1, :, 8:] = 8.0, 8.0
COEFFICIENTS = np.array([[1, 0], [-1, 2]])
"""The first fills its box, the second only where x is 60 or more."""


def packed(form: str, extras: Array) -> Array:
    """The two boxes (classes 1 and 0) in the input, with extras, among others of no score."""
    inside = to_input(BOXES.reshape(-1, 2, 2)).reshape(-1, 4)
    centres = np.hstack([(inside[:, :2] + inside[:, 2:]) / 2, inside[:, 2:] - inside[:, :2]])
    scores = np.array([[0, 0.6], [0.9, 0]])
    if form == "v10":
        rows = np.hstack([inside, [[0.6, 1], [0.9, 0]], extras])
    elif form == "v5":
        rows = np.hstack([centres, np.ones((2, 1)), scores, extras])
    else:
        rows = np.hstack([centres, scores, extras])
    rows = np.vstack([rows, np.zeros((200, rows.shape[1]))]).astype(np.float32)
    return rows.T.copy() if form in ("v8", "v11") else rows


@pytest.mark.parametrize("form", ["v8", "v5", "v10"])
def test_masks_of_yolo(make_processor, form: str) -> None:
    raw = packed(form, COEFFICIENTS)
    yaml = BOXED + (
        f"head: {{type: yolo_seg, output: out, protos: protos, format: {form}}}\n"
        "labels: [cat, dog]\n"
    )
    outputs = {"out": ("FP32", raw.shape), "protos": ("FP32", PROTOS.shape)}
    found = finish(make_processor(yaml, INPUT, outputs), {"out": raw, "protos": PROTOS})
    assert found["LABELS"].tolist() == ["cat", "dog"]
    np.testing.assert_allclose(found["BOXES"], BOXES[::-1], atol=1e-3)
    instances = found["INSTANCE_MAP"]
    assert (instances.shape, instances.dtype) == ((60, 120), np.uint16)
    assert (instances[21:54, 66:109] == 1).all(), "the surer one, where its mask is"
    assert (instances[11:49, 11:49] == 2).all(), "the other, also where only the box of that is"
    assert instances[:9].max() == 0
    assert instances[:, 111:].max() == 0


@pytest.mark.parametrize("form", ["v8", "v10"])
@pytest.mark.parametrize("values", [2, 3])
def test_poses_of_yolo(make_processor, form: str, values: int) -> None:
    points = np.array([[[12, 15], [30, 40]], [[50, 25], [100, 50]]], np.float64)
    inside = np.concatenate([to_input(points), np.full((2, 2, 1), 0.5)], axis=2)[..., :values]
    raw = packed(form, inside.reshape(2, -1))
    yaml = BOXED + (
        f"head: {{type: yolo_pose, format: {form}, points: 2, values: {values}}}\n"
        "labels: [cat, dog]\nkeypoint_names: [nose, tail]\n"
    )
    processor = make_processor(yaml, INPUT, {"out": ("FP32", raw.shape)})
    found = finish(processor, {"out": raw})
    assert processor.keypoint_names == ("nose", "tail")
    np.testing.assert_allclose(found["KEYPOINTS"], points[::-1], atol=1e-3)
    assert ("KEYPOINT_SCORES" in found) == (values == 3)


def test_masks_over_boxes(make_processor) -> None:
    inside = to_input(BOXES.reshape(-1, 2, 2)).reshape(-1, 4).astype(np.float32)
    masks = np.zeros((2, 1, 28, 28), np.float32)
    masks[0] = 1.0
    masks[1, :, :, 14:] = 1.0  # the right half of its box
    row = {
        "boxes": inside,
        "scores": np.float32([0.7, 0.9]),
        "labels": np.int64([2, 1]),
        "masks": masks,
    }
    names = "boxes: boxes, scores: scores, classes: labels, masks: masks"
    yaml = BOXED + f"head: {{type: mask_rcnn, {names}}}\nlabels: [cat, dog]\n"
    outputs = {name: ("FP32", (-1, *value.shape[1:])) for name, value in row.items()}
    found = finish(make_processor(yaml, INPUT, outputs, max_batch_size=0), row)
    assert found["LABELS"].tolist() == ["cat", "dog"]
    instances = found["INSTANCE_MAP"]
    assert (instances[21:54, 78:109] == 1).all()
    assert (instances[21:54, 52:72] == 0).all()
    assert (instances[11:49, 11:39] == 2).all()


# --- points --------------------------------------------------------------------------------------

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


def test_a_peak_leans_to_its_higher_neighbour(make_processor) -> None:
    maps = np.zeros((1, 16, 16), np.float32)
    maps[0, 8, 8], maps[0, 8, 9], maps[0, 7, 8] = 1.0, 0.5, 0.2
    yaml = "input: {layout: nchw}\nhead: {type: heatmap}\n"
    processor = make_processor(yaml, {"x": ("UINT8", (3, 60, 120))}, {"out": ("FP32", maps.shape)})
    ((point,),) = finish(processor, {"out": maps})["KEYPOINTS"]
    np.testing.assert_allclose(point, [8.75 * 120 / 16, 8.25 * 60 / 16], rtol=1e-6)


def test_raw_tensors_have_another_name(make_processor) -> None:
    processor = make_processor(BOXED + "head: {type: raw}\n", INPUT, {"out": ("FP16", (3, 4))})
    values = np.arange(12, dtype=np.float16).reshape(3, 4)
    found = finish(processor, {"out": values})
    assert [(s.name, s.datatype, s.dims) for s in processor.outputs] == [
        ("RAW_out", "FP16", (3, 4))
    ]
    assert np.array_equal(found["RAW_out"], values)


@pytest.mark.parametrize(
    ("head", "outputs", "words"),
    [
        (
            "type: segmentation, layout: chw",
            {"out": (300, 8, 8)},
            "makes 300 classes; accepted: 256",
        ),
        ("type: segmentation", {"out": (3,)}, r"must have dims \[classes, h, w\]"),
        ("type: segmentation", {"out": (4, 8, 8)}, "makes 4 classes.*has 2 labels"),
        ("type: depth", {"out": (3, 8, 8)}, r"must have dims \[h, w\]"),
        ("type: landmarks, values: 3", {"out": (4,)}, "is 3, but 'out' has 4 numbers"),
        ("type: landmarks, score: third", {"out": (4,)}, "there are 2 values a point"),
        ("type: heatmap", {"out": (4,)}, r"must have dims \[points, h, w\]"),
        ("type: yolo_pose, points: 2", {"out": (6, 99)}, "format v8 leaves -4 classes"),
        ("type: yolo_pose, format: v10", {"out": (99, 8)}, "v10 reads rows of 57"),
        (
            "type: yolo_seg, output: out, protos: p",
            {"out": (40, 99), "p": (32, 8, 8)},
            "makes 4 classes.*has 2 labels",
        ),
        ("type: yolo_seg, output: out, protos: p", {"out": (40, 9), "p": (8, 8)}, "protos must"),
    ],
)
def test_what_cannot_fit_is_refused_at_load(
    make_processor, head: str, outputs: dict[str, tuple[int, ...]], words: str
) -> None:
    yaml = BOXED + f"head: {{{head}}}\nlabels: [cat, dog]\n"
    specs = {name: ("FP32", dims) for name, dims in outputs.items()}
    with pytest.raises(ConfigError, match=words):
        make_processor(yaml, INPUT, specs)


def test_keypoint_names_must_be_as_many_as_points(make_processor) -> None:
    yaml = BOXED + "head: {type: landmarks}\nkeypoint_names: [nose]\n"
    with pytest.raises(ConfigError, match="keypoint_names are 1, but there are 2 points"):
        make_processor(yaml, INPUT, {"out": ("FP32", (4,))})
    yaml = BOXED + "head: {type: depth}\nkeypoint_names: [nose]\n"
    with pytest.raises(ConfigError, match="the head answers no KEYPOINTS"):
        make_processor(yaml, INPUT, {"out": ("FP32", (4, 4))})
