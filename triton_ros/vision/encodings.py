# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How raw pixels are stored, by the names of `sensor_msgs/image_encodings`, and how to convert."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import cv2
import numpy as np

from triton_ros.core.tensor import Array

Order: TypeAlias = Literal["rgb", "bgr", "rgba", "bgra", "gray", "depth"]
"""The channel order of an 8-bit array; gray has no channel axis.  Depth is float32 metres [h, w]
with NaN where there is none.
"""


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a raw encoding is stored, and what makes 8-bit pixels of it where they are not."""

    channels: int
    order: Order
    dtype: str = "u1"
    convert: Callable[[Array], Array] | None = None
    planes: bool = False
    """YUV 4:2:0: below the rows of Y come half as many of U and V."""

    def rows(self, height: int) -> int:
        """Rows of data of an image of this height."""
        return height * 3 // 2 if self.planes else height


def _cvt(code: int) -> Callable[[Array], Array]:
    return lambda pixels: cv2.cvtColor(pixels, code)


def _high_byte(pixels: Array) -> Array:
    # cv_bridge's own rule, 65535 -> 255 with rounding; also undoes a foreign byte order.
    return cv2.convertScaleAbs(pixels.astype(np.uint16, copy=False), alpha=255 / 65535)


def _wide_bayer(code: int) -> Callable[[Array], Array]:
    return lambda pixels: cv2.cvtColor(_high_byte(pixels), code)


def millimetres(pixels: Array) -> Array:
    """uint16 millimetres, 0 for none (REP 118), as metres with NaN for none."""
    metres = pixels.astype(np.float32)
    metres /= 1000
    metres[pixels == 0] = np.nan
    return metres


def _metres(pixels: Array) -> Array:
    found = pixels.astype(np.float32)  # in this machine's byte order, and not the message's bytes
    found[~((found > 0) & np.isfinite(found))] = np.nan
    return found


_UYVY = Encoding(2, "bgr", convert=_cvt(cv2.COLOR_YUV2BGR_UYVY))
_YUYV = Encoding(2, "bgr", convert=_cvt(cv2.COLOR_YUV2BGR_YUY2))
# OpenCV names a Bayer pattern after its second row, ROS after its first.
RAW = {
    "rgb8": Encoding(3, "rgb"),
    "bgr8": Encoding(3, "bgr"),
    "rgba8": Encoding(4, "rgba"),
    "bgra8": Encoding(4, "bgra"),
    "mono8": Encoding(1, "gray"),
    "mono16": Encoding(1, "gray", "u2", _high_byte),
    "8UC1": Encoding(1, "gray"),
    "8UC3": Encoding(3, "bgr"),
    "8UC4": Encoding(4, "bgra"),
    "yuv422": _UYVY,
    "uyvy": _UYVY,
    "yuv422_yuy2": _YUYV,
    "yuyv": _YUYV,
    "bayer_rggb8": Encoding(1, "bgr", convert=_cvt(cv2.COLOR_BayerBG2BGR)),
    "bayer_bggr8": Encoding(1, "bgr", convert=_cvt(cv2.COLOR_BayerRG2BGR)),
    "bayer_gbrg8": Encoding(1, "bgr", convert=_cvt(cv2.COLOR_BayerGR2BGR)),
    "bayer_grbg8": Encoding(1, "bgr", convert=_cvt(cv2.COLOR_BayerGB2BGR)),
    "bayer_rggb16": Encoding(1, "bgr", "u2", _wide_bayer(cv2.COLOR_BayerBG2BGR)),
    "bayer_bggr16": Encoding(1, "bgr", "u2", _wide_bayer(cv2.COLOR_BayerRG2BGR)),
    "bayer_gbrg16": Encoding(1, "bgr", "u2", _wide_bayer(cv2.COLOR_BayerGR2BGR)),
    "bayer_grbg16": Encoding(1, "bgr", "u2", _wide_bayer(cv2.COLOR_BayerGB2BGR)),
    "rgb16": Encoding(3, "rgb", "u2", _high_byte),
    "bgr16": Encoding(3, "bgr", "u2", _high_byte),
    "rgba16": Encoding(4, "rgba", "u2", _high_byte),
    "bgra16": Encoding(4, "bgra", "u2", _high_byte),
    "nv12": Encoding(1, "bgr", convert=_cvt(cv2.COLOR_YUV2BGR_NV12), planes=True),
    "nv21": Encoding(1, "bgr", convert=_cvt(cv2.COLOR_YUV2BGR_NV21), planes=True),
    "16UC1": Encoding(1, "depth", "u2", millimetres),
    "32FC1": Encoding(1, "depth", "f4", _metres),
}


DEPTH_RANGE = (0.3, 10.0)
"""Metres that a model which wants pixels sees, unless its vision.yaml says others."""


def depth_to_gray(metres: Array, near: float, far: float) -> Array:
    """uint8 [h, w]: 255 for `near` and nearer, 1 for `far` and farther, 0 where there is none."""
    share = np.clip((far - metres) / (far - near), 0, 1)
    gray = np.rint(1 + 254 * np.nan_to_num(share)).astype(np.uint8)
    gray[np.isnan(metres)] = 0
    return gray


_CODES: dict[tuple[str, str], int] = {
    ("rgb", "bgr"): cv2.COLOR_RGB2BGR,
    ("rgb", "gray"): cv2.COLOR_RGB2GRAY,
    ("bgr", "rgb"): cv2.COLOR_BGR2RGB,
    ("bgr", "gray"): cv2.COLOR_BGR2GRAY,
    ("rgba", "rgb"): cv2.COLOR_RGBA2RGB,
    ("rgba", "bgr"): cv2.COLOR_RGBA2BGR,
    ("rgba", "gray"): cv2.COLOR_RGBA2GRAY,
    ("bgra", "rgb"): cv2.COLOR_BGRA2RGB,
    ("bgra", "bgr"): cv2.COLOR_BGRA2BGR,
    ("bgra", "gray"): cv2.COLOR_BGRA2GRAY,
    ("gray", "rgb"): cv2.COLOR_GRAY2RGB,
    ("gray", "bgr"): cv2.COLOR_GRAY2BGR,
}


def convert(pixels: Array, order: Order, wanted: Order, out: Array | None = None) -> Array:
    """8-bit pixels in another order; the array itself when it already is and `out` is None.

    Depth becomes a picture of `DEPTH_RANGE`.
    """
    if order == "depth" and wanted != "depth":
        pixels, order = depth_to_gray(pixels, *DEPTH_RANGE), "gray"
    if order == wanted:
        if out is None:
            return pixels
        np.copyto(out, pixels)
        return out
    return cv2.cvtColor(pixels, _CODES[order, wanted], dst=out)
