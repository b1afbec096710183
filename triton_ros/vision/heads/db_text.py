# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Text detection by differentiable binarisation (PP-OCR, DBNet): a probability map to quads.

    head:
      type: db_text
      output: maps             # [1, H, W] or [H, W] of probabilities, as large as the input
      mask_threshold: 0.3      # a pixel surer than this belongs to some text
      score_threshold: 0.5     # a text must be this sure on average
      unclip_ratio: 1.6        # the network learns shrunk texts: how far to grow them back
      min_side: 3              # texts thinner than this on the map are dropped
      dilate: true             # close gaps of one pixel first
      max_detections: 200

Growing a polygon by d with round corners and taking its smallest enclosing rectangle is, for a
rectangle, the rectangle grown by d each way: no polygon clipper is needed.  Quads come in reading
order: lines from top to bottom, each from left to right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from triton_ros.core.tensor import Array, TensorSpec
from triton_ros.vision.heads.base import (
    REGIONS,
    SCORES,
    Context,
    Facts,
    Outputs,
    Thresholds,
    read_thresholds,
)
from triton_ros.vision.nms import surest
from triton_ros.vision.yaml_fields import Fields


@dataclass(frozen=True, slots=True)
class DbTextHead:
    """See the module's docstring for the fields."""

    output: str
    mask_threshold: float
    unclip_ratio: float
    min_side: int
    dilate: bool
    thresholds: Thresholds

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        return REGIONS, SCORES

    def finish(self, context: Context, rows: Sequence[Outputs]) -> dict[str, Array]:
        """Find the texts and undo the geometry."""
        (row,) = rows
        maps = row[self.output]
        quads, scores = self._texts(maps.reshape(maps.shape[-2:]), context.thresholds)
        geometry = context.geometry
        quads = geometry.clip(geometry.to_source(quads))
        order = reading_order(quads)
        return {"REGIONS": quads[order], "SCORES": scores[order]}

    def _texts(self, probability: Array, thresholds: Thresholds) -> tuple[Array, Array]:
        """Quads [n, 4, 2] in pixels of the map and scores [n], at most `max_detections`."""
        mask: Any = (probability > self.mask_threshold).astype(np.uint8)
        if self.dilate:
            mask = cv2.dilate(mask, np.ones((2, 2), np.uint8))
        quads, scores = [], []
        for contour in cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)[-2]:
            rectangle = cv2.minAreaRect(contour)
            center, (width, height), angle = rectangle
            if min(width, height) < self.min_side:
                continue
            score = _mean_inside(probability, cv2.boxPoints(rectangle))
            if score <= thresholds.score:
                continue
            grow = width * height * self.unclip_ratio / (width + height)
            grown = center, (width + grow, height + grow), angle
            quads.append(_from_top_left(cv2.boxPoints(grown)))
            scores.append(score)
        best = surest(np.array(scores, np.float32), thresholds.max_detections)
        # Contours go through pixel centres, coordinates here are those of pixel edges.
        found = np.array(quads, np.float32).reshape(-1, 4, 2) + np.float32(0.5)
        return found[best], np.array(scores, np.float32)[best]


def _mean_inside(probability: Array, corners: Array) -> float:
    """The mean probability inside of a rectangle."""
    limit = np.array(probability.shape[::-1]) - 1
    low = np.floor(corners.min(axis=0)).astype(int).clip(0, limit)
    high = np.ceil(corners.max(axis=0)).astype(int).clip(0, limit)
    mask = np.zeros((high - low + 1)[::-1], np.uint8)
    cv2.fillPoly(mask, [np.rint(corners - low).astype(np.int32)], 1)
    part = probability[low[1] : high[1] + 1, low[0] : high[0] + 1]
    mean: Any = cv2.mean(part, mask)
    return float(mean[0])


def _from_top_left(corners: Array) -> Array:
    """Corners [4, 2] of a rectangle in the order TL, TR, BR, BL of the picture."""
    by_x = corners[np.argsort(corners[:, 0], kind="stable")]
    left = by_x[:2][np.argsort(by_x[:2, 1], kind="stable")]
    right = by_x[2:][np.argsort(by_x[2:, 1], kind="stable")]
    return np.array([left[0], right[0], right[1], left[1]], np.float32)


def reading_order(quads: Array) -> Array:
    """Indices of quads [n, 4, 2] line by line; a line is what lies half a height apart or less."""
    middles, heights = quads.mean(axis=1), np.ptp(quads[..., 1], axis=1)
    lines: list[list[int]] = []
    for index in np.argsort(middles[:, 1], kind="stable").tolist():
        if lines:
            last = lines[-1][-1]
            apart = middles[index, 1] - middles[last, 1]
            if apart <= min(heights[index], heights[last]) / 2:
                lines[-1].append(index)
                continue
        lines.append([index])
    ordered = [index for line in lines for index in sorted(line, key=lambda i: middles[i, 0])]
    return np.array(ordered, np.intp)


def read(fields: Fields, facts: Facts) -> DbTextHead:
    """The head from its section; raises `ConfigError`."""
    spec = facts.output(fields)
    if len(spec.dims) < 2 or any(dim not in (1, -1) for dim in spec.dims[:-2]):
        fields.fail("output", f"must have dims [1, H, W], '{spec.name}' has {list(spec.dims)}")
    return DbTextHead(
        spec.name,
        fields.number("mask_threshold", 0, 1, 0.3),
        fields.number("unclip_ratio", 0, 10, 1.6),
        fields.integer("min_side", 1, 1000, 3),
        fields.flag("dilate", True),
        read_thresholds(fields, score=0.5, count=200),
    )
