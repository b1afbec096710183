# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Keypoints of the whole frame (one set), or of each region: regressed, or peaks of heat maps.

    head:
      type: landmarks
      output: points           # any shape that holds points times values
      values: 3                # numbers a point: x, y, and what is left alone or is its score
      order: xy                # xy | yx
      score: none              # none | third: the third number is the point's score
      units: pixels            # pixels | normalized (0..1), both of the model's input
      presence: flag           # output with one number: how sure there is anything; may be left out
      presence_activation: sigmoid   # none | sigmoid
      score_threshold: 0.5     # least presence; else there are no points (of a region: score 0)

    head:
      type: heatmap
      output: heat             # [points, h, w] or [h, w, points]
      layout: auto             # auto | chw | hwc; auto takes the smaller end for the points
      score_threshold: 0.0     # least mean of the peaks; else as with a presence

A region that was not looked at has all its points in its middle, with score 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

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
from triton_ros.vision.regions import crop_to_frame
from triton_ros.vision.yaml_fields import Fields


class Reading(Protocol):
    """How an element's outputs become points."""

    def read(self, row: Outputs, size: tuple[int, int]) -> tuple[Array, Array, float]:
        """Points [k, 2] in pixels of an input of (height, width), scores [k], and presence."""
        ...


@dataclass(frozen=True, slots=True)
class PointsHead:
    """See the module's docstring for the fields; `count` is -1 where the model does not say it."""

    reading: Reading
    count: int
    of_regions: bool
    thresholds: Thresholds

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        return (
            TensorSpec("KEYPOINTS", "FP32", (-1, self.count, 2)),
            TensorSpec("KEYPOINT_SCORES", "FP32", (-1, self.count)),
        )

    def finish(self, context: Context, rows: Sequence[Outputs]) -> dict[str, Array]:
        """One set of points, or one a region."""
        if self.of_regions:
            return self._of_regions(context, rows)
        (row,) = rows
        geometry = context.geometry
        points, scores, presence = self.reading.read(row, (geometry.height, geometry.width))
        seen = int(presence >= context.thresholds.score)
        return _answer(geometry.to_source(points)[None][:seen], scores[None][:seen])

    def _of_regions(self, context: Context, rows: Sequence[Outputs]) -> dict[str, Array]:
        middles = context.regions.mean(axis=1)
        count = self.count
        found: list[tuple[Array, Array]] = []
        for row, crop, geometry in zip(rows, context.crops, context.geometries, strict=True):
            points, scores, presence = self.reading.read(row, (geometry.height, geometry.width))
            sure = scores if presence >= context.thresholds.score else np.zeros_like(scores)
            found.append((crop_to_frame(points, crop, geometry), sure))
            count = len(points)
        count = max(count, 0)
        points = np.repeat(middles[:, None], count, axis=1).reshape(-1, count, 2)
        scores = np.zeros((len(middles), count))
        for index, (own, sure) in zip(context.used.tolist(), found, strict=True):
            points[index], scores[index] = own, sure
        return _answer(points, scores)


def _answer(points: Array, scores: Array) -> dict[str, Array]:
    return {
        "KEYPOINTS": points.astype(np.float32),
        "KEYPOINT_SCORES": scores.astype(np.float32),
    }


@dataclass(frozen=True, slots=True)
class Landmarks:
    """Regressed points."""

    output: str
    values: int
    order: str
    scored: bool
    normalized: bool
    presence: str
    presence_activation: str

    def read(self, row: Outputs, size: tuple[int, int]) -> tuple[Array, Array, float]:
        table = row[self.output].reshape(-1, self.values).astype(np.float64)
        points = table[:, :2] if self.order == "xy" else table[:, 1::-1]
        if self.normalized:
            points = points * size[::-1]
        presence = 1.0
        if self.presence:
            flag = row[self.presence].reshape(-1)[:1].astype(np.float64)
            presence = float(activate(flag, self.presence_activation)[0])
        scores = table[:, 2] if self.scored else np.full(len(table), presence)
        return points, scores, presence


def read_landmarks(fields: Fields, facts: Facts) -> PointsHead:
    """The head from its section; raises `ConfigError`."""
    spec = facts.output(fields)
    values = fields.integer("values", 2, 16, 2)
    known = [dim for dim in spec.dims if dim >= 0]
    total = int(np.prod(known)) if len(known) == len(spec.dims) else -1
    if total >= 0 and total % values:
        fields.fail("values", f"is {values}, but '{spec.name}' has {total} numbers")
    scored = fields.choice("score", ("none", "third"), "none") == "third"
    if scored and values < 3:
        fields.fail("score", f"is third, but there are {values} values a point")
    presence, activation = "", "none"
    if "presence" in fields:
        presence = facts.output(fields, "presence").name
        activation = fields.choice("presence_activation", ("none", "sigmoid"), "sigmoid")
    reading = Landmarks(
        spec.name,
        values,
        fields.choice("order", ("xy", "yx"), "xy"),
        scored,
        fields.choice("units", ("pixels", "normalized"), "pixels") == "normalized",
        presence,
        activation,
    )
    least = Thresholds(score=fields.number("score_threshold", 0, 1, 0.5)) if presence else None
    return PointsHead(
        reading, total // values if total >= 0 else -1, facts.regions, least or NO_THRESHOLDS
    )


@dataclass(frozen=True, slots=True)
class HeatMaps:
    """A map a point."""

    output: str
    last: bool

    def read(self, row: Outputs, size: tuple[int, int]) -> tuple[Array, Array, float]:
        maps = row[self.output].astype(np.float32)
        maps = maps.transpose(2, 0, 1) if self.last else maps
        count, height, width = maps.shape
        flat = maps.reshape(count, -1)
        best = flat.argmax(axis=1)
        scores = flat[np.arange(count), best].astype(np.float64)
        y, x = np.divmod(best, width)
        # A quarter of a cell towards the higher neighbour, as the models' papers have it.
        across = _slope(maps, np.arange(count), y, x, 0, 1)
        down = _slope(maps, np.arange(count), y, x, 1, 0)
        points = np.stack([x + 0.5 + across, y + 0.5 + down], axis=1)
        return points * (size[1] / width, size[0] / height), scores, float(scores.mean())


def _slope(maps: Array, which: Array, y: Array, x: Array, dy: int, dx: int) -> Array:
    height, width = maps.shape[1:]
    inside = (y - dy >= 0) & (y + dy < height) & (x - dx >= 0) & (x + dx < width)
    low, high = np.where(inside, 1, 0) * dy, np.where(inside, 1, 0) * dx
    step = maps[which, y + low, x + high] - maps[which, y - low, x - high]
    return np.asarray(0.25 * np.sign(step))


def read_heatmap(fields: Fields, facts: Facts) -> PointsHead:
    """The head from its section; raises `ConfigError`."""
    spec = facts.output(fields)
    if len(spec.dims) != 3:
        fields.fail("output", f"must have dims [points, h, w], '{spec.name}' has {list(spec.dims)}")
    axis = channel_axis(fields, spec.dims)
    least = Thresholds(score=fields.number("score_threshold", 0, 1, 0.0))
    return PointsHead(HeatMaps(spec.name, axis == 2), spec.dims[axis], facts.regions, least)
