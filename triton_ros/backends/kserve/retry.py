# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What may be asked again, and when: decisions only."""

from __future__ import annotations

from triton_ros.backends.kserve.failure import RemoteFailure


def backoff_s(turn: int, base_s: float, most_s: float, random: float) -> float:
    """How long to wait before the turn (1 is the first retry): doubled each time, bounded, with
    jitter; `random` is 0..1.  Half of it at least, so that it is a pause at all.
    """
    doubled = base_s * 2.0 ** min(turn - 1, 60)
    return min(doubled, most_s) * (0.5 + 0.5 * random)


def may_repeat(failure: RemoteFailure, retry_on: str, in_sequence: bool) -> bool:
    """Whether the same request may be sent again, to this server or the next.

    What never reached a server always may.  What may have been executed only where `retry_on` says
    so, and never within a sequence: its state would count the request twice.
    """
    if not failure.sent:
        return True
    return retry_on == "unavailable" and not in_sequence
