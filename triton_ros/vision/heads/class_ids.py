# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which of a model's own class numbers are which labels.

      label_offset: 1          # the model's number of the first label
      label_ids: [1, 2, 3, 44] # or: the model's number of each label, in the labels' order;
                               # coco_91: COCO's 80 classes by the ids of its annotations (1..90)

Numbers without a label (a background, holes in COCO's ids) are no detections.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from triton_ros.core.tensor import Array
from triton_ros.vision.heads.base import Facts
from triton_ros.vision.yaml_fields import Fields

_HOLES = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
COCO_91 = tuple(i for i in range(1, 91) if i not in _HOLES)

_NONE = -1
_MAX_ID = 100_000


@dataclass(frozen=True, slots=True)
class ClassIds:
    """The model's numbers as class ids, which are indices of the labels."""

    offset: int = 0
    table: Array | None = field(default=None, repr=False, compare=False)
    """int32 [greatest number + 2]: the class of each number; the last one is for all others."""

    def classes(self, numbers: Array) -> Array:
        """int32 [n]; negative where there is no label for a number."""
        real = np.nan_to_num(numbers, nan=_NONE, posinf=_NONE, neginf=_NONE)
        whole = np.rint(np.clip(real, _NONE, _MAX_ID)).astype(np.int64)
        if self.table is None:
            classes: Array = np.clip(whole - self.offset, _NONE, _MAX_ID).astype(np.int32)
            return classes
        last = len(self.table) - 1
        found: Array = self.table[np.where((whole < 0) | (whole > last), last, whole)]
        return found


def read_label_ids(fields: Fields, facts: Facts) -> tuple[int, ...]:
    """The field `label_ids`; empty when it is missing."""
    if "label_ids" not in fields:
        return ()
    ids = fields.whole_numbers_or_word("label_ids", 0, _MAX_ID, {"coco_91": COCO_91})
    if len(set(ids)) != len(ids):
        fields.fail("label_ids", "must all differ")
    if facts.labels and len(ids) != len(facts.labels):
        fields.fail(
            "label_ids",
            f"are {len(ids)}, but {facts.labels_from} has {len(facts.labels)} labels",
        )
    return ids


def read_class_ids(fields: Fields, facts: Facts, offset: int) -> ClassIds:
    """Both fields, for a model that answers numbers; `offset` is the default of the first."""
    ids = read_label_ids(fields, facts)
    if not ids:
        return ClassIds(fields.integer("label_offset", 0, _MAX_ID, offset))
    if "label_offset" in fields:
        fields.fail("label_offset", "and label_ids exclude each other")
    table = np.full(max(ids) + 2, _NONE, np.int32)
    table[list(ids)] = np.arange(len(ids))
    return ClassIds(table=table)
