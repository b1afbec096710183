# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether a frame is wanted at all when it comes: not too old, and not one too many.

Decisions only, on times that are handed in (ROS time: a bag's or a simulation's own).  Time that
jumps back, as at the start of a bag's next round, begins anew; it never shuts a stream.
"""

from __future__ import annotations

JITTER = 0.3
"""A frame may come by this share of a period too early: cameras are not that punctual."""
BACK_NS = 100_000_000
"""Stamps that go back by more than this are another beginning; less is two frames out of order."""


class RateLimit:
    """Lets `max_rate_hz` frames a second through; 0 lets all.  The caller holds a lock."""

    def __init__(self) -> None:
        self._due_ns: float | None = None

    def allows(self, now_ns: int, max_rate_hz: float) -> bool:
        """Whether a frame at this time may go; if so, it counts."""
        if not max_rate_hz:
            self._due_ns = None
            return True
        period = 1e9 / max_rate_hz
        due = self._due_ns
        if due is None or abs(due - now_ns) > 2 * period:  # the first, after a pause, or a jump
            self._due_ns = now_ns + period
            return True
        if now_ns < due - JITTER * period:
            return False
        self._due_ns = max(due, now_ns) + period
        return True


class Stamps:
    """Follows a stream's stamps to see when they begin anew.  The caller holds a lock."""

    def __init__(self) -> None:
        self._newest_ns = 0

    def began_anew(self, stamp_ns: int) -> bool:
        """Whether this stamp lies well before the newest one; one of zero says nothing."""
        if not stamp_ns:
            return False
        back = stamp_ns < self._newest_ns - BACK_NS
        self._newest_ns = stamp_ns if back else max(self._newest_ns, stamp_ns)
        return back


def age_ns(stamp_ns: int, now_ns: int) -> int:
    """How old a frame is; 0 for one without a stamp, or one from a clock that is ahead."""
    return max(0, now_ns - stamp_ns) if stamp_ns else 0
