# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Classification: of the whole frame, the surest classes; of regions, the surest of each.

    head:
      type: classification
      output: logits           # [classes]
      activation: softmax      # none | sigmoid | softmax
      score_threshold: 0.0     # of a frame only: drop classes that are less sure than this
      max_detections: 1        # of a frame only: how many classes to answer

A region that cannot be seen (no area) has class -1, an empty label and score 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from triton_ros.core.tensor import Array, TensorSpec
from triton_ros.vision.heads.base import (
    ACTIVATIONS,
    CLASS_IDS,
    LABELS,
    SCORES,
    Context,
    Facts,
    Outputs,
    Thresholds,
    activate,
    label_array,
    read_thresholds,
    text_array,
)
from triton_ros.vision.nms import surest
from triton_ros.vision.yaml_fields import Fields


@dataclass(frozen=True, slots=True)
class ClassificationHead:
    """See the module's docstring for the fields."""

    output: str
    activation: str
    of_regions: bool
    thresholds: Thresholds
    labels: tuple[str, ...]

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        return LABELS, CLASS_IDS, SCORES

    def finish(self, context: Context, rows: Sequence[Outputs]) -> dict[str, Array]:
        """The classes of the frame, or one a region."""
        tables = [activate(row[self.output].reshape(-1), self.activation) for row in rows]
        if self.of_regions:
            return self._one_each(context, tables)
        (table,) = tables
        best = surest(table, context.thresholds.max_detections)
        best = best[table[best] >= context.thresholds.score]
        return self._answer(label_array(self.labels, best), best, table[best])

    def _one_each(self, context: Context, tables: Sequence[Array]) -> dict[str, Array]:
        count = len(context.regions)
        classes, scores = np.full(count, -1), np.zeros(count)
        for index, table in zip(context.used.tolist(), tables, strict=True):
            classes[index] = table.argmax()
            scores[index] = table.max()
        labels = label_array(self.labels, classes)
        seen = classes >= 0
        texts = [str(label) if known else "" for label, known in zip(labels, seen, strict=True)]
        return self._answer(text_array(texts), classes, scores)

    def _answer(self, labels: Array, classes: Array, scores: Array) -> dict[str, Array]:
        return {
            "LABELS": labels,
            "CLASS_IDS": classes.astype(np.int32),
            "SCORES": scores.astype(np.float32),
        }


def read(fields: Fields, facts: Facts) -> ClassificationHead:
    """The head from its section; raises `ConfigError`."""
    spec = facts.output(fields)
    if not spec.dims:
        fields.fail("output", f"must have dims [classes], '{spec.name}' has none")
    if spec.dims[-1] != -1:
        facts.check_classes(fields, "output", spec, spec.dims[-1])
    return ClassificationHead(
        spec.name,
        fields.choice("activation", ACTIVATIONS, "softmax"),
        facts.regions,
        Thresholds() if facts.regions else read_thresholds(fields, score=0.0, count=1),
        facts.labels,
    )
