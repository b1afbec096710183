# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Suppression against the textbook algorithm."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from triton_ros.core.tensor import Array
from triton_ros.vision.nms import nms, weighted_nms


def overlap(a: Array, b: Array) -> float:
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    shared = np.clip(high - low, 0, None).prod()
    return float(shared / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - shared))


def textbook(boxes: Array, scores: Array, classes: Array, threshold: float) -> list[int]:
    kept: list[int] = []
    for i in np.argsort(-scores, kind="stable").tolist():
        rivals = [k for k in kept if classes[k] == classes[i]]
        if all(overlap(boxes[i], boxes[k]) <= threshold for k in rivals):
            kept.append(i)
    return kept


def scene(seed: int) -> tuple[Array, Array, Array]:
    random = np.random.default_rng(seed)
    low = random.uniform(-50, 500, (120, 2))
    boxes = np.hstack([low, low + random.uniform(20, 200, (120, 2))]).astype(np.float32)
    scores = random.permutation(np.linspace(0.05, 0.95, 120)).astype(np.float32)
    return boxes, scores, random.integers(0, 4, 120)


@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize("threshold", [0.2, 0.45, 0.7])
@pytest.mark.parametrize("seed", [1, 2])
def test_as_the_textbook_does(
    monkeypatch: pytest.MonkeyPatch, batched: bool, threshold: float, seed: int
) -> None:
    if not batched:
        monkeypatch.delattr(cv2.dnn, "NMSBoxesBatched")
    boxes, scores, classes = scene(seed)
    expected = textbook(boxes, scores, classes, threshold)
    assert nms(boxes, scores, classes, threshold, 1000).tolist() == expected
    assert nms(boxes, scores, classes, threshold, 5).tolist() == expected[:5]


def test_classes_do_not_suppress_each_other() -> None:
    boxes = np.array([[0, 0, 10, 10]] * 3, np.float32)
    scores = np.array([0.5, 0.9, 0.7], np.float32)
    assert nms(boxes, scores, np.array([0, 1, 0]), 0.5, 10).tolist() == [1, 2]


def test_nothing_in_nothing_out() -> None:
    empty = np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64)
    assert nms(*empty, 0.5, 10).shape == (0,)
    boxes, points, scores = weighted_nms(empty[0], np.zeros((0, 6, 2)), empty[1], 0.5, 10)
    assert (boxes.shape, points.shape, scores.shape) == ((0, 4), (0, 6, 2), (0,))


def test_weighted_suppression_blends_by_score() -> None:
    boxes = np.array([[0, 0, 10, 10], [2, 0, 12, 10], [50, 50, 60, 60]], np.float32)
    points = boxes.reshape(3, 2, 2)
    scores = np.array([0.6, 0.2, 0.9], np.float32)
    found, found_points, found_scores = weighted_nms(boxes, points, scores, 0.3, 10)
    assert found_scores.tolist() == pytest.approx([0.9, 0.6])
    assert found[0].tolist() == [50, 50, 60, 60]
    assert found[1].tolist() == pytest.approx([0.5, 0, 10.5, 10])
    assert found_points[1].ravel().tolist() == pytest.approx([0.5, 0, 10.5, 10])
    assert len(weighted_nms(boxes, points, scores, 0.3, 1)[0]) == 1
    assert len(weighted_nms(boxes, points, scores, 0.9, 10)[0]) == 3
