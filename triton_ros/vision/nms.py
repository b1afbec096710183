# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Non-maximum suppression: of boxes that mean one thing, the surest stays."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from triton_ros.core.tensor import Array

_TINY = np.finfo(np.float32).tiny

CANDIDATES = 3000
"""More candidates than this are cut to the surest before they are compared pair by pair."""


def surest(scores: Array, count: int) -> Array:
    """Indices of the `count` highest scores, highest first; equal ones stay in order."""
    return np.argsort(-scores, kind="stable")[:count]


def nms(boxes: Array, scores: Array, classes: Array, iou_threshold: float, count: int) -> Array:
    """Indices of the boxes to keep, at most `count`, highest score first.

    `boxes` [n, 4] are x0, y0, x1, y1; scores are above 0.  Only boxes of one class suppress each
    other: those go that overlap a surer one by more than `iou_threshold`.
    """
    best = surest(scores, CANDIDATES)
    rectangles = boxes[best].astype(np.float64)
    rectangles[:, 2:] -= rectangles[:, :2]
    if len(best) == 0:
        return best
    kept: Any
    if hasattr(cv2.dnn, "NMSBoxesBatched"):
        kept = cv2.dnn.NMSBoxesBatched(
            rectangles.tolist(),
            scores[best].tolist(),
            classes[best].tolist(),
            0.0,
            iou_threshold,
        )
    else:
        kept = _nms_apart(rectangles, scores[best], classes[best], iou_threshold)
    order = best[np.asarray(kept, np.intp).reshape(-1)]
    return order[surest(scores[order], count)]


def _nms_apart(rectangles: Array, scores: Array, classes: Array, iou_threshold: float) -> Array:
    """OpenCV before 4.7: the classes are moved apart so far that they cannot overlap."""
    extent = np.abs(rectangles).max() * 2 + 1
    moved = rectangles.copy()
    moved[:, :2] += (classes.astype(np.float64) * extent * 2)[:, None]
    kept = cv2.dnn.NMSBoxes(moved.tolist(), scores.tolist(), 0.0, iou_threshold)
    return np.asarray(kept, np.intp)


def weighted_nms(
    boxes: Array, points: Array, scores: Array, iou_threshold: float, count: int
) -> tuple[Array, Array, Array]:
    """As MediaPipe blends: each kept box is the score-weighted mean of those that it suppresses.

    `boxes` [n, 4], `points` [n, k, 2], `scores` [n] of one class; the same three of at most
    `count` results, highest score first.
    """
    order = surest(scores, CANDIDATES)
    boxes, points, scores = boxes[order], points[order], scores[order]
    found_boxes: list[Array] = []
    found_points: list[Array] = []
    found_scores: list[float] = []
    edges, areas = boxes.T, _areas(boxes)
    alive = np.ones(len(scores), bool)
    for index in range(len(scores)):
        if not alive[index] or len(found_scores) == count:
            continue
        group = alive & (_iou(edges, areas, index) > iou_threshold)
        group[index] = True
        weights = scores[group] / scores[group].sum()
        found_boxes.append(weights @ boxes[group])
        found_points.append(np.tensordot(weights, points[group], 1))
        found_scores.append(float(scores[index]))
        alive &= ~group
    return (
        np.array(found_boxes, np.float32).reshape(-1, 4),
        np.array(found_points, np.float32).reshape(-1, *points.shape[1:]),
        np.array(found_scores, np.float32),
    )


def _areas(boxes: Array) -> Array:
    areas: Array = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return areas


def _iou(edges: Array, areas: Array, index: int) -> Array:
    """Of one box with all; `edges` [4, n] are theirs."""
    x0, y0, x1, y1 = edges[:, index]
    wide = np.minimum(edges[2], x1) - np.maximum(edges[0], x0)
    high = np.minimum(edges[3], y1) - np.maximum(edges[1], y0)
    shared = np.maximum(wide, 0) * np.maximum(high, 0)
    result: Array = shared / np.maximum(areas + areas[index] - shared, _TINY)
    return result
