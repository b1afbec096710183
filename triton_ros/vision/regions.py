# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Quadrilateral crops as `TensorSource`s: warped once, at the size the model wants.

A quad's corners go TL, TR, BR, BL of its *content*, so text that hangs on its side or upside down
is a matter of where the corners start, and turning a crop is rolling its corners: no pixel moves
twice.  Widths come in buckets, because a recogniser's cost grows with the width and elements of
one shape share a batch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from triton_ros.core.tensor import Array
from triton_ros.vision.geometry import Geometry
from triton_ros.vision.image import Image
from triton_ros.vision.input_plan import InputPlan, RegionRule

_MIN_SIDE = 1.0
_MIN_CROSS = 0.25
_SHORTEST = np.float32(1e-6)
_MAX_OVERSAMPLING = 4


def region_sizes(quads: Array) -> tuple[Array, Array]:
    """Widths and heights [n] of quads [n, 4, 2]: the longer of two opposite sides."""
    sides = np.linalg.norm(np.roll(quads, -1, axis=1) - quads, axis=2)
    return np.maximum(sides[:, 0], sides[:, 2]), np.maximum(sides[:, 1], sides[:, 3])


def upright(quads: Array, rotate_tall: float) -> Array:
    """Quads with those that are much higher than wide turned so that they lie.

    Text that runs down or up the picture is read with its right side up: what was the top right
    corner becomes the top left one.
    """
    if not rotate_tall:
        return quads
    widths, heights = region_sizes(quads)
    tall = (heights >= rotate_tall * widths)[:, None, None]
    return np.where(tall, np.roll(quads, -1, axis=1), quads)


def grown(quads: Array, margin: float, square: bool) -> Array:
    """Quads [n, 4, 2] with `margin` of their size on each side, then square around their centre.

    They grow along their own sides, so that a turned one stays turned.
    """
    if not margin and not square:
        return quads
    across = (quads[:, 1] + quads[:, 2] - quads[:, 0] - quads[:, 3]) / 2
    down = (quads[:, 2] + quads[:, 3] - quads[:, 0] - quads[:, 1]) / 2
    sides = np.stack([np.linalg.norm(across, axis=1), np.linalg.norm(down, axis=1)], axis=1)
    wanted = sides * (1 + 2 * margin)
    if square:
        wanted = np.broadcast_to(wanted.max(axis=1, keepdims=True), wanted.shape)
    # A side of no length has no direction to grow in; such a quad is not usable anyway.
    added = wanted / np.maximum(sides, _SHORTEST) - 1
    signs = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float32) / 2
    moved = (
        signs[None, :, :1] * (added[:, :1] * across)[:, None]
        + signs[None, :, 1:] * (added[:, 1:] * down)[:, None]
    )
    found: Array = (quads + moved).astype(np.float32)
    return found


def usable(quads: Array) -> Array:
    """Which quads [n] can be warped: convex, and at least a pixel each way."""
    sides = np.roll(quads, -1, axis=1) - quads
    after = np.roll(sides, -1, axis=1)
    cross = sides[..., 0] * after[..., 1] - sides[..., 1] * after[..., 0]
    convex = (cross > _MIN_CROSS).all(axis=1) | (cross < -_MIN_CROSS).all(axis=1)
    widths, heights = region_sizes(quads)
    found: Array = convex & (widths >= _MIN_SIDE) & (heights >= _MIN_SIDE)
    return found


def crop_geometry(rule: RegionRule, keep_ratio: bool, width: float, height: float) -> Geometry:
    """How a crop of this size goes into the input: its content left, the rest padding."""
    needed = max(1, math.ceil(rule.height * width / height)) if keep_ratio else rule.widths[-1]
    bucket = next((w for w in rule.widths if w >= needed), rule.widths[-1])
    content = min(needed, bucket)
    source = max(1, round(height)), max(1, round(width))
    return Geometry(*source, rule.height, bucket, 0, 0, rule.height, content)


@dataclass(frozen=True, slots=True)
class RegionSource:
    """One crop on its way into a model's input."""

    plan: InputPlan
    image: Image
    quad: Array
    """float32 [4, 2], source pixels."""
    geometry: Geometry

    @property
    def shape(self) -> tuple[int, ...]:
        return self.plan.shape(self.geometry.height, self.geometry.width)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.plan.writer.dtype

    def write(self, out: Array) -> None:
        """Fill `out`; raises `ImageError` for compressed data that cannot be decoded."""
        assert self.plan.regions is not None
        target = out[0] if self.plan.leading_one else out
        geometry, writer = self.geometry, self.plan.writer
        if not geometry.is_filled:
            pad = np.full(len(self.plan.fill), self.plan.regions.pad).astype(writer.dtype)
            writer.fill(target, geometry, pad)
        pixels, order = self.plan.pixels_of(self.image)
        size = geometry.content_width, geometry.content_height
        writer.write(warp(pixels, self.quad, *size, order == "depth"), order, target, 0, 0)


def crop_to_frame(points: Array, quad: Array, geometry: Geometry) -> Array:
    """Points [k, 2] in pixels of a crop's input, in those of the frame, float32.

    The inverse of what `RegionSource.write` does.
    """
    w, h = geometry.content_width, geometry.content_height
    corners = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
    matrix = cv2.getPerspectiveTransform(corners, quad.astype(np.float32))
    found = cv2.perspectiveTransform(points.astype(np.float64)[None], matrix)
    return np.asarray(found[0], np.float32)


def warp(pixels: Array, quad: Array, width: int, height: int, nearest: bool = False) -> Array:
    """The quad's content as [height, width(, c)]; the image's edge goes on outside of it.

    A quad that is shrunk a lot is sampled finer first and then averaged: small print would break
    up otherwise.
    """
    widths, heights = region_sizes(quad[None])
    shrink = min(widths[0] / width, heights[0] / height)
    finer = 1 if nearest else int(min(max(shrink, 1.0), _MAX_OVERSAMPLING))
    w, h = width * finer, height * finer
    corners = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
    # OpenCV's coordinates are those of pixel centres, ours those of their edges.
    half = np.float32(0.5)
    matrix = cv2.getPerspectiveTransform(quad - half, corners - half)
    how = cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR
    found = cv2.warpPerspective(pixels, matrix, (w, h), flags=how, borderMode=cv2.BORDER_REPLICATE)
    return found if finer == 1 else cv2.resize(found, (width, height), interpolation=cv2.INTER_AREA)
