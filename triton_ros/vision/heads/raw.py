# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""No head: images are prepared for the model, its tensors are answered as they are.

    head:
      type: raw

The output `x` is answered as `RAW_x`, because a request tells a model's two interfaces apart by
their names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from triton_ros.core.tensor import Array, TensorSpec
from triton_ros.vision.heads.base import NO_THRESHOLDS, Context, Facts, Outputs, Thresholds
from triton_ros.vision.yaml_fields import Fields

PREFIX = "RAW_"


@dataclass(frozen=True, slots=True)
class RawHead:
    """The model's own outputs, renamed."""

    own: tuple[TensorSpec, ...]
    thresholds: Thresholds = NO_THRESHOLDS

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        return tuple(TensorSpec(PREFIX + s.name, s.datatype, s.dims) for s in self.own)

    def finish(self, context: Context, rows: Sequence[Outputs]) -> dict[str, Array]:
        """The tensors of the one element."""
        (row,) = rows
        return {PREFIX + spec.name: row[spec.name] for spec in self.own}


def read(fields: Fields, facts: Facts) -> RawHead:
    """The head from its section, which has no fields."""
    return RawHead(tuple(facts.outputs.values()))
