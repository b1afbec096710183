# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Triton's `ModelOptimizationPolicy` message -> our typed one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from triton_ros.core.config.config_lines import placed
from triton_ros.core.config.config_schema import enum_name, schema
from triton_ros.core.config.optimization_config import Accelerator, Optimization, SecondaryDevice


def optimization(message: Any) -> Optimization:
    """The `optimization` of a `ModelConfig` message; raises `ConfigError`."""
    policy = message.optimization
    pinned = {
        side: not policy.HasField(side) or getattr(policy, side).enable
        for side in ("input_pinned_memory", "output_pinned_memory")
    }
    with placed("optimization"):
        gpu, cpu = (
            _accelerators(side, getattr(policy.execution_accelerators, side))
            for side in ("gpu_execution_accelerator", "cpu_execution_accelerator")
        )
        return Optimization(
            policy.graph.level,
            gpu,
            cpu,
            policy.cuda.graphs,
            policy.cuda.busy_wait_events,
            **pinned,
            stated=frozenset(_stated(policy)),
        )


def _accelerators(side: str, messages: Iterable[Any]) -> tuple[Accelerator, ...]:
    found = []
    for index, message in enumerate(messages):
        with placed("execution_accelerators", side, index):
            found.append(Accelerator(message.name, dict(message.parameters)))
    return tuple(found)


def _stated(policy: Any, place: str = "") -> Iterable[str]:
    """The leaves that are set: ``cuda.graphs``, ``execution_accelerators.gpu_...``."""
    for field, value in policy.ListFields():
        name = f"{place}{field.name}"
        if hasattr(value, "ListFields") and not name.endswith("pinned_memory"):
            yield from _stated(value, f"{name}.") if value.ListFields() else (name,)
        else:
            yield name


def secondary_devices(group: Any) -> tuple[SecondaryDevice, ...]:
    """The `secondary_devices` of a `ModelInstanceGroup` message; raises `ConfigError`."""
    kinds = schema().ModelInstanceGroup.SecondaryDevice.SecondaryDeviceKind
    found = []
    for index, device in enumerate(group.secondary_devices):
        with placed("secondary_devices", index):
            kind = enum_name(kinds, device.kind, "instance_group.secondary_devices.kind")
            found.append(SecondaryDevice(kind, device.device_id))
    return tuple(found)
