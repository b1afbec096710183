# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""8-bit pixels into a model's input tensor, in place.

An 8-bit value has 256 possible results, so ``(pixel * scale - mean) / std`` is worked out once, at
load, as a table a channel in the model's own datatype.  Writing a frame is then one table look-up
a value, straight into the slot: no float copy of the frame, no transposed copy, and channels
change places for free.  Where the table changes nothing (uint8 models) it is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from triton_ros.core.tensor import Array
from triton_ros.vision.encodings import Order, convert
from triton_ros.vision.geometry import Geometry
from triton_ros.vision.image_error import ImageError

# `cv2.LUT` copies table entries whole and knows one type of each width; others travel as its bits.
_CARRIERS = {1: np.uint8, 2: np.uint16, 4: np.float32, 8: np.float64}
_PLANES: dict[tuple[str, str], tuple[int, ...]] = {
    ("rgb", "rgb"): (0, 1, 2),
    ("rgba", "rgb"): (0, 1, 2),
    ("bgr", "rgb"): (2, 1, 0),
    ("bgra", "rgb"): (2, 1, 0),
    ("gray", "rgb"): (0, 0, 0),
    ("bgr", "bgr"): (0, 1, 2),
    ("bgra", "bgr"): (0, 1, 2),
    ("rgb", "bgr"): (2, 1, 0),
    ("rgba", "bgr"): (2, 1, 0),
    ("gray", "bgr"): (0, 0, 0),
}


def channels_of(color: Order) -> int:
    """How many channels a model of this colour has."""
    return 1 if color in ("gray", "depth") else 3


@dataclass(frozen=True)
class PixelWriter:
    """How one model wants its pixels.

    `scale`, `mean` and `std` have one value a channel of `color`.  Integer dtypes are rounded and
    saturated.
    """

    color: Order
    channels_first: bool
    dtype: np.dtype[Any]
    scale: tuple[float, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    tables: Array = field(init=False, repr=False, compare=False)
    """[channels, 256] of `dtype`: the tensor's value of each pixel value."""
    _look_up: Array | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        pixels = np.arange(256, dtype=np.float64)
        columns = (np.array(v)[:, None] for v in (self.scale, self.mean, self.std))
        scale, mean, std = columns
        values = (pixels * scale - mean) / std
        if self.dtype.kind in "iu":
            limits = np.iinfo(self.dtype)
            values = np.clip(np.rint(values), limits.min, limits.max)
        tables = values.astype(self.dtype)
        same = self.dtype == np.uint8 and np.array_equal(tables, np.tile(pixels, (len(tables), 1)))
        bits = tables.view(_CARRIERS[self.dtype.itemsize])
        object.__setattr__(self, "tables", tables)
        object.__setattr__(self, "_look_up", None if same else bits)

    def values(self, numbers: Array) -> Array:
        """Tensor values [channels] of numbers that are no pixels (metres, a fill)."""
        found = (numbers * np.array(self.scale) - np.array(self.mean)) / np.array(self.std)
        return np.asarray(found, self.dtype)

    def write(self, pixels: Array, order: Order, out: Array, top: int, left: int) -> None:
        """Write uint8 pixels [h, w(, c)] into `out` ([C, H, W] or [H, W, C]) at (top, left).

        A model of depth gets metres, and 0 where there is none; raises `ImageError` for a frame
        that has no depth.
        """
        rows = slice(top, top + pixels.shape[0])
        columns = slice(left, left + pixels.shape[1])
        if self.color == "depth":
            if order != "depth":
                raise ImageError("the model sees depth, the frame has none", "unsupported_encoding")
            plane = out[0] if self.channels_first else out[..., 0]
            metres = (pixels * self.scale[0] - self.mean[0]) / self.std[0]
            plane[rows, columns] = np.nan_to_num(metres)
        elif self.color == "gray":
            plane = out[0] if self.channels_first else out[..., 0]
            self._map(convert(pixels, order, "gray"), 0, plane[rows, columns])
        elif self.channels_first:
            planes = cv2.split(pixels) if pixels.ndim == 3 else (pixels,)
            for channel, plane in enumerate(_PLANES[order, self.color]):
                self._map(planes[plane], channel, out[channel, rows, columns])
        elif self._look_up is None:
            convert(pixels, order, self.color, out[rows, columns])
        else:
            self._map_all(convert(pixels, order, self.color), out[rows, columns])

    def takes(self, order: Order) -> bool:
        """Whether pixels of this order can be resized straight into the tensor."""
        return not self.channels_first and self._look_up is None and order == self.color

    def fill(self, out: Array, geometry: Geometry, values: Array) -> None:
        """Set what `geometry` leaves free in `out` to one value a channel."""
        for rows, columns in _free(geometry):
            if self.channels_first:
                out[:, rows, columns] = values[:, None, None]
            else:
                out[rows, columns] = values

    def _map(self, plane: Array, channel: int, out: Array) -> None:
        if self._look_up is None:
            np.copyto(out, plane)
        else:
            table = self._look_up[channel]
            cv2.LUT(plane, table, dst=out.view(table.dtype))

    def _map_all(self, pixels: Array, out: Array) -> None:
        assert self._look_up is not None
        tables = self._look_up
        alike = bool((tables == tables[0]).all())
        table = tables[0] if alike else np.ascontiguousarray(tables.T)[None]
        cv2.LUT(pixels, table, dst=out.view(table.dtype))


def _free(geometry: Geometry) -> Iterator[tuple[slice, slice]]:
    """The strips above, below, left and right of the content."""
    bottom = geometry.top + geometry.content_height
    right = geometry.left + geometry.content_width
    if geometry.top:
        yield slice(0, geometry.top), slice(None)
    if bottom < geometry.height:
        yield slice(bottom, geometry.height), slice(None)
    if geometry.left:
        yield slice(geometry.top, bottom), slice(0, geometry.left)
    if right < geometry.width:
        yield slice(geometry.top, bottom), slice(right, geometry.width)
