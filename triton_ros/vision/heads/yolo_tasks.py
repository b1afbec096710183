# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""YOLO that says more of each thing: its mask, or its pose.

    head:
      type: yolo_seg
      output: output0          # v8, v9, v11, v12: [4 + classes + masks, n]
                               # v5, v7: [n, 5 + classes + masks];  v10, yolo26: [n, 6 + masks]
      protos: output1          # [masks, h, w]
      format: v8
      mask_threshold: 0.5

    head:
      type: yolo_pose
      output: output0          # v8, v11: [4 + classes + points * values, n]
                               # v10, yolo26: [n, 6 + points * values]
      format: v8
      points: 17
      values: 3                # 2, or 3 with each point's score

Both have score_threshold, max_detections, and iou_threshold where they need suppression.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from triton_ros.core.tensor import Array, TensorSpec
from triton_ros.vision.heads.base import (
    DETECTIONS,
    UNITS,
    Context,
    Facts,
    Outputs,
    Thresholds,
    activate,
    corners,
    detections,
    kept_boxes,
    read_thresholds,
)
from triton_ros.vision.heads.mask_rcnn import INSTANCE_MAP, frame_to_map, paint
from triton_ros.vision.yaml_fields import Fields

_COLUMNS = ("v8", "v9", "v11", "v12")
_ROWS = ("v5", "v7")
_READY = ("v10", "yolo26")


@dataclass(frozen=True, slots=True)
class Candidates:
    """Rows over the threshold: boxes [k, 4] (x0, y0, x1, y1), and what comes behind the classes."""

    boxes: Array
    scores: Array
    classes: Array
    extras: Array


def candidates(raw: Array, form: str, extra: int, threshold: float) -> Candidates:
    """Of a packed output; `extra` numbers of each row are neither box nor class."""
    if form in _READY:
        found = raw[raw[:, 4] > threshold]
        return Candidates(found[:, :4], found[:, 4], found[:, 5].astype(np.int64), found[:, 6:])
    if form in _COLUMNS:
        table = raw[4 : len(raw) - extra]
        best = table.max(axis=0)
        at = np.flatnonzero(best > threshold)
        boxes, extras = raw[:4, at].T, raw[len(raw) - extra :, at].T
        return Candidates(corners(boxes, "cxcywh"), best[at], table[:, at].argmax(axis=0), extras)
    at = np.flatnonzero(raw[:, 4] > threshold)
    rows = raw[at]
    scores = rows[:, 5 : rows.shape[1] - extra] * rows[:, 4:5]
    sure = scores.max(axis=1) > threshold
    rows, scores = rows[sure], scores[sure]
    extras = rows[:, rows.shape[1] - extra :]
    boxes = corners(rows[:, :4], "cxcywh")
    return Candidates(boxes, scores.max(axis=1), scores.argmax(axis=1), extras)


@dataclass(frozen=True, slots=True)
class YoloSegHead:
    """See the module's docstring for the fields."""

    output: str
    protos: str
    form: str
    masks: int
    mask_threshold: float
    units: str
    thresholds: Thresholds
    labels: tuple[str, ...]

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        return (*DETECTIONS, INSTANCE_MAP)

    def finish(self, context: Context, rows: Sequence[Outputs]) -> dict[str, Array]:
        """Threshold, suppress, paint the masks of what is left, and undo the geometry."""
        (row,) = rows
        found = candidates(row[self.output], self.form, self.masks, context.thresholds.score)
        mode = "none" if self.form in _READY else "class_aware"
        boxes, kept = kept_boxes(
            context, found.boxes, found.scores, found.classes, self.units, mode
        )
        answer = detections(context, self.labels, boxes, found.scores[kept], found.classes[kept])
        protos = row[self.protos]
        logits = found.extras[kept] @ protos.reshape(self.masks, -1)
        shares = activate(logits.astype(np.float32), "sigmoid").reshape(-1, *protos.shape[1:])
        geometry = context.geometry
        scale = protos.shape[2] / geometry.width, protos.shape[1] / geometry.height
        canvas = np.zeros(geometry.frame, np.uint16)
        place = frame_to_map(geometry, scale)
        for index in reversed(range(len(kept))):
            paint(canvas, shares[index], answer["BOXES"][index], place, index, self.mask_threshold)
        return {**answer, "INSTANCE_MAP": canvas}


