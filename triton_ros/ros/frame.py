# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A frame on its way through a stream, and what is ready to be published for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from std_msgs.msg import Header

from triton_ros.core.request import InferenceResponse
from triton_ros.ros.image_cdr import FrameHeader
from triton_ros.ros.output_kinds import OutputKind
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
    deadline_ns: int | None = None
    """Until when it is worth an answer, on the server's clock."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said of a frame, what that fills, and the messages that were built, by topic."""

    frame: Frame
    response: InferenceResponse
    header: Header
    kinds: list[OutputKind]
    messages: dict[str, Any]

    @property
    def count(self) -> int:
        """How many things were found."""
        message = self.messages.get("detections")
        return len(message.detections) if message is not None else 0
