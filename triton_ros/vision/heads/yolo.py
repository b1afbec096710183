# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""YOLO: one packed tensor of boxes and class scores, in the layouts of the family's exports.

    head:
      type: yolo
      output: output0          # may be left out where the model has one output
      format: v8               # v5, v6, v7: rows [n, 5 + classes] of box, objectness, classes
                               # v8, v9, v11, v12: columns [4 + classes, n] of box, classes
                               # x: YOLOX, rows as v5 in cells of its grids, see strides
                               # x_decoded: YOLOX exported with its decoding, as v5
                               # v10, yolo26, v7_end2end: ready, see detections.py
      strides: [8, 16, 32]     # of the grids of YOLOX, in the order of its rows
      units: pixels            # pixels | normalized (TFLite exports), both of the model's input
      nms: class_aware         # class_aware | agnostic | none: which boxes suppress each other
      score_threshold: 0.25
      iou_threshold: 0.45
      max_detections: 100

Boxes are centre x, centre y, width, height.  Columns are reduced as they lie: transposing
[84, 8400] first would cost seven times the decoding.  A YOLO26 exported without its one-to-one
head is v8.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from triton_ros.core.tensor import Array, TensorSpec
from triton_ros.vision.heads.anchors import check_count
from triton_ros.vision.heads.base import (
    DETECTIONS,
    NMS_MODES,
    UNITS,
    Context,
    Facts,
    Head,
    Outputs,
    Thresholds,
    corners,
    read_thresholds,
    suppressed,
)
from triton_ros.vision.heads.detections import FORMATS, read_ready
from triton_ros.vision.yaml_fields import Fields

_GRID = "x"
_ROWS = ("v5", "v6", "v7", "x", "x_decoded")
_COLUMNS = ("v8", "v9", "v11", "v12")
_READY = {
    "v10": FORMATS["yolo_end2end"],
    "yolo26": FORMATS["yolo_end2end"],
    "v7_end2end": FORMATS["yolo_v7_end2end"],
}
_SCORE_THRESHOLD = 0.25


@dataclass(frozen=True, slots=True)
class YoloHead:
    """See the module's docstring for the fields."""

    output: str
    columns: bool
    units: str
    mode: str
    thresholds: Thresholds
    labels: tuple[str, ...]
    cells: Array | None = field(default=None, repr=False, compare=False)
    """float32 [n, 3] of YOLOX: x and y of each row's cell in its grid, and the grid's stride."""

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        return DETECTIONS

    def finish(self, context: Context, rows: Sequence[Outputs]) -> dict[str, Array]:
        """Threshold, suppress, and undo the geometry."""
        (row,) = rows
        raw, threshold = row[self.output], context.thresholds.score
        if self.columns:
            found, scores, classes = _from_columns(raw, threshold)
            boxes = raw[:4, found].T
        else:
            found, scores, classes = _from_rows(raw, threshold)
            boxes = raw[found, :4]
        if self.cells is not None:
            boxes = _from_cells(boxes, self.cells[found])
        boxes = corners(boxes, "cxcywh")
        return suppressed(context, self.labels, boxes, scores, classes, self.units, self.mode)


def _from_columns(raw: Array, threshold: float) -> tuple[Array, Array, Array]:
    """Places [k], scores [k] and classes [k] of the candidates in [4 + classes, n]."""
    best = raw[4:].max(axis=0)
    found = np.flatnonzero(best > threshold)
    return found, best[found], raw[4:, found].argmax(axis=0)


def _from_rows(raw: Array, threshold: float) -> tuple[Array, Array, Array]:
    """The same of [n, 5 + classes]; no score exceeds its objectness."""
    likely = np.flatnonzero(raw[:, 4] > threshold)
    table = raw[likely, 5:] * raw[likely, 4:5]
    best = table.max(axis=1)
    sure = best > threshold
    return likely[sure], best[sure], table[sure].argmax(axis=1)