def read_yolo_seg(fields: Fields, facts: Facts) -> YoloSegHead:
    """The head from its section; raises `ConfigError`."""
    form = fields.choice("format", (*_COLUMNS, *_ROWS, *_READY), "v8")
    spec, protos = facts.output(fields), facts.output(fields, "protos")
    if len(protos.dims) != 3 or protos.dims[0] < 1:
        fields.fail("protos", f"must have dims [masks, h, w], '{protos.name}' has {protos.dims}")
    _check_width(fields, facts, spec, form, protos.dims[0])
    return YoloSegHead(
        spec.name,
        protos.name,
        form,
        protos.dims[0],
        fields.number("mask_threshold", 0, 1, 0.5),
        fields.choice("units", UNITS, "pixels"),
        _thresholds(fields, form),
        facts.labels,
    )


def _thresholds(fields: Fields, form: str) -> Thresholds:
    return read_thresholds(fields, score=0.25, iou=None if form in _READY else 0.45)


def _check_width(fields: Fields, facts: Facts, spec: TensorSpec, form: str, extra: int) -> None:
    """Whether an output has room for boxes, classes and `extra` numbers, as its labels want it."""
    if len(spec.dims) != 2:
        fields.fail("output", f"must have two dims, '{spec.name}' has {list(spec.dims)}")
    width = spec.dims[0] if form in _COLUMNS else spec.dims[1]
    if width == -1:
        return
    if form in _READY:
        if width != 6 + extra:
            fields.fail(
                "format", f"{form} reads rows of {6 + extra}, '{spec.name}' has {list(spec.dims)}"
            )
        return
    classes = width - extra - (4 if form in _COLUMNS else 5)
    if classes < 1:
        fields.fail(
            "format", f"{form} leaves {classes} classes of '{spec.name}' with {list(spec.dims)}"
        )
    facts.check_classes(fields, "format", spec, classes)


@dataclass(frozen=True, slots=True)
class YoloPoseHead:
    """See the module's docstring for the fields."""

    output: str
    form: str
    points: int
    values: int
    units: str
    thresholds: Thresholds
    labels: tuple[str, ...]

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        points = TensorSpec("KEYPOINTS", "FP32", (-1, self.points, 2))
        scores = TensorSpec("KEYPOINT_SCORES", "FP32", (-1, self.points))
        return (*DETECTIONS, points, scores) if self.values == 3 else (*DETECTIONS, points)

    def finish(self, context: Context, rows: Sequence[Outputs]) -> dict[str, Array]:
        """Threshold, suppress, and undo the geometry."""
        (row,) = rows
        extra = self.points * self.values
        found = candidates(row[self.output], self.form, extra, context.thresholds.score)
        mode = "none" if self.form in _READY else "class_aware"
        boxes, kept = kept_boxes(
            context, found.boxes, found.scores, found.classes, self.units, mode
        )
        answer = detections(context, self.labels, boxes, found.scores[kept], found.classes[kept])
        table = found.extras[kept].reshape(-1, self.points, self.values)
        points = table[..., :2]
        if self.units == "normalized":
            points = points * (context.geometry.width, context.geometry.height)
        answer["KEYPOINTS"] = context.geometry.to_source(points)
        if self.values == 3:
            answer["KEYPOINT_SCORES"] = table[..., 2].astype(np.float32)
        return answer


def read_yolo_pose(fields: Fields, facts: Facts) -> YoloPoseHead:
    """The head from its section; raises `ConfigError`."""
    form = fields.choice("format", (*_COLUMNS, *_READY), "v8")
    spec = facts.output(fields)
    points, values = fields.integer("points", 1, 1000, 17), fields.integer("values", 2, 3, 3)
    _check_width(fields, facts, spec, form, points * values)
    return YoloPoseHead(
        spec.name,
        form,
        points,
        values,
        fields.choice("units", ("pixels", "normalized"), "pixels"),
        _thresholds(fields, form),
        facts.labels,
    )
