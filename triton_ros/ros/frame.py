# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A frame on its way through a stream, and what is ready to be published for it."""

from __future__ import annotations

from dataclasses import dataclass

from vision_msgs.msg import Detection2DArray

from triton_ros.core.request import InferenceResponse
from triton_ros.ros.image_cdr import FrameHeader
from triton_ros.vision.image import Image


@dataclass(slots=True)
class Frame:
    """A frame from reception to publication."""

    header: FrameHeader
    image: Image
    received_ns: int
    """On the server's clock."""
    number: int = -1
    """Its place in the order of answers."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said of a frame, and the message that says so."""

    frame: Frame
    response: InferenceResponse
    message: Detection2DArray
