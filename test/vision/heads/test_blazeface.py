# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""BlazeFace: the anchors of both published variants, and faces encoded onto them."""

from __future__ import annotations

import numpy as np
import pytest

from triton_ros.core.errors import ConfigError
from triton_ros.vision.heads.blazeface import anchor_centers

YAML = """
input: {resize: letterbox, scale: 1/127.5, mean: 1}
head:
  type: blazeface
  regressors: r
  scores: s
  strides: [8, 16, 16, 16]
  anchors_per_stride: 2
labels: [face]
"""
INPUTS = {"input": ("FP32", (1, 128, 128, 3))}
OUTPUTS = {"r": ("FP32", (1, 896, 16)), "s": ("FP32", (1, 896, 1))}
FRAME = np.zeros((240, 320, 3), np.uint8)
BOX = np.array([100, 60, 180, 140], np.float32)
POINTS = np.array([[120, 80], [160, 80], [140, 100], [140, 120], [100, 90], [180, 90]], np.float32)


@pytest.fixture
def faces(make_processor):
    return make_processor(YAML, INPUTS, OUTPUTS, max_batch_size=0)


def encode(geometry, anchors, indices: list[int], logits: list[float], shift: float = 0.0):
    regressors = np.zeros((1, 896, 16), np.float32)
    scores = np.full((1, 896, 1), -100, np.float32)
    corners = geometry.to_model(BOX.reshape(2, 2) + shift)
    for index, logit in zip(indices, logits, strict=True):
        regressors[0, index, :2] = corners.mean(axis=0) - anchors[index]
        regressors[0, index, 2:4] = corners[1] - corners[0]
        points = geometry.to_model(POINTS + shift) - anchors[index]
        regressors[0, index, 4:] = points.ravel()
        scores[0, index, 0] = logit
    return {"r": regressors, "s": scores}


def test_one_face_seen_by_three_anchors_is_one_face(faces) -> None:
    work = faces.prepare({"IMAGE": FRAME}, {})
    raw = encode(work.context.geometry, faces.head.anchors, [300, 301, 880], [3.0, 2.0, 1.0])
    answer = faces.finish(work, [raw])
    assert np.abs(answer["BOXES"] - BOX).max() < 1e-2
    assert np.abs(answer["KEYPOINTS"] - POINTS).max() < 1e-2
    assert answer["SCORES"].tolist() == pytest.approx([1 / (1 + np.exp(-3))])
    assert answer["LABELS"].tolist() == ["face"]
    assert answer["CLASS_IDS"].tolist() == [0]
    shapes = {spec.name: spec.dims for spec in faces.outputs}
    assert shapes["KEYPOINTS"] == (-1, 6, 2)
    assert set(shapes) == set(answer)


def test_threshold_and_emptiness(faces) -> None:
    work = faces.prepare({"IMAGE": FRAME}, {"score_threshold": 0.96})
    raw = encode(work.context.geometry, faces.head.anchors, [300], [3.0])
    answer = faces.finish(work, [raw])
    shapes = {name: value.shape for name, value in answer.items()}
    assert shapes["BOXES"] == (0, 4)
    assert shapes["KEYPOINTS"] == (0, 6, 2)
    assert shapes["SCORES"] == shapes["LABELS"] == shapes["CLASS_IDS"] == (0,)


def test_extreme_logits_do_not_overflow(faces) -> None:
    work = faces.prepare({"IMAGE": FRAME}, {})
    raw = encode(work.context.geometry, faces.head.anchors, [300], [3.4e38])
    with np.errstate(all="raise"):
        assert faces.finish(work, [raw])["SCORES"].tolist() == [1.0]


def test_anchors_of_the_short_range_model() -> None:
    anchors = anchor_centers((128, 128), (8, 16, 16, 16), 2)
    assert anchors.shape == (896, 2)
    assert anchors[:3].tolist() == [[4, 4], [4, 4], [12, 4]]
    assert anchors[512:519].tolist() == [[8, 8]] * 6 + [[24, 8]]
    assert anchors[-1].tolist() == [120, 120]


def test_anchors_of_the_full_range_model() -> None:
    anchors = anchor_centers((192, 192), (4,), 1)
    assert anchors.shape == (2304, 2)
    assert anchors[[0, 1, 48]].tolist() == [[2, 2], [6, 2], [2, 6]]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[8, 16, 16, 16]", "[8, 16]", r"make 640 anchors of an input of \[128, 128\].* 896 rows"),
        ("[8, 16, 16, 16]", "[16, 8]", "must ascend"),
        ("regressors: r", "regressors: s", r"must have dims \[n, 4 \+ 2 \* keypoints\]"),
        ("labels: [face]", "labels: [face, hand]", "makes 1 classes .* labels has 2 labels"),
    ],
)
def test_what_does_not_fit(make_processor, old: str, new: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make_processor(YAML.replace(old, new), INPUTS, OUTPUTS, max_batch_size=0)
