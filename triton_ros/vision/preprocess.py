# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A whole frame as a `TensorSource`: resized and normalised into the slot it will run in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from triton_ros.core.tensor import Array
from triton_ros.vision.geometry import Geometry
from triton_ros.vision.image import Image
from triton_ros.vision.input_plan import InputPlan


@dataclass(frozen=True, slots=True)
class FrameSource:
    """One frame on its way into a model's input."""

    plan: InputPlan
    image: Image
    geometry: Geometry

    @property
    def shape(self) -> tuple[int, ...]:
        return self.plan.shape(self.geometry.height, self.geometry.width)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.plan.writer.dtype

    def write(self, out: Array) -> None:
        """Fill `out`; raises `ImageError` for a frame that cannot be decoded, or has no depth.

        Enlarged and shrunk bilinearly, as the models' own training did.
        """
        target = out[0] if self.plan.leading_one else out
        geometry, writer = self.geometry, self.plan.writer
        pixels, order = self.plan.pixels_of(self.image)
        if part := geometry.part:
            pixels = pixels[part.top : part.top + part.height, part.left : part.left + part.width]
        # Depth knows no value between a near thing and the wall behind it.
        how = cv2.INTER_NEAREST if order == "depth" else cv2.INTER_LINEAR
        top, left = geometry.top, geometry.left
        size = geometry.content_width, geometry.content_height
        if not geometry.is_filled:
            writer.fill(target, geometry, self.plan.fill)
        if pixels.shape[1::-1] == size:
            writer.write(pixels, order, target, top, left)
        elif writer.takes(order):
            inside = target[top : top + size[1], left : left + size[0]]
            cv2.resize(pixels, size, dst=inside, interpolation=how)
        else:
            writer.write(cv2.resize(pixels, size, interpolation=how), order, target, top, left)
