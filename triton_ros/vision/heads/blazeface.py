# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""BlazeFace and its like: offsets from anchors, keypoints, one class, blended suppression.

    head:
      type: blazeface
      regressors: regressors   # output [n, 4 + 2 * keypoints], pixels of the model's input
      scores: classificators   # output [n, 1], logits
      strides: [8, 16, 16, 16] # of the anchor layers
      anchors_per_stride: 2    # 2 where each layer has a second, interpolated anchor; else 1
      score_threshold: 0.5
      iou_threshold: 0.3
      max_detections: 100

The anchors are generated as MediaPipe does for fixed anchor sizes: layers of the same stride share
one grid, whose cells hold all of their anchors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from triton_ros.core.tensor import Array, TensorSpec
from triton_ros.vision.heads.anchors import check_count
from triton_ros.vision.heads.base import (
    DETECTIONS,
    Context,
    Facts,
    Outputs,
    Thresholds,
    detections,
    read_thresholds,
    surer,
)
from triton_ros.vision.nms import weighted_nms
from triton_ros.vision.yaml_fields import Fields


@dataclass(frozen=True, slots=True)
class BlazeFaceHead:
    """See the module's docstring for the fields."""

    regressors: str
    scores: str
    anchors: Array = field(repr=False, compare=False)
    """[n, 2]: centres in pixels of the input."""
    keypoints: int
    thresholds: Thresholds
    labels: tuple[str, ...]

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        points = TensorSpec("KEYPOINTS", "FP32", (-1, self.keypoints, 2))
        return *DETECTIONS, points

    def finish(self, context: Context, rows: Sequence[Outputs]) -> dict[str, Array]:
        """Threshold, decode what is left, blend, and undo the geometry."""
        (row,) = rows
        thresholds = context.thresholds
        logits = row[self.scores].reshape(-1)
        candidates, sure = surer(logits, thresholds.score)
        raw = row[self.regressors].reshape(len(logits), -1)[candidates]
        anchors = self.anchors[candidates]
        centers, half = raw[:, :2] + anchors, raw[:, 2:4] / 2
        points = raw[:, 4:].reshape(-1, self.keypoints, 2) + anchors[:, None]
        boxes, points, scores = weighted_nms(
            np.concatenate([centers - half, centers + half], axis=1),
            points,
            sure,
            thresholds.iou,
            thresholds.max_detections,
        )
        classes = np.zeros(len(scores), np.int32)
        answer = detections(context, self.labels, boxes, scores, classes)
        answer["KEYPOINTS"] = context.geometry.to_source(points)
        return answer


def anchor_centers(size: tuple[int, int], strides: Sequence[int], anchors_per_stride: int) -> Array:
    """float32 [n, 2] (x, y) in pixels of an input of (height, width)."""
    layers = []
    for stride in dict.fromkeys(strides):
        height, width = size[0] // stride, size[1] // stride
        xs, ys = (np.arange(width) + 0.5) * stride, (np.arange(height) + 0.5) * stride
        grid = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)
        layers.append(np.repeat(grid, strides.count(stride) * anchors_per_stride, axis=0))
    centers: Array = np.concatenate(layers).astype(np.float32)
    return centers


def read(fields: Fields, facts: Facts) -> BlazeFaceHead:
    """The head from its section; raises `ConfigError`."""
    regressors, scores = facts.output(fields, "regressors"), facts.output(fields, "scores")
    strides = fields.integers("strides", 1, 512)
    if list(strides) != sorted(strides):
        fields.fail("strides", f"must ascend, got {list(strides)}")
    per_stride = fields.integer("anchors_per_stride", 1, 2)
    if facts.input_size is None:
        fields.fail("type", "blazeface needs an input of a fixed size")
    check_count(fields, facts.input_size, strides, per_stride)
    values = regressors.dims[-1]
    if values < 6 or values % 2:
        dims = list(regressors.dims)
        fields.fail("regressors", f"must have dims [n, 4 + 2 * keypoints], has {dims}")
    anchors = anchor_centers(facts.input_size, strides, per_stride)
    count = regressors.dims[-2]
    if count not in (-1, len(anchors)):
        fields.fail(
            "strides",
            f"{list(strides)} with anchors_per_stride {per_stride} make {len(anchors)} anchors of"
            f" an input of {list(facts.input_size)}, but '{regressors.name}' has {count} rows",
        )
    facts.check_classes(fields, "scores", scores, 1)
    thresholds = read_thresholds(fields, score=0.5, iou=0.3)
    return BlazeFaceHead(
        regressors.name, scores.name, anchors, (values - 4) // 2, thresholds, facts.labels
    )
