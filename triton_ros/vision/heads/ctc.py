# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Text recognition by CTC: one text a region.

    head:
      type: ctc
      output: softmax          # [steps, 1 + characters (+ 1)] of probabilities; blank comes first
      characters: characters.txt  # the model's characters, one a line, without the blank
      space: true              # the model's last class is the space, which the file leaves out

A text is the best class of each step, repetitions and blanks dropped; its score is the mean of
what is left.  Spaces at its ends are not part of it.  A region that cannot be read (no area) has
an empty text with score 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from triton_ros.core.tensor import Array, TensorSpec
from triton_ros.vision.heads.base import (
    LABELS,
    SCORES,
    Context,
    Facts,
    Outputs,
    Thresholds,
    text_array,
)
from triton_ros.vision.labels import read_lines
from triton_ros.vision.yaml_fields import Fields


@dataclass(frozen=True, slots=True)
class CtcHead:
    """See the module's docstring for the fields."""

    output: str
    characters: tuple[str, ...] = field(repr=False)
    """By class; the blank is an empty string."""

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        return LABELS, SCORES

    @property
    def thresholds(self) -> Thresholds:
        return Thresholds()

    def finish(self, context: Context, rows: Sequence[Outputs]) -> dict[str, Array]:
        """One text and score a region."""
        texts = [""] * len(context.regions)
        scores = np.zeros(len(context.regions), np.float32)
        for index, row in zip(context.used.tolist(), rows, strict=True):
            texts[index], scores[index] = self._read(row[self.output])
        return {"LABELS": text_array(texts), "SCORES": scores}

    def _read(self, raw: Array) -> tuple[str, float]:
        table = raw.reshape(-1, raw.shape[-1])
        classes = table.argmax(axis=1)
        kept = np.flatnonzero((np.diff(classes, prepend=-1) != 0) & (classes > 0))
        if len(kept) == 0:
            return "", 0.0
        text = "".join(self.characters[c] for c in classes[kept].tolist())
        return text.strip(), float(table[kept, classes[kept]].mean())


def read(fields: Fields, facts: Facts) -> CtcHead:
    """The head from its section; raises `ConfigError`."""
    spec = facts.output(fields)
    name = fields.text("characters")
    space = fields.flag("space", True)
    characters = ("", *read_lines(fields.beside("characters", name)), *([" "] if space else []))
    if len(spec.dims) < 2:
        fields.fail("output", f"must have dims [steps, classes], has {list(spec.dims)}")
    if spec.dims[-1] not in (-1, len(characters)):
        fields.fail(
            "characters",
            f"{name} has {len(characters) - 1 - space} lines, which makes {len(characters)} classes"
            f" with the blank{' and the space' if space else ''}, but output '{spec.name}' has"
            f" {spec.dims[-1]}",
        )
    return CtcHead(spec.name, characters)
