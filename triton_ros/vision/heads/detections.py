# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Detectors that end with their own suppression: boxes, scores and classes, ready to be used.

    head:
      type: detections
      format: tf_od            # one of FORMATS below, which sets what follows; each may be given:
      boxes: detection_boxes   # output [n, 4]
      scores: detection_scores     # output [n]
      classes: detection_classes   # output [n]
      count: num_detections    # output of one number, how many of them count; may be left out
      box_format: yxyx         # xyxy | yxyx | xywh | cxcywh | cycxhw
      units: normalized        # normalized (0..1) | pixels, both of the model's input |
                               # source: pixels of the source (input.size_inputs tells the model)
      label_offset: 1          # or label_ids: see class_ids.py
      score_threshold: 0.3
      max_detections: 100

Formats with one packed tensor [n, columns] have `output` instead of boxes, scores and classes:

    yolo_end2end     x0 y0 x1 y1 score class          YOLOv10, YOLO26 (also as type: yolo)
    yolo_v7_end2end  image x0 y0 x1 y1 class score    YOLOv7 with NMS in the graph
    centernet        x0 y0 x1 y1 score class          decoded CenterNet
    paddle_nms       class score x0 y0 x1 y1          PP-YOLOE and others of PaddleDetection
    detection_output image class score x0 y0 x1 y1    Caffe, OpenVINO; ends at an image below 0
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from triton_ros.core.tensor import Array, TensorSpec
from triton_ros.vision.heads.base import (
    BOX_FORMATS,
    DETECTIONS,
    UNITS,
    Context,
    Facts,
    Outputs,
    Thresholds,
    corners,
    read_thresholds,
    suppressed,
)
from triton_ros.vision.heads.class_ids import ClassIds, read_class_ids
from triton_ros.vision.yaml_fields import Fields

_SCORE_THRESHOLD = 0.3


@dataclass(frozen=True, slots=True)
class Format:
    """What a format's name stands for.  Output names are those that its exporter gives."""

    box_format: str
    units: str
    label_offset: int = 0
    boxes: str = ""
    scores: str = ""
    classes: str = ""
    count: str = ""
    columns: tuple[str, ...] = ()
    """Of the packed tensor, if it is one: box (4 columns), score, class, image."""

    @property
    def width(self) -> int:
        """How many numbers a row of the packed tensor has."""
        return len(self.columns) + 3

    def at(self, column: str) -> int:
        """Where a column of the packed tensor begins."""
        index = self.columns.index(column)
        box = self.columns.index("box")
        return index + 3 if index > box else index


_BOX_FIRST = ("box", "score", "class")

FORMATS = {
    "torchvision": Format("xyxy", "pixels", 1, "boxes", "scores", "labels"),
    "tf_od": Format(
        "yxyx",
        "normalized",
        1,
        "detection_boxes",
        "detection_scores",
        "detection_classes",
        "num_detections",
    ),
    "tflite": Format(
        "yxyx",
        "normalized",
        0,
        "TFLite_Detection_PostProcess",
        "TFLite_Detection_PostProcess:2",
        "TFLite_Detection_PostProcess:1",
        "TFLite_Detection_PostProcess:3",
    ),
    "efficient_nms": Format(
        "xyxy", "pixels", 0, "det_boxes", "det_scores", "det_classes", "num_dets"
    ),
    "rt_detr": Format("xyxy", "source", 0, "boxes", "scores", "labels"),
    "yolo_end2end": Format("xyxy", "pixels", columns=_BOX_FIRST),
    "yolo_v7_end2end": Format("xyxy", "pixels", columns=("image", "box", "class", "score")),
    "centernet": Format("xyxy", "pixels", columns=_BOX_FIRST),
    "paddle_nms": Format("xyxy", "source", columns=("class", "score", "box")),
    "detection_output": Format("xyxy", "normalized", 1, columns=("image", "class", "score", "box")),
}


