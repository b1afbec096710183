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

from typing import Any

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


_OVERRIDES, _SUBSCRIPTION = "qos_overrides.", ".subscription."
_POLICIES: dict[str, dict[str, Any]] = {
    "history": {kind.name.lower(): kind for kind in HistoryPolicy if kind.name != "UNKNOWN"},
    "depth": {},
    "reliability": {name: ReliabilityPolicy[name.upper()] for name in RELIABILITIES},
}
"""What each may be; empty: a whole number."""


def with_overrides(node: Node, topic: str, qos: QoSProfile) -> QoSProfile:
    """With what the parameters ``qos_overrides.<topic>.subscription.*`` say; `topic` is resolved.

    Raises `ConfigError` for a value that the policy does not have.
    """
    for policy in _POLICIES:
        name = f"{_OVERRIDES}{topic}{_SUBSCRIPTION}{policy}"
        if node.has_parameter(name):
            _override(qos, policy, name, node.get_parameter(name).value)
    return qos


def _override(qos: QoSProfile, policy: str, name: str, value: Any) -> None:
    kinds = _POLICIES[policy]
    good = str(value) in kinds if kinds else type(value) is int and value > 0
    if not good:
        accepted = " | ".join(kinds) or "integer 1 or more"
        raise ConfigError(f"parameter '{name}' is {value!r}; accepted: {accepted}")
    setattr(qos, policy, kinds.get(value, value))


def overridden_topic(name: str) -> str:
    """The topic whose subscription a parameter overrides; "" for any other parameter."""
    topic, found, _ = name.removeprefix(_OVERRIDES).rpartition(_SUBSCRIPTION)
    return topic if found and name.startswith(_OVERRIDES) else ""


def check_override(name: str, value: Any) -> None:
    """Raises `ConfigError` for an override of a subscription that would do nothing."""
    policy = name.rpartition(".")[2]
    if policy not in _POLICIES:
        raise ConfigError(f"parameter '{name}' is not known; accepted: {', '.join(_POLICIES)}")
    _override(QoSProfile(depth=1), policy, name, value)
