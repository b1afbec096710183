# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""CenterNet: each object is a peak of its class's heat map, with a size and an offset there.

    head:
      type: centernet
      heatmap: hm              # output [classes, h, w]
      size: wh                 # output [2, h, w]: width, height in cells of the map
      offset: reg              # output [2, h, w]: x, y of the centre in its cell; may be left out
      activation: none         # of the heat map: none | sigmoid
      score_threshold: 0.3
      max_detections: 100

A peak is what none of its eight neighbours exceeds, which stands in for suppression.  A model that
answers [n, 6] has decoded itself: type detections, format centernet.
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
    activate,
    read_thresholds,
    suppressed,
)
from triton_ros.vision.yaml_fields import Fields

_NEIGHBOURS = tuple((y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if y or x)


@dataclass(frozen=True, slots=True)
class CenterNetHead:
    """See the module's docstring for the fields."""

    heatmap: str
    size: str
    offset: str
    activation: str
    thresholds: Thresholds
    labels: tuple[str, ...]

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        return DETECTIONS

    def finish(self, context: Context, rows: Sequence[Outputs]) -> dict[str, Array]:
        """Find the peaks, and undo the geometry."""
        (row,) = rows
        heat = row[self.heatmap]
        classes, ys, xs = peaks(heat, self._least(context.thresholds.score))
        scores = activate(heat[classes, ys, xs], self.activation)
        centers = np.stack([xs, ys], axis=1).astype(np.float32)
        if self.offset:
            centers += row[self.offset][:, ys, xs].T
        half = row[self.size][:, ys, xs].T / 2
        # Normalised by the map's own size, whatever its stride is.
        scale = np.array(heat.shape[:0:-1] * 2, np.float32)
        boxes = np.concatenate([centers - half, centers + half], axis=1) / scale
        return suppressed(context, self.labels, boxes, scores, classes, "normalized", "none")

    def _least(self, score: float) -> float:
        """The raw value above which a score is enough."""
        if self.activation == "none":
            return score
        if score in (0.0, 1.0):
            return -np.inf if score == 0.0 else np.inf
        return float(np.log(score / (1 - score)))


def peaks(heat: Array, least: float) -> tuple[Array, Array, Array]:
    """Classes, ys and xs [k] of the peaks above `least` in [classes, h, w].

    Only what is hot enough is compared with its neighbours: most of a map is cold.
    """
    classes, ys, xs = np.unravel_index(np.flatnonzero(heat > least), heat.shape)
    values = heat[classes, ys, xs]
    highest = np.ones(len(values), bool)
    for down, right in _NEIGHBOURS:
        # Beyond the edge a cell is its own neighbour.
        y = np.clip(ys + down, 0, heat.shape[1] - 1)
        x = np.clip(xs + right, 0, heat.shape[2] - 1)
        highest &= heat[classes, y, x] <= values
    return classes[highest], ys[highest], xs[highest]


def read(fields: Fields, facts: Facts) -> CenterNetHead:
    """The head from its section; raises `ConfigError`."""
    heatmap = facts.output(fields, "heatmap")
    if len(heatmap.dims) != 3:
        dims = list(heatmap.dims)
        fields.fail("heatmap", f"must have dims [classes, h, w], '{heatmap.name}' has {dims}")
    if heatmap.dims[0] != -1:
        facts.check_classes(fields, "heatmap", heatmap, heatmap.dims[0])
    size = _map_of_two(fields, facts, "size", heatmap)
    offset = _map_of_two(fields, facts, "offset", heatmap) if "offset" in fields else ""
    return CenterNetHead(
        heatmap.name,
        size,
        offset,
        fields.choice("activation", ("none", "sigmoid"), "none"),
        read_thresholds(fields, score=0.3),
        facts.labels,
    )


def _map_of_two(fields: Fields, facts: Facts, field: str, heatmap: TensorSpec) -> str:
    spec = facts.output(fields, field)
    wanted = (2, *heatmap.dims[1:])
    if len(spec.dims) != 3 or any(
        -1 not in (a, b) and a != b for a, b in zip(spec.dims, wanted, strict=True)
    ):
        fields.fail(
            field, f"must have dims {list(wanted)}, but '{spec.name}' has {list(spec.dims)}"
        )
    return spec.name
