# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What became of a stream's frames, as numbers for whoever shows them.

The streams are the skin's (ROS); who publishes metrics knows only this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class StreamFigures:
    """Counters since the stream began: `received` = `published` + all of `dropped` + `waiting`."""

    name: str
    received: int
    published: int
    dropped: Mapping[str, int] = field(default_factory=dict)
    """By reason."""
    newest_result_age_s: float = 0.0
    """Seconds since the newest result; since the stream began if there is none."""

    @property
    def waiting(self) -> int:
        """Frames that are queued or running."""
        return self.received - self.published - sum(self.dropped.values())
