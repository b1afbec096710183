# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A frame in a letterbox, and what the tests of dense heads do with it."""

from __future__ import annotations

from typing import Any

import numpy as np

from triton_ros.core.tensor import Array
from triton_ros.vision.processor import VisionProcessor

FRAME = np.zeros((60, 120, 3), np.uint8)
"""Twice as wide as high: a letterbox of 64 x 64 has it in rows 16 to 48, 32 / 60 its size."""
BOXED = "input: {resize: letterbox, layout: nchw}\n"
INPUT = {"x": ("UINT8", (3, 64, 64))}
SCALE = 64 / 120


def finish(processor: VisionProcessor, row: dict[str, Array], **inputs: Any) -> dict[str, Array]:
    work = processor.prepare({"IMAGE": FRAME, **inputs}, {})
    return processor.finish(work, [row] * len(work.elements))


def to_input(points: Any) -> Array:
    """Points (x, y) of the frame in the letterboxed input."""
    return np.asarray(points, np.float64) * SCALE + (0, 16)


BOXES = np.array([[10, 10, 50, 50], [40, 20, 110, 55]], np.float64)
"""Of the frame; the second is surer and lies on top."""