def _from_cells(boxes: Array, cells: Array) -> Array:
    """Centres are relative to their cell, sizes logarithms; both count in strides."""
    strides = cells[:, 2:]
    # What overflows is no box: `suppressed` drops it.
    with np.errstate(over="ignore"):
        return np.concatenate(
            [(boxes[:, :2] + cells[:, :2]) * strides, np.exp(boxes[:, 2:]) * strides], axis=1
        )


def grid_cells(size: tuple[int, int], strides: Sequence[int]) -> Array:
    """float32 [n, 3] (x, y, stride) of the cells of an input of (height, width), row by row."""
    grids = []
    for stride in strides:
        ys, xs = np.mgrid[0 : size[0] // stride, 0 : size[1] // stride]
        grids.append(np.stack([xs, ys, np.full_like(xs, stride)], axis=-1).reshape(-1, 3))
    cells: Array = np.concatenate(grids).astype(np.float32)
    return cells


def read(fields: Fields, facts: Facts) -> Head:
    """The head from its section; raises `ConfigError`."""
    name = fields.choice("format", (*_ROWS, *_COLUMNS, *_READY))
    if name in _READY:
        return read_ready(fields, facts, _READY[name], _SCORE_THRESHOLD)
    spec = facts.output(fields)
    columns = name in _COLUMNS
    _check_dims(fields, facts, spec, columns)
    return YoloHead(
        spec.name,
        columns,
        fields.choice("units", UNITS, "pixels"),
        fields.choice("nms", NMS_MODES, "class_aware"),
        read_thresholds(fields, score=_SCORE_THRESHOLD, iou=0.45),
        facts.labels,
        _read_cells(fields, facts, spec) if name == _GRID else None,
    )


def _read_cells(fields: Fields, facts: Facts, spec: TensorSpec) -> Array:
    strides = fields.integers("strides", 1, 512, (8, 16, 32))
    if facts.input_size is None:
        fields.fail("format", "is x, whose grids need an input of a fixed size")
    check_count(fields, facts.input_size, strides)
    cells = grid_cells(facts.input_size, strides)
    if spec.dims[0] not in (-1, len(cells)):
        fields.fail(
            "strides" if "strides" in fields else "format",
            f"{list(strides)} make {len(cells)} cells of an input of {list(facts.input_size)}, but"
            f" output '{spec.name}' has {list(spec.dims)}",
        )
    return cells


def _check_dims(fields: Fields, facts: Facts, spec: TensorSpec, columns: bool) -> None:
    """[4 + classes, n] and [n, 5 + classes] are easy to confuse, and either decodes to boxes."""
    wanted = "[4 + classes, n]" if columns else "[n, 5 + classes]"
    if len(spec.dims) != 2:
        fields.fail(
            "format", f"reads dims {wanted}, but output '{spec.name}' has {list(spec.dims)}"
        )
    found = spec.dims[0] - 4 if columns else spec.dims[1] - 5
    dim, others = spec.dims if columns else spec.dims[::-1]
    if dim == -1:
        return
    expected = len(facts.labels)
    if found < 1 or (expected and found != expected) or (others != -1 and dim > others):
        labels = f", but {facts.labels_from} has {expected} labels" if expected else ""
        fits = ", ".join(_fitting(spec.dims, expected, columns))
        fields.fail(
            "format",
            f"reads dims {wanted}: output '{spec.name}' with dims {list(spec.dims)} would have"
            f" {found} classes{labels}" + (f"; {fits} would fit" if fits else ""),
        )


def _fitting(dims: tuple[int, ...], classes: int, columns: bool) -> tuple[str, ...]:
    """The formats of other layouts that these dims are good for."""
    fits: list[str] = []
    if classes and not columns and dims[0] - 4 == classes:
        fits += _COLUMNS
    if classes and columns and dims[1] - 5 == classes:
        fits += _ROWS
    return (*fits, *(name for name, form in _READY.items() if form.width == dims[1]))
