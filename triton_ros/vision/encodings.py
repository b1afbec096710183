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

Order: TypeAlias = Literal["rgb", "bgr", "rgba", "bgra", "gray"]
"""The channel order of an 8-bit array; gray has no channel axis."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a raw encoding is stored, and what makes 8-bit pixels of it where they are not."""

    channels: int
    order: Order
    dtype: str = "u1"
    convert: Callable[[Array], Array] | None = None


def _cvt(code: int) -> Callable[[Array], Array]:
    return lambda pixels: cv2.cvtColor(pixels, code)


def _high_byte(pixels: Array) -> Array:
    # cv_bridge's own rule, 65535 -> 255 with rounding; also undoes a foreign byte order.
    return cv2.convertScaleAbs(pixels.astype(np.uint16, copy=False), alpha=255 / 65535)


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
}


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
    """8-bit pixels in another order; the array itself when it already is and `out` is None."""
    if order == wanted:
        if out is None:
            return pixels
        np.copyto(out, pixels)
        return out
    return cv2.cvtColor(pixels, _CODES[order, wanted], dst=out)
