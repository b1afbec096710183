# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Frames of a recorded video, as a camera of a bag would have seen them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from demo.scenes import Picture

MEDIA = Path(__file__).resolve().parent.parent / "build/media"


def frames(path: Path, count: int, start: int = 0, step: int = 1) -> Iterator[Picture]:
    """`count` frames, each `step`-th from `start` on, RGB [height, width, 3].

    Raises `FileNotFoundError` or, for a video that ends before, `ValueError`.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no {path.name} in build/media: run `make models`")
    video = cv2.VideoCapture(str(path))
    try:
        for number in range(start + (count - 1) * step + 1):
            good, bgr = video.read()
            if not good:
                raise ValueError(f"{path.name} ends before frame {number}")
            if number >= start and (number - start) % step == 0:
                yield np.ascontiguousarray(bgr[..., ::-1])
    finally:
        video.release()
