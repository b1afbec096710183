# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Where a frame lands in a model's input, and the way back for what the model found.

Coordinates are continuous: pixel (0, 0) covers 0..1 each way, so the edge of an image of width w
is at w.  A scaled image of nw columns then has ``x' = x * nw / w + left`` exactly, which is also
what `cv2.resize` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from triton_ros.core.tensor import Array

Resize: TypeAlias = Literal["stretch", "letterbox", "letterbox_top_left"]

RESIZES: tuple[Resize, ...] = ("stretch", "letterbox", "letterbox_top_left")


@dataclass(frozen=True, slots=True)
class Geometry:
    """A source frame, the model's input, and the rectangle of it that the frame fills.

    All in pixels; `left`, `top`, `content_width` and `content_height` are whole.
    """

    source_height: int
    source_width: int
    height: int
    width: int
    top: int
    left: int
    content_height: int
    content_width: int

    @property
    def is_filled(self) -> bool:
        """Whether the frame covers the whole input."""
        return self.content_height == self.height and self.content_width == self.width

    @property
    def _scale(self) -> Array:
        return np.array(
            [self.content_width / self.source_width, self.content_height / self.source_height]
        )

    def to_model(self, points: Array) -> Array:
        """Points [..., 2] (x, y) of the source in input pixels, float64."""
        return np.asarray(points, np.float64) * self._scale + (self.left, self.top)

    def to_source(self, points: Array) -> Array:
        """Points [..., 2] (x, y) of the input in source pixels, float32."""
        moved = (np.asarray(points, np.float64) - (self.left, self.top)) / self._scale
        return moved.astype(np.float32)

    def boxes_to_source(self, boxes: Array) -> Array:
        """Boxes [n, 4] (x0, y0, x1, y1) in source pixels, clipped to the image, float32."""
        return self.clip(self.to_source(boxes.reshape(-1, 2, 2))).reshape(-1, 4)

    def clip(self, points: Array) -> Array:
        """Source points [..., 2] moved onto the image where they are outside of it."""
        return np.clip(points, 0, np.array([self.source_width, self.source_height], np.float32))


def fit(source: tuple[int, int], target: tuple[int, int], resize: Resize) -> Geometry:
    """How a source of (height, width) goes into an input of (height, width)."""
    (source_height, source_width), (height, width) = source, target
    if resize == "stretch":
        return Geometry(source_height, source_width, height, width, 0, 0, height, width)
    scale = min(height / source_height, width / source_width)
    content_height = min(height, max(1, round(source_height * scale)))
    content_width = min(width, max(1, round(source_width * scale)))
    top = left = 0
    if resize == "letterbox":
        top, left = (height - content_height) // 2, (width - content_width) // 2
    return Geometry(
        source_height, source_width, height, width, top, left, content_height, content_width
    )


def box_quads(boxes: Array) -> Array:
    """Boxes [n, 4] (x0, y0, x1, y1) as quads [n, 4, 2] of their corners TL, TR, BR, BL."""
    return boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2)


def limited_size(
    source: tuple[int, int], multiple_of: int, shortest: int, longest: int
) -> tuple[int, int]:
    """The (height, width) that a fully convolutional model gets for a source of (height, width).

    Sides keep their ratio, but for rounding to `multiple_of`: enlarged until the shorter one is
    `shortest` (0: never), then shrunk until the longer one is `longest` (0: never).
    """
    height, width = source
    scale = max(1.0, shortest / min(height, width))
    if longest:
        scale = min(scale, longest / max(height, width))
    return _rounded(height * scale, multiple_of), _rounded(width * scale, multiple_of)


def _rounded(side: float, multiple_of: int) -> int:
    return max(1, round(side / multiple_of)) * multiple_of
