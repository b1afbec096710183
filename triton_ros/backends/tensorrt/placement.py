# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a configuration and a plan have to agree on: devices, DLA cores, profiles, batches."""

from __future__ import annotations

from collections.abc import Sequence

from triton_ros.backends.tensorrt.engine import EngineFacts
from triton_ros.core.backend import Signature
from triton_ros.core.config.config_lines import PlacedError
from triton_ros.core.config.model_config import InstanceGroup, InstanceKind, ModelConfig


def check_group(config: ModelConfig, index: int, group: InstanceGroup) -> None:
    if group.kind is InstanceKind.KIND_CPU:
        raise PlacedError(
            f"model '{config.name}': TensorRT does not run on the CPU; accepted: KIND_GPU (or"
            " KIND_AUTO on a machine that has a GPU)",
            *("instance_group", index, "kind"),
        )
    if len(group.secondary_devices) > 1:
        raise PlacedError(
            f"model '{config.name}': an instance group runs on one DLA core, this names"
            f" {len(group.secondary_devices)}: make a group for each",
            *("instance_group", index, "secondary_devices"),
        )


def dla_core(group: InstanceGroup) -> int | None:
    return group.secondary_devices[0].device_id if group.secondary_devices else None


def signature_of(config: ModelConfig, own: EngineFacts, profiles: Sequence[int]) -> Signature:
    """With the largest batch that the profiles take, if the plan has a batch."""
    largest = max(
        min(own.profiles[index][t.spec.name].high[0] for t in own.inputs) if own.is_batched else 0
        for index in profiles
    )
    if config.max_batch_size > largest > 0:
        raise PlacedError(
            f"model '{config.name}' has max_batch_size {config.max_batch_size}, but the plan's"
            f" profiles take batches of {largest} or less",
            "max_batch_size",
        )
    return Signature(
        tuple(tensor.spec for tensor in own.inputs),
        tuple(tensor.spec for tensor in own.outputs),
        batchable=own.is_batched and bool(own.inputs),
        metadata={f"layers on {device}": str(count) for device, count in own.layers.items()},
        max_batch_size=largest,
    )


def profiles_of(
    config: ModelConfig, own: EngineFacts, groups: Sequence[InstanceGroup]
) -> tuple[int, ...]:
    """Those that the groups name, or the first."""
    names = [name for group in groups for name in group.profile] or ["0"]
    count = len(own.profiles)
    for name in names:
        if not name.isdigit() or int(name) >= count:
            raise PlacedError(
                f"model '{config.name}': instance_group.profile '{name}' is none of the"
                f" plan's; accepted: {', '.join(map(str, range(count)))}",
                *("instance_group", 0, "profile"),
            )
    return tuple(dict.fromkeys(int(name) for name in names))
