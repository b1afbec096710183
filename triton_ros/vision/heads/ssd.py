# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Detectors with one tensor of boxes and one of class scores, before suppression.

    head:
      type: ssd
      boxes: boxes             # output [n, 4]
      scores: scores           # output [n, classes]
      box_format: yxyx         # xyxy | yxyx | xywh | cxcywh | cycxhw
      units: normalized        # normalized (0..1) | pixels, both of the model's input | source
      activation: none         # and background, label_ids, classes_first: see score_table.py
      anchors: ...             # boxes are offsets from these: see anchors.py
      nms: class_aware         # class_aware | agnostic | none: which boxes suppress each other
      score_threshold: 0.4
      iou_threshold: 0.5
      max_detections: 100

Beside SSD this is RetinaNet and EfficientDet (with anchors), and YOLO-NAS and PP-YOLOE without
their NMS (box_format: xyxy, units: pixels, PP-YOLOE with classes_first: true).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from triton_ros.core.tensor import Array, TensorSpec
from triton_ros.vision.heads.anchors import Anchors, read_anchors
from triton_ros.vision.heads.base import (
    BOX_FORMATS,
    DETECTIONS,
    NMS_MODES,
    UNITS,
    Context,
    Facts,
    Outputs,
    Thresholds,
    corners,
    read_thresholds,
    suppressed,
)
from triton_ros.vision.heads.score_table import ScoreTable, check_score_table, read_score_table
from triton_ros.vision.yaml_fields import Fields


@dataclass(frozen=True, slots=True)
class SsdHead:
    """See the module's docstring for the fields."""

    boxes: str
    scores: str
    box_format: str
    units: str
    table: ScoreTable
    anchors: Anchors | None
    mode: str
    thresholds: Thresholds
    labels: tuple[str, ...]

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        return DETECTIONS

    def finish(self, context: Context, rows: Sequence[Outputs]) -> dict[str, Array]:
        """Threshold, suppress, and undo the geometry."""
        (row,) = rows
        found, scores, classes = self.table.candidates(row[self.scores], context.thresholds.score)
        boxes = row[self.boxes].reshape(-1, 4)[found]
        if self.anchors is not None:
            boxes = self.anchors.decode(boxes, found)
        boxes = corners(boxes, self.box_format)
        return suppressed(context, self.labels, boxes, scores, classes, self.units, self.mode)


def read(fields: Fields, facts: Facts) -> SsdHead:
    """The head from its section; raises `ConfigError`."""
    boxes, scores = facts.output(fields, "boxes"), facts.output(fields, "scores")
    if len(boxes.dims) < 2 or boxes.dims[-1] not in (4, -1):
        fields.fail("boxes", f"must have dims [n, 4], '{boxes.name}' has {list(boxes.dims)}")
    table = read_score_table(fields, facts, "none")
    check_score_table(fields, facts, table, scores, boxes)
    anchors = read_anchors(fields, facts, boxes) if "anchors" in fields else None
    return SsdHead(
        boxes.name,
        scores.name,
        "cxcywh" if anchors else fields.choice("box_format", BOX_FORMATS, "yxyx"),
        anchors.units if anchors else fields.choice("units", UNITS, "normalized"),
        table,
        anchors,
        fields.choice("nms", NMS_MODES, "class_aware"),
        read_thresholds(fields, score=0.4, iou=0.5),
        facts.labels,
    )
