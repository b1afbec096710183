# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The DETR family: a fixed number of queries, each with a box and class scores; no suppression.

    head:
      type: detr
      format: rf_detr          # one of FORMATS below, which sets what follows; each may be given:
      boxes: dets              # output [n, 4]
      scores: labels           # output [n, classes]
      box_format: cxcywh       # xyxy | yxyx | xywh | cxcywh | cycxhw
      units: normalized        # normalized (0..1) | pixels, both of the model's input | source
      activation: sigmoid      # and background, label_ids, classes_first: see score_table.py
      score_threshold: 0.5
      max_detections: 100

    detr          logits and pred_boxes, softmax whose last column is no object (Hugging Face)
    rt_detr_raw   logits and pred_boxes, sigmoid (RT-DETR and D-FINE of Hugging Face)
    rf_detr       labels and dets, sigmoid
    ultralytics   one output [n, 4 + classes] (field `output`): RT-DETR exported by Ultralytics

RT-DETR and D-FINE exported with their post-processing (labels, boxes, scores) are
`type: detections`, `format: rt_detr`, with `orig_target_sizes` in input.size_inputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
from triton_ros.vision.heads.score_table import (
    ScoreTable,
    check_columns,
    check_score_table,
    read_score_table,
)
from triton_ros.vision.yaml_fields import Fields


@dataclass(frozen=True, slots=True)
class Format:
    """What a format's name stands for; no names: one packed output."""

    activation: str
    background: str = "none"
    boxes: str = ""
    scores: str = ""


FORMATS = {
    "detr": Format("softmax", "last", "pred_boxes", "logits"),
    "rt_detr_raw": Format("sigmoid", "none", "pred_boxes", "logits"),
    "rf_detr": Format("sigmoid", "none", "dets", "labels"),
    "ultralytics": Format("none"),
}


@dataclass(frozen=True, slots=True)
class DetrHead:
    """See the module's docstring for the fields."""

    boxes: str
    scores: str
    """The same output as `boxes` where one has both."""
    box_format: str
    units: str
    table: ScoreTable
    thresholds: Thresholds
    labels: tuple[str, ...]

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        return DETECTIONS

    def finish(self, context: Context, rows: Sequence[Outputs]) -> dict[str, Array]:
        """Threshold, and undo the geometry."""
        (row,) = rows
        boxes, raw = row[self.boxes], row[self.scores]
        if self.boxes == self.scores:
            boxes, raw = boxes[..., :4], raw[..., 4:]
        found, scores, classes = self.table.candidates(raw, context.thresholds.score)
        boxes = corners(boxes.reshape(-1, 4)[found], self.box_format)
        return suppressed(context, self.labels, boxes, scores, classes, self.units, "none")


def read(fields: Fields, facts: Facts) -> DetrHead:
    """The head from its section; raises `ConfigError`."""
    usual = FORMATS[fields.choice("format", tuple(FORMATS))]
    table = read_score_table(fields, facts, usual.activation, usual.background)
    if usual.boxes:
        boxes, scores = _separate(fields, facts, usual, table)
    else:
        boxes = scores = _packed(fields, facts, table)
    return DetrHead(
        boxes,
        scores,
        fields.choice("box_format", BOX_FORMATS, "cxcywh"),
        fields.choice("units", UNITS, "normalized"),
        table,
        read_thresholds(fields, score=0.5),
        facts.labels,
    )


def _separate(fields: Fields, facts: Facts, usual: Format, table: ScoreTable) -> tuple[str, str]:
    boxes = facts.output(fields, "boxes", usual.boxes)
    scores = facts.output(fields, "scores", usual.scores)
    if len(boxes.dims) < 2 or boxes.dims[-1] not in (4, -1):
        fields.fail("boxes", f"must have dims [n, 4], '{boxes.name}' has {list(boxes.dims)}")
    check_score_table(fields, facts, table, scores, boxes)
    return boxes.name, scores.name


def _packed(fields: Fields, facts: Facts, table: ScoreTable) -> str:
    spec = facts.output(fields)
    if table.classes_first:
        fields.fail("classes_first", "is for separate scores")
    if len(spec.dims) != 2 or spec.dims[1] in range(5):
        fields.fail(
            "format",
            f"reads dims [n, 4 + classes], but output '{spec.name}' has {list(spec.dims)}",
        )
    if spec.dims[1] != -1:
        check_columns(fields, facts, table, spec, spec.dims[1] - 4)
    return spec.name
