# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a frame, with a word that counters can be named after."""

from __future__ import annotations

from triton_ros.core.errors import InvalidArgumentError

REASONS = ("unsupported_encoding", "bad_size", "bad_step", "empty", "undecodable", "bad_region")

MAX_SIDE = 32766
"""OpenCV's remap and warp take no image that is wider or higher."""

MAX_PIXELS = 1 << 27
"""Of a compressed picture: what it becomes is not limited by what was sent.  0.4 GB of color."""


class ImageError(InvalidArgumentError):
    """A frame that cannot be used; `reason` is one of `REASONS`, fit for a counter's name."""

    def __init__(self, message: str, reason: str = "undecodable") -> None:
        super().__init__(message)
        self.reason = reason

    def within(self, place: str) -> ImageError:
        """The same error with the place in front of its message."""
        return ImageError(f"{place}, {self}", self.reason)
