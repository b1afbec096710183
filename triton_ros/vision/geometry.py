# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Where a frame lands in a model's input, and the way back for what the model found.

Coordinates are continuous: pixel (0, 0) covers 0..1 each way, so the edge of an image of width w
is at w.  A scaled image of nw columns then has ``x' = x * nw / w + left`` exactly, which is also
what `cv2.resize` does.

The model may see a part of the frame only (a region of interest, or what a `crop` leaves of it);
that part is the *source*, and what the model found goes back into the whole frame.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import cv2
import numpy as np

from triton_ros.core.tensor import Array
from triton_ros.vision.image_error import ImageError

Resize: TypeAlias = Literal["stretch", "letterbox", "letterbox_top_left", "crop"]

RESIZES: tuple[Resize, ...] = ("stretch", "letterbox", "letterbox_top_left", "crop")


@dataclass(frozen=True, slots=True)
class Part:
    """A rectangle of a frame, in whole pixels."""

    top: int
    left: int
    height: int
    width: int


@dataclass(frozen=True, slots=True)
class Geometry:
    """A part of a frame (the source), the model's input, and the rectangle that the source fills.

    All in whole pixels.
    """

    source_height: int
    source_width: int
    height: int
    width: int
    top: int
    left: int
    content_height: int
    content_width: int
    part: Part | None = None
    """Where the source is in its frame; None: it is the frame."""
    frame_height: int = 0
    frame_width: int = 0

    @property
    def origin(self) -> tuple[int, int]:
        """(x, y) of the source in its frame."""
        return (self.part.left, self.part.top) if self.part else (0, 0)

    @property
    def frame(self) -> tuple[int, int]:
        """(height, width) of the frame."""
        if self.part is None:
            return self.source_height, self.source_width
        return self.frame_height, self.frame_width

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
        """Points [..., 2] (x, y) of the frame in input pixels, float64."""
        inside = np.asarray(points, np.float64) - self.origin
        return inside * self._scale + (self.left, self.top)

    def to_source(self, points: Array) -> Array:
        """Points [..., 2] (x, y) of the input in pixels of the frame, float32."""
        moved = (np.asarray(points, np.float64) - (self.left, self.top)) / self._scale
        return (moved + self.origin).astype(np.float32)

    def boxes_to_source(self, boxes: Array) -> Array:
        """Boxes [n, 4] (x0, y0, x1, y1) in pixels of the frame, clipped to the source, float32."""
        return self.clip(self.to_source(boxes.reshape(-1, 2, 2))).reshape(-1, 4)

    def clip(self, points: Array) -> Array:
        """Points [..., 2] of the frame moved onto the source where they are outside of it."""
        low = np.array(self.origin, np.float32)
        size = np.array([self.source_width, self.source_height], np.float32)
        return np.clip(points, low, low + size)

    def map_to_source(self, values: Array, nearest: bool) -> Array:
        """A map [h, w] over the input (of whatever resolution) as one over the frame.

        `nearest` for ids, else bilinear.  What the model did not see of the frame is 0.
        """
        found = self._content(values, cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR)
        if self.part is None:
            return found
        whole = np.zeros(self.frame, found.dtype)
        x, y = self.origin
        whole[y : y + self.source_height, x : x + self.source_width] = found
        return whole

    def _content(self, values: Array, how: int) -> Array:
        """The source's part of such a map at the source's size."""
        rows, columns = values.shape[0] / self.height, values.shape[1] / self.width
        top, bottom = self.top * rows, (self.top + self.content_height) * rows
        left, right = self.left * columns, (self.left + self.content_width) * columns
        size = self.source_width, self.source_height
        if all(edge == int(edge) for edge in (top, left, bottom, right)):
            inside = values[int(top) : int(bottom), int(left) : int(right)]
            return np.asarray(cv2.resize(np.ascontiguousarray(inside), size, interpolation=how))
        # The bars end inside of cells: cutting there would move the picture by a part of a cell.
        across, down = (right - left) / size[0], (bottom - top) / size[1]
        # OpenCV's coordinates are those of pixel centres.
        x, y = left + across / 2 - 0.5, top + down / 2 - 0.5
        matrix = np.array([[across, 0, x], [0, down, y]])
        flags = how | cv2.WARP_INVERSE_MAP
        return np.asarray(
            cv2.warpAffine(values, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        )


def fit(source: tuple[int, int], target: tuple[int, int], resize: Resize) -> Geometry:
    """How a source of (height, width) goes into an input of (height, width)."""
    (source_height, source_width), (height, width) = source, target
    if resize in ("stretch", "crop"):  # of a crop the source is what it leaves
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


def fit_part(
    frame: tuple[int, int], part: Part, target: tuple[int, int], resize: Resize
) -> Geometry:
    """How a part of a frame of (height, width) goes into an input of (height, width)."""
    geometry = fit((part.height, part.width), target, resize)
    if part == Part(0, 0, *frame):
        return geometry
    return replace(geometry, part=part, frame_height=frame[0], frame_width=frame[1])


def clipped(frame: tuple[int, int], region: tuple[float, ...]) -> Part:
    """The whole pixels of a frame of (height, width) that a region (x, y, width, height) covers.

    Raises `ImageError` when it lies outside.
    """
    x, y, width, height = region
    left, top = max(0, round(x)), max(0, round(y))
    right, bottom = min(frame[1], round(x + width)), min(frame[0], round(y + height))
    if right <= left or bottom <= top:
        place = ", ".join(f"{value:g}" for value in region)
        raise ImageError(
            f"region {place} (x, y, width, height) is outside of a frame of {frame[1]}x{frame[0]}",
            "bad_region",
        )
    return Part(top, left, bottom - top, right - left)


def centred(part: Part, target: tuple[int, int], share: float = 1.0) -> Part:
    """The largest part in the middle of another that has the target's ratio; a share of it."""
    scale = share * min(part.height / target[0], part.width / target[1])
    height = min(part.height, max(1, round(target[0] * scale)))
    width = min(part.width, max(1, round(target[1] * scale)))
    top, left = part.top + (part.height - height) // 2, part.left + (part.width - width) // 2
    return Part(top, left, height, width)


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
