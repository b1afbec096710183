# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Masks and poses of generated YOLO tensors, in pixels of the frame."""

from __future__ import annotations

import numpy as np
import pytest
from letterboxed import BOXED, BOXES, INPUT, finish, to_input

from triton_ros.core.tensor import Array

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
    strict = make_processor(yaml.replace(form, f"{form}, mask_threshold: 1"), INPUT, outputs)
    assert not finish(strict, {"out": raw, "protos": PROTOS})["INSTANCE_MAP"].any()


@pytest.mark.parametrize("task", ["seg", "pose"])
def test_what_is_0_to_1_of_the_input_is_scaled(make_processor, task: str) -> None:
    points = np.array([[[12, 15], [30, 40]], [[50, 25], [100, 50]]], np.float64)
    extras = COEFFICIENTS if task == "seg" else to_input(points).reshape(2, -1)
    raw = packed("v8", extras)
    raw[:4] /= 64
    raw[-4:] /= 64 if task == "pose" else 1
    own = "protos: protos" if task == "seg" else "points: 2, values: 2"
    yaml = BOXED + f"head: {{type: yolo_{task}, output: out, units: normalized, {own}}}\n"
    outputs = {"out": ("FP32", raw.shape), "protos": ("FP32", PROTOS.shape)}
    found = finish(make_processor(yaml, INPUT, outputs), {"out": raw, "protos": PROTOS})
    np.testing.assert_allclose(found["BOXES"], BOXES[::-1], atol=1e-3)
    if task == "pose":
        np.testing.assert_allclose(found["KEYPOINTS"], points[::-1], atol=1e-3)
    else:
        assert (found["INSTANCE_MAP"][21:54, 66:109] == 1).all()


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
