# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""YOLO: one packed tensor of boxes and class scores, in the two commonest layouts.

    head:
      type: yolo
      output: output0          # may be left out where the model has one output
      format: v8               # v5, v6, v7: rows [n, 5 + classes] of box, objectness, classes
                               # v8, v9, v11, v12: columns [4 + classes, n] of box, classes
      units: pixels            # pixels | normalized (TFLite exports), both of the model's input
      score_threshold: 0.25
      iou_threshold: 0.45
      max_detections: 100

Boxes are centre x, centre y, width, height.  Columns are reduced as they lie: transposing
[84, 8400] first would cost seven times the decoding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from triton_ros.core.tensor import Array, TensorSpec
from triton_ros.vision.heads.base import (
    DETECTIONS,
    Context,
    Facts,
    Outputs,
    Thresholds,
    corners,
    read_thresholds,
    suppressed,
)
from triton_ros.vision.yaml_fields import Fields

_ROWS = ("v5", "v6", "v7")
_COLUMNS = ("v8", "v9", "v11", "v12")


@dataclass(frozen=True, slots=True)
class YoloHead:
    """See the module's docstring for the fields."""

    output: str
    columns: bool
    normalized: bool
    thresholds: Thresholds
    labels: tuple[str, ...]

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        return DETECTIONS

    def finish(self, context: Context, rows: Sequence[Outputs]) -> dict[str, Array]:
        """Threshold, suppress, and undo the geometry."""
        (row,) = rows
        decode = _from_columns if self.columns else _from_rows
        boxes, scores, classes = decode(row[self.output], context.thresholds.score)
        boxes = corners(boxes, "cxcywh")
        return suppressed(context, self.labels, boxes, scores, classes, self.normalized)


def _from_columns(raw: Array, threshold: float) -> tuple[Array, Array, Array]:
    """Boxes [k, 4], scores [k] and classes [k] of [4 + classes, n]."""
    best = raw[4:].max(axis=0)
    candidates = np.flatnonzero(best > threshold)
    return raw[:4, candidates].T, best[candidates], raw[4:, candidates].argmax(axis=0)


def _from_rows(raw: Array, threshold: float) -> tuple[Array, Array, Array]:
    """The same of [n, 5 + classes]; no score exceeds its objectness."""
    likely = np.flatnonzero(raw[:, 4] > threshold)
    table = raw[likely, 5:] * raw[likely, 4:5]
    best = table.max(axis=1)
    sure = best > threshold
    return raw[likely[sure], :4], best[sure], table[sure].argmax(axis=1)


def read(fields: Fields, facts: Facts) -> YoloHead:
    """The head from its section; raises `ConfigError`."""
    spec = facts.output(fields)
    name = fields.choice("format", (*_ROWS, *_COLUMNS))
    columns = name in _COLUMNS
    _check_dims(fields, facts, spec, columns)
    return YoloHead(
        spec.name,
        columns,
        fields.choice("units", ("pixels", "normalized"), "pixels") == "normalized",
        read_thresholds(fields, score=0.25, iou=0.45),
        facts.labels,
    )


def _check_dims(fields: Fields, facts: Facts, spec: TensorSpec, columns: bool) -> None:
    """[4 + classes, n] and [n, 5 + classes] are easy to confuse, and either decodes to boxes."""
    wanted = "[4 + classes, n]" if columns else "[n, 5 + classes]"
    if len(spec.dims) != 2:
        fields.fail(
            "format", f"reads dims {wanted}, but output '{spec.name}' has {list(spec.dims)}"
        )
    found = {True: spec.dims[0] - 4, False: spec.dims[1] - 5}
    dim, others = (spec.dims[0], spec.dims[1]) if columns else (spec.dims[1], spec.dims[0])
    if dim == -1:
        return
    classes, expected = found[columns], len(facts.labels)
    if classes < 1 or (expected and classes != expected) or (others != -1 and dim > others):
        labels = f", but {facts.labels_from} has {expected} labels" if expected else ""
        other = _ROWS if columns else _COLUMNS
        fits = expected and found[not columns] == expected
        fields.fail(
            "format",
            f"reads dims {wanted}: output '{spec.name}' with dims {list(spec.dims)} would have"
            f" {classes} classes{labels}" + (f"; {', '.join(other)} would fit" if fits else ""),
        )
