# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Detectors with one tensor of decoded boxes and one of class scores.

    head:
      type: ssd
      boxes: boxes             # output [n, 4]
      scores: scores           # output [n, classes]
      box_format: yxyx         # xyxy | yxyx | xywh | cxcywh
      units: normalized        # normalized (0..1) | pixels, both of the model's input
      activation: none         # none | sigmoid | softmax
      background: none         # none | first | last: the column that means nothing was found
      score_threshold: 0.4
      iou_threshold: 0.5
      max_detections: 100

Class ids are columns of the scores, counted without the background.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from triton_ros.core.tensor import Array, TensorSpec
from triton_ros.vision.heads.base import (
    ACTIVATIONS,
    BOX_FORMATS,
    DETECTIONS,
    Context,
    Facts,
    Outputs,
    Thresholds,
    activate,
    corners,
    read_thresholds,
    suppressed,
)
from triton_ros.vision.yaml_fields import Fields


@dataclass(frozen=True, slots=True)
class SsdHead:
    """See the module's docstring for the fields."""

    boxes: str
    scores: str
    box_format: str
    units: str
    activation: str
    background: str
    thresholds: Thresholds
    labels: tuple[str, ...]

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        return DETECTIONS

    def finish(self, context: Context, rows: Sequence[Outputs]) -> dict[str, Array]:
        """Threshold, suppress, and undo the geometry."""
        (row,) = rows
        table = self._class_scores(row[self.scores])
        best = table.max(axis=1)
        candidates = np.flatnonzero(best > context.thresholds.score)
        scores, classes = best[candidates], table[candidates].argmax(axis=1)
        boxes = corners(row[self.boxes].reshape(-1, 4)[candidates], self.box_format)
        normalized = self.units == "normalized"
        return suppressed(context, self.labels, boxes, scores, classes, normalized)

    def _class_scores(self, raw: Array) -> Array:
        scores = activate(raw.reshape(-1, raw.shape[-1]), self.activation)
        if self.background == "first":
            return scores[:, 1:]
        return scores[:, :-1] if self.background == "last" else scores


def read(fields: Fields, facts: Facts) -> SsdHead:
    """The head from its section; raises `ConfigError`."""
    boxes, scores = facts.output(fields, "boxes"), facts.output(fields, "scores")
    background = fields.choice("background", ("none", "first", "last"), "none")
    if len(boxes.dims) < 2 or boxes.dims[-1] not in (4, -1):
        fields.fail("boxes", f"must have dims [n, 4], '{boxes.name}' has {list(boxes.dims)}")
    if len(scores.dims) < 2:
        dims = list(scores.dims)
        fields.fail("scores", f"must have dims [n, classes], '{scores.name}' has {dims}")
    if -1 not in (boxes.dims[-2], scores.dims[-2]) and boxes.dims[-2] != scores.dims[-2]:
        fields.fail(
            "scores",
            f"and boxes must have as many rows: '{scores.name}' has {list(scores.dims)},"
            f" '{boxes.name}' {list(boxes.dims)}",
        )
    if scores.dims[-1] != -1:
        classes = scores.dims[-1] - (background != "none")
        facts.check_classes(fields, "scores", scores, classes)
    return SsdHead(
        boxes.name,
        scores.name,
        fields.choice("box_format", BOX_FORMATS, "yxyx"),
        fields.choice("units", ("normalized", "pixels"), "normalized"),
        fields.choice("activation", ACTIVATIONS, "none"),
        background,
        read_thresholds(fields, score=0.4, iou=0.5),
        facts.labels,
    )