@dataclass(frozen=True, slots=True)
class DetectionsHead:
    """See the module's docstring for the fields."""

    format: Format
    """With the names of this model's outputs; `boxes` is the packed one."""
    class_ids: ClassIds
    thresholds: Thresholds
    labels: tuple[str, ...]

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        return DETECTIONS

    def finish(self, context: Context, rows: Sequence[Outputs]) -> dict[str, Array]:
        """Threshold, and undo the geometry."""
        (row,) = rows
        form = self.format
        boxes, scores, numbers = self._packed(row) if form.columns else self._separate(row)
        classes = self.class_ids.classes(numbers)
        kept = np.flatnonzero((scores > context.thresholds.score) & (classes >= 0))
        boxes = corners(boxes[kept], form.box_format)
        return suppressed(
            context, self.labels, boxes, scores[kept], classes[kept], form.units, "none"
        )

    def _separate(self, row: Outputs) -> tuple[Array, Array, Array]:
        boxes = row[self.format.boxes].reshape(-1, 4)
        count = self._count(row, len(boxes))
        scores, classes = row[self.format.scores], row[self.format.classes]
        return boxes[:count], scores.reshape(-1)[:count], classes.reshape(-1)[:count]

    def _packed(self, row: Outputs) -> tuple[Array, Array, Array]:
        form = self.format
        table: Array = row[form.boxes].reshape(-1, form.width)
        table = table[: self._count(row, len(table))]
        if "image" in form.columns:
            ends = np.flatnonzero(table[:, form.at("image")] < 0)
            table = table[: ends[0]] if len(ends) else table
        box = form.at("box")
        return table[:, box : box + 4], table[:, form.at("score")], table[:, form.at("class")]

    def _count(self, row: Outputs, rows: int) -> int:
        """How many rows count; a model that says more than it has means all."""
        if not self.format.count:
            return rows
        said = np.nan_to_num(row[self.format.count].reshape(-1)[0])
        return int(np.clip(said, 0, rows))


def read(fields: Fields, facts: Facts) -> DetectionsHead:
    """The head from its section; raises `ConfigError`."""
    name = fields.choice("format", tuple(FORMATS))
    return read_ready(fields, facts, FORMATS[name], _SCORE_THRESHOLD)


def read_ready(fields: Fields, facts: Facts, usual: Format, score: float) -> DetectionsHead:
    """The fields beside `format`; also for the heads whose family has such a form."""
    if usual.columns:
        boxes, scores, classes = _packed_output(fields, facts, usual), "", ""
    else:
        boxes, scores, classes = _separate_outputs(fields, facts, usual)
    # Without the field, the usual output counts where the model has it.
    usual_count = usual.count if usual.count in facts.outputs else ""
    named = "count" in fields or usual_count
    count = facts.output(fields, "count", usual_count).name if named else ""
    form = Format(
        fields.choice("box_format", BOX_FORMATS, usual.box_format),
        fields.choice("units", UNITS, usual.units),
        usual.label_offset,
        boxes,
        scores,
        classes,
        count,
        usual.columns,
    )
    class_ids = read_class_ids(fields, facts, usual.label_offset)
    return DetectionsHead(form, class_ids, read_thresholds(fields, score), facts.labels)


def _packed_output(fields: Fields, facts: Facts, usual: Format) -> str:
    spec = facts.output(fields)
    if not spec.dims or spec.dims[-1] not in (-1, usual.width):
        words = " ".join("x0 y0 x1 y1" if c == "box" else c for c in usual.columns)
        fields.fail(
            "format",
            f"reads dims [n, {usual.width}] ({words}), but output '{spec.name}' has"
            f" {list(spec.dims)}",
        )
    return spec.name


def _separate_outputs(fields: Fields, facts: Facts, usual: Format) -> tuple[str, str, str]:
    boxes = facts.output(fields, "boxes", usual.boxes)
    if boxes.dims[-1:] not in ((4,), (-1,)):
        fields.fail("boxes", f"must have dims [n, 4], '{boxes.name}' has {list(boxes.dims)}")
    names = [boxes.name]
    for field, usual_name in (("scores", usual.scores), ("classes", usual.classes)):
        spec = facts.output(fields, field, usual_name)
        rows = boxes.dims[-2] if len(boxes.dims) > 1 else -1
        if spec.name in names:
            fields.fail(field, f"must be an output of its own, '{spec.name}' is another's")
        if rows != -1 and spec.dims[-1:] not in ((rows,), (-1,)):
            fields.fail(
                field,
                f"must have dims [{rows}], as many as '{boxes.name}' with {list(boxes.dims)} has"
                f" boxes, but '{spec.name}' has {list(spec.dims)}",
            )
        names.append(spec.name)
    return names[0], names[1], names[2]
