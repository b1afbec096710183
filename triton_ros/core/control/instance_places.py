# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Where a model's instances live: device, cores, and what each needs to execute.

The CPU thread budget (`ServerOptions.cpu_thread_budget`, ours) is a resource of the rate limiter
that every instance on the CPU needs as many units of as it has threads.  So many models on a small
CPU take turns, each at full speed, instead of all fighting for the cores.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from triton_ros.core.config.config_lines import PlacedError, placed
from triton_ros.core.config.model_config import InstanceGroup, InstanceKind, ModelConfig
from triton_ros.core.config.scheduling_config import RateLimiterConfig, Resource
from triton_ros.core.control.model_source import anonymous
from triton_ros.core.errors import ConfigError
from triton_ros.core.scheduling.host_policy import HostPolicies, HostPolicy, policy_of

CPU_THREADS = "cpu_threads"
"""The resource of the CPU thread budget."""

_THREAD_PARAMETERS = (
    "intra_op_thread_count",
    "num_threads",
    "INFERENCE_NUM_THREADS",
    "INTRA_OP_THREAD_COUNT",
    "TF_NUM_INTRA_THREADS",
)
"""As the backends call them."""
_PROC = Path("/proc/driver/nvidia/gpus")
_JETSON = (Path("/dev/nvhost-gpu"), Path("/dev/nvgpu"))

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Place:
    """One instance that is to be."""

    group: InstanceGroup
    """With what the rate limiter is to ask of it."""
    device: int = 0
    host_policy: HostPolicy | None = None

    @property
    def likeness(self) -> tuple[InstanceGroup, int]:
        """The same for instances that can stand in for each other."""
        return anonymous(self.group), self.device


def count_gpus(proc: Path = _PROC, jetson: Sequence[Path] = _JETSON) -> int:
    """The NVIDIA GPUs that this process may use: what CUDA, which has to be loaded for it, counts.

    ``CUDA_VISIBLE_DEVICES`` lists them, and ends at the first that there is not.
    """
    if proc.is_dir():
        count = len(list(proc.iterdir()))
    else:
        count = int(any(path.exists() for path in jetson))
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if listed is None:
        return count
    visible = 0
    for entry in (text.strip() for text in listed.split(",")):
        is_there = int(entry) < count if entry.isdigit() else entry.startswith(("GPU-", "MIG-"))
        if not is_there or visible == count:
            break
        visible += 1
    return visible


def resolve_groups(config: ModelConfig, gpus: int) -> ModelConfig:
    """The configuration with groups for a machine of so many GPUs.

    KIND_AUTO becomes KIND_CPU where a GPU is missing, else it stays: whether to use the GPU is then
    up to the runtime, which may have no support for it.  Raises `ConfigError` for a KIND_GPU that
    cannot be.
    """
    groups = []
    for index, group in enumerate(config.instance_group):
        with placed("instance_group", index):
            groups.append(_resolved(config.name, group, gpus, index))
    return config.with_changes(instance_group=tuple(groups))


def _resolved(model: str, group: InstanceGroup, gpus: int, index: int) -> InstanceGroup:
    missing = [gpu for gpu in group.gpus if gpu >= gpus]
    if group.kind is InstanceKind.KIND_AUTO and (missing or not gpus):
        return replace(group, kind=InstanceKind.KIND_CPU, gpus=())
    if group.kind is not InstanceKind.KIND_GPU:
        return group
    place = f"instance group {group.name or f'{model}_{index}'} of model {model}"
    if not gpus:
        raise PlacedError(f"{place} has kind KIND_GPU but no GPUs are available", "kind")
    if missing:
        raise PlacedError(
            f"{place} specifies invalid or unsupported gpu id {missing[0]}; there are"
            f" {', '.join(map(str, range(gpus)))}",
            "gpus",
        )
    return replace(group, gpus=group.gpus or tuple(range(gpus)))


def places(
    config: ModelConfig, policies: HostPolicies, rate_limit: bool, cpu_thread_budget: int
) -> tuple[Place, ...]:
    """One for each instance of a resolved configuration."""
    return tuple(
        Place(
            replace(group, rate_limiter=_limits(config, group, rate_limit, cpu_thread_budget)),
            device,
            checked_policy(config, index, group, device, policies),
        )
        for index, group in enumerate(config.instance_group)
        for device in group.gpus or (0,)
        for _ in range(group.count)
    )


def checked_policy(
    config: ModelConfig, index: int, group: InstanceGroup, device: int, policies: HostPolicies
) -> HostPolicy | None:
    """The policy of an instance of the group with this index; raises `ConfigError` for a name that
    was not defined.
    """
    try:
        return policy_of(group, device, policies)
    except ConfigError as error:
        place = ("instance_group", index, "host_policy")
        raise PlacedError(f"model '{config.name}', {error}", *place) from None


def _limits(
    config: ModelConfig, group: InstanceGroup, rate_limit: bool, budget: int
) -> RateLimiterConfig:
    limits = group.rate_limiter if rate_limit else RateLimiterConfig()
    if not budget or group.kind is not InstanceKind.KIND_CPU:
        return limits
    threads = min(configured_threads(config), budget)
    return replace(limits, resources=(*limits.resources, Resource(CPU_THREADS, threads, True)))


def configured_threads(config: ModelConfig) -> int:
    """The threads that an instance executes with; 1 unless the model's parameters say so."""
    for name in _THREAD_PARAMETERS:
        text = config.parameters.get(name, "")
        if text.isdigit() and int(text):
            return int(text)
    return 1


def difference(have: Iterable[Place], want: Iterable[Place]) -> tuple[list[Place], list[Place]]:
    """What is to be added, and what is to be removed (the last of their likeness)."""
    have, want = list(have), list(want)
    return _without(want, have), _without(have, want)


def _without(places: Sequence[Place], others: Sequence[Place]) -> list[Place]:
    """The places for which the others have no counterpart."""
    left = Counter(place.likeness for place in others)
    rest = []
    for place in places:
        if left[place.likeness]:
            left[place.likeness] -= 1
        else:
            rest.append(place)
    return rest
