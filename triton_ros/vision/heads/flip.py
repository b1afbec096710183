# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Text angle: regions in, the same regions with the corners of upside-down ones rolled by two.

    head:
      type: flip
      output: angle            # [classes] of probabilities
      upside_down: 1           # the class that means 180 degrees
      threshold: 0.9           # a text is turned where the class is surer than this

A region's corners start at the top left of its content, so the next model warps the crop the
right way round without knowing why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from triton_ros.core.tensor import Array, TensorSpec
from triton_ros.vision.heads.base import REGIONS, Context, Facts, Outputs, Thresholds
from triton_ros.vision.yaml_fields import Fields


@dataclass(frozen=True, slots=True)
class FlipHead:
    """See the module's docstring for the fields."""

    output: str
    upside_down: int
    threshold: float

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        return (REGIONS,)

    @property
    def thresholds(self) -> Thresholds:
        return Thresholds()

    def finish(self, context: Context, rows: Sequence[Outputs]) -> dict[str, Array]:
        """As many regions as came in, in their order."""
        regions = context.regions.copy()
        for index, row in zip(context.used.tolist(), rows, strict=True):
            if row[self.output].reshape(-1)[self.upside_down] > self.threshold:
                regions[index] = np.roll(regions[index], 2, axis=0)
        return {"REGIONS": regions}


def read(fields: Fields, facts: Facts) -> FlipHead:
    """The head from its section; raises `ConfigError`."""
    spec = facts.output(fields)
    classes = spec.dims[-1] if spec.dims else 0
    if classes < 2:
        fields.fail("output", f"must have dims [classes], '{spec.name}' has {list(spec.dims)}")
    return FlipHead(
        spec.name,
        fields.integer("upside_down", 0, classes - 1, 1),
        fields.number("threshold", 0, 1, 0.9),
    )
