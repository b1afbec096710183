# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Quality of service: what is offered and asked for, by the field's habits.

Images: best effort by default, because a reliable subscription hears nothing from a best-effort
camera.  Results: reliable.  Facts about a model: latched.
"""

from __future__ import annotations

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

RELIABILITIES = ("best_effort", "reliable", "best_available")

RESULTS = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=10, reliability=ReliabilityPolicy.RELIABLE
)
LATCHED = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)


def image_qos(reliability: str, depth: int) -> QoSProfile:
    """For an image subscription; `reliability` is one of `RELIABILITIES`."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy[reliability.upper()],
    )
