# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A score for each class of each box: the candidates of such a tensor.

      activation: none         # none | sigmoid | softmax (over all columns, background as well)
      background: none         # none | first | last: the column that means nothing was found
      label_ids: coco_91       # or: which columns are labels, see class_ids.py
      classes_first: false     # true: the output is [classes, n] instead of [n, classes]

Class ids are columns of the scores, counted without the background.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from triton_ros.core.tensor import Array, TensorSpec
from triton_ros.vision.heads.base import ACTIVATIONS, Facts, activate, least_logit
from triton_ros.vision.heads.class_ids import read_label_ids
from triton_ros.vision.yaml_fields import Fields


@dataclass(frozen=True, slots=True)
class ScoreTable:
    """See the module's docstring for the fields."""

    activation: str
    background: str = "none"
    label_ids: tuple[int, ...] = ()
    classes_first: bool = False

    def candidates(self, raw: Array, threshold: float) -> tuple[Array, Array, Array]:
        """Places [k], scores [k] and classes [k] of what is surer than the threshold."""
        flat: Array = raw.reshape(math.prod(raw.shape[:-1]), raw.shape[-1])
        table = self._columns(flat.T if self.classes_first else flat)
        squash = self.activation == "sigmoid"
        # Few rows are left of most pictures: the best of all the others need not be looked for.
        likely = np.flatnonzero(
            (table > (least_logit(threshold) if squash else threshold)).any(axis=1)
        )
        rows = table[likely]
        best = rows.max(axis=1)
        if squash:  # it keeps the order, so only the best of each row need it
            best = activate(best.astype(np.float32), "sigmoid")
        sure = best > threshold
        return likely[sure], best[sure], rows[sure].argmax(axis=1)

    def _columns(self, table: Array) -> Array:
        """Those of the labels; a softmax is of all of them."""
        if self.activation == "softmax":
            table = activate(table, "softmax")
        if self.label_ids:
            return table[:, list(self.label_ids)]
        if self.background == "first":
            return table[:, 1:]
        return table[:, :-1] if self.background == "last" else table


def read_score_table(
    fields: Fields, facts: Facts, activation: str, background: str = "none"
) -> ScoreTable:
    """The fields with a head's own defaults."""
    ids = read_label_ids(fields, facts)
    if ids and "background" in fields:
        fields.fail("background", "and label_ids exclude each other")
    return ScoreTable(
        fields.choice("activation", ACTIVATIONS, activation),
        "none" if ids else fields.choice("background", ("none", "first", "last"), background),
        ids,
        fields.flag("classes_first", False),
    )


def check_score_table(
    fields: Fields, facts: Facts, table: ScoreTable, spec: TensorSpec, boxes: TensorSpec
) -> None:
    """Refuse scores that are not those of the boxes [n, 4], or not of the labels."""
    dims = list(spec.dims)
    wanted = "[classes, n]" if table.classes_first else "[n, classes]"
    if len(dims) < 2:
        fields.fail("scores", f"must have dims {wanted}, '{spec.name}' has {dims}")
    columns, rows = dims[-2:] if table.classes_first else dims[:-3:-1]
    count = boxes.dims[-2]
    if -1 not in (count, rows) and count != rows:
        other = f"; classes_first: {str(not table.classes_first).lower()} would fit"
        fields.fail(
            "scores",
            f"and boxes must have as many rows: '{spec.name}' has {dims}, read as {wanted},"
            f" '{boxes.name}' {list(boxes.dims)}" + (other if columns == count else ""),
        )
    if columns != -1:
        check_columns(fields, facts, table, spec, columns)


def check_columns(
    fields: Fields, facts: Facts, table: ScoreTable, spec: TensorSpec, columns: int
) -> None:
    """Refuse columns that are not those of the labels."""
    if not table.label_ids:
        facts.check_classes(fields, "scores", spec, columns - (table.background != "none"))
    elif max(table.label_ids) >= columns:
        fields.fail(
            "label_ids",
            f"has {max(table.label_ids)}, but '{spec.name}' with dims {list(spec.dims)} has"
            f" {columns} classes, counted from 0",
        )
