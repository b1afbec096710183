# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Answers that are pictures: a class a pixel, a depth a pixel.

    head:
      type: segmentation
      output: scores           # [classes, h, w], [h, w, classes], or [h, w] of class ids
      layout: auto             # of three dims: auto | chw | hwc; auto takes the smaller end for
                               # the classes
      activation: none         # of a single channel: none | sigmoid
      score_threshold: 0.5     # of a single channel: at least this is class 1, the rest 0

    head:
      type: depth
      output: depth            # [h, w], [1, h, w] or [h, w, 1]
      kind: metric             # metric | inverse (the model answers 1 / depth)
      scale: 1                 # metres of one unit (of an inverse one: the unit of 1 / metres)

Classes are chosen at the model's own resolution and brought to the frame's by nearest neighbour
(all their scores at the frame's size would cost as much as many models do); a single channel and
depth are interpolated.  A single channel of integers is one of class ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from triton_ros.core.tensor import Array, TensorSpec
from triton_ros.vision.heads.base import (
    NO_THRESHOLDS,
    Context,
    Facts,
    Outputs,
    Thresholds,
    activate,
    channel_axis,
)
from triton_ros.vision.yaml_fields import Fields

CLASS_MAP = TensorSpec("CLASS_MAP", "UINT8", (-1, -1))
DEPTH = TensorSpec("DEPTH", "FP32", (-1, -1))
_MOST_CLASSES = 256


@dataclass(frozen=True, slots=True)
class SegmentationHead:
    """See the module's docstring for the fields; `axis` is where the classes are, if anywhere."""

    output: str
    axis: int | None
    of_ids: bool
    activation: str
    thresholds: Thresholds

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        return (CLASS_MAP,)

    def finish(self, context: Context, rows: Sequence[Outputs]) -> dict[str, Array]:
        """The surest class of each pixel of the frame."""
        (row,) = rows
        raw, bring = row[self.output], context.geometry.map_to_source
        if self.axis is not None and raw.shape[self.axis] > 1:
            ids = raw.argmax(axis=self.axis).astype(np.uint8)
            return {"CLASS_MAP": bring(ids, nearest=True)}
        plane = raw if self.axis is None else raw.take(0, self.axis)
        if self.of_ids:
            return {"CLASS_MAP": bring(plane.astype(np.uint8), nearest=True)}
        share = bring(activate(plane.astype(np.float32), self.activation), nearest=False)
        return {"CLASS_MAP": (share >= context.thresholds.score).astype(np.uint8)}


def read_segmentation(fields: Fields, facts: Facts) -> SegmentationHead:
    """The head from its section; raises `ConfigError`."""
    spec = facts.output(fields)
    dims = spec.dims
    if len(dims) not in (2, 3):
        given = list(dims)
        fields.fail(
            "output", f"must have dims [classes, h, w] or [h, w], '{spec.name}' has {given}"
        )
    if len(dims) == 2:
        return SegmentationHead(spec.name, None, True, "none", NO_THRESHOLDS)
    axis = channel_axis(fields, dims)
    classes = dims[axis]
    if classes > _MOST_CLASSES:
        fields.fail("output", f"makes {classes} classes; accepted: {_MOST_CLASSES} or fewer")
    if classes > 1:
        facts.check_classes(fields, "output", spec, classes)
    if classes > 1 or (classes == 1 and "INT" in spec.datatype):
        return SegmentationHead(spec.name, axis, classes == 1, "none", NO_THRESHOLDS)
    facts.check_classes(fields, "output", spec, 2)
    activation = fields.choice("activation", ("none", "sigmoid"), "none")
    least = Thresholds(score=fields.number("score_threshold", 0, 1, 0.5))
    return SegmentationHead(spec.name, axis, False, activation, least)


@dataclass(frozen=True, slots=True)
class DepthHead:
    """See the module's docstring for the fields."""

    output: str
    inverse: bool
    scale: float
    thresholds: Thresholds = NO_THRESHOLDS

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        return (DEPTH,)

    def finish(self, context: Context, rows: Sequence[Outputs]) -> dict[str, Array]:
        """Depth of each pixel of the frame; NaN where a model of 1 / depth sees no end."""
        (row,) = rows
        raw = row[self.output]
        plane = raw.reshape([dim for dim in raw.shape if dim != 1] or [1, 1]).astype(np.float32)
        found = context.geometry.map_to_source(np.atleast_2d(plane), nearest=False)
        if self.inverse:
            with np.errstate(divide="ignore"):
                found = np.where(found > 0, np.float32(1) / found, np.float32(np.nan))
        return {"DEPTH": (found * np.float32(self.scale)).astype(np.float32)}


def read_depth(fields: Fields, facts: Facts) -> DepthHead:
    """The head from its section; raises `ConfigError`."""
    spec = facts.output(fields)
    if len([dim for dim in spec.dims if dim != 1]) != 2:
        fields.fail("output", f"must have dims [h, w], '{spec.name}' has {list(spec.dims)}")
    return DepthHead(
        spec.name,
        fields.choice("kind", ("metric", "inverse"), "metric") == "inverse",
        fields.number("scale", 1e-9, default=1.0),
    )
