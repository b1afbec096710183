# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Quality of service: what is offered and asked for, by the field's habits.

Images: best effort by default, because a reliable subscription hears nothing from a best-effort
camera.  Results: reliable.  Facts about a model: latched.

ROS's own overrides (``qos_overrides.<topic>.subscription.<policy>``) are applied here and not by
rclpy, which declares them read-only at the first subscription of a topic and so would keep a stream
from changing its own later.
"""

from __future__ import annotations

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from triton_ros.core.errors import ConfigError

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


def blocking_qos() -> QoSProfile:
    """For a subscription whose callback may wait: the middleware keeps what comes meanwhile."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_ALL, depth=1, reliability=ReliabilityPolicy.RELIABLE
    )


_POLICIES = {"history": HistoryPolicy, "reliability": ReliabilityPolicy}


def with_overrides(node: Node, topic: str, qos: QoSProfile) -> QoSProfile:
    """With what the parameters ``qos_overrides.<topic>.subscription.*`` say; `topic` is resolved.

    Raises `ConfigError` for a value that the policy does not have.
    """
    for policy in ("history", "depth", "reliability"):
        name = f"qos_overrides.{topic}.subscription.{policy}"
        if not node.has_parameter(name):
            continue
        value = node.get_parameter(name).value
        try:
            setattr(qos, policy, _POLICIES[policy][value.upper()] if policy in _POLICIES else value)
        except (AssertionError, AttributeError, KeyError, ValueError):
            kinds = [kind.name.lower() for kind in _POLICIES.get(policy, ()) if kind.value < 90]
            accepted = ", ".join(kinds) or "a whole number of 0 or more"
            raise ConfigError(f"parameter '{name}' is {value!r}; accepted: {accepted}") from None
    return qos
