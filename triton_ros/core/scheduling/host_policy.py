# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which CPU cores an instance's thread may use: Triton's ``--host-policy``.

A policy has a name; an instance group names it in `host_policy`, else the one called ``cpu`` is
its, ``gpu_<id>`` on a GPU or ``model`` for KIND_MODEL.  Threads that a runtime starts while a model
loads inherit the policy of the group, because it loads under it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from triton_ros.core.config.model_config import InstanceGroup, InstanceKind
from triton_ros.core.errors import ConfigError

_MOST_CORES = 1024
"""What an affinity mask holds."""

_NODES = Path("/sys/devices/system/node")


@dataclass(frozen=True, slots=True)
class HostPolicy:
    """A named set of cores."""

    name: str
    cpu_cores: frozenset[int]

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Bind the calling thread for the time of a block."""
        before = os.sched_getaffinity(0)
        enter(self)
        try:
            yield
        finally:
            os.sched_setaffinity(0, before)


def enter(policy: HostPolicy | None) -> None:
    """Bind the calling thread to a policy's cores; to all that the process may use without one."""
    os.sched_setaffinity(0, policy.cpu_cores if policy else os.sched_getaffinity(os.getpid()))


HostPolicies = Mapping[str, HostPolicy]


def parse_host_policies(settings: Sequence[str], nodes: Path = _NODES) -> dict[str, HostPolicy]:
    """Policies from Triton's words: ``<name>,cpu-cores=0-3`` or ``<name>,numa-node=0``.

    Raises `ConfigError` that names the setting for a wrong form, a core or a node that the process
    may not use.
    """
    cores: dict[str, frozenset[int]] = {}
    for setting in settings:
        name, _, rest = setting.partition(",")
        key, _, value = rest.partition("=")
        if not name or key not in ("cpu-cores", "numa-node") or not value:
            raise ConfigError(
                f"host_policy '{setting}': accepted are <name>,cpu-cores=<first>-<last> and"
                " <name>,numa-node=<number>"
            )
        found = _cores(value, setting) if key == "cpu-cores" else _node(value, setting, nodes)
        cores[name] = cores.get(name, found) & found
    usable = os.sched_getaffinity(0)
    for name, wanted in cores.items():
        if not wanted or not wanted <= usable:
            raise ConfigError(
                f"host_policy '{name}' has cores {sorted(wanted)}; this process may use"
                f" {sorted(usable)}"
            )
    return {name: HostPolicy(name, wanted) for name, wanted in cores.items()}


def policy_of(group: InstanceGroup, device: int, policies: HostPolicies) -> HostPolicy | None:
    """The policy of an instance; raises `ConfigError` for a name that was not defined."""
    if group.host_policy and group.host_policy not in policies:
        raise ConfigError(
            f"instance_group '{group.name}': host_policy '{group.host_policy}' is not defined;"
            f" defined are {', '.join(policies) or 'none'}"
        )
    default = {InstanceKind.KIND_MODEL: "model", InstanceKind.KIND_GPU: f"gpu_{device}"}
    return policies.get(group.host_policy or default.get(group.kind, "cpu"))


def _cores(value: str, setting: str) -> frozenset[int]:
    cores: set[int] = set()
    for part in value.split(","):
        first, _, last = part.strip().partition("-")
        if not first.isdigit() or (last and not last.isdigit()):
            raise ConfigError(
                f"host_policy '{setting}': '{part}' is neither a core nor a range like 0-3"
            )
        highest = int(last or first)
        if not int(first) <= highest < _MOST_CORES:
            raise ConfigError(
                f"host_policy '{setting}': '{part}' is no range of cores 0 to {_MOST_CORES - 1}"
            )
        cores.update(range(int(first), highest + 1))
    return frozenset(cores)


def _node(value: str, setting: str, nodes: Path) -> frozenset[int]:
    path = nodes / f"node{value}" / "cpulist"
    if not value.isdigit() or not path.exists():
        known = sorted(p.name.removeprefix("node") for p in nodes.glob("node[0-9]*"))
        raise ConfigError(
            f"host_policy '{setting}': there is no NUMA node {value};"
            f" there are {', '.join(known) or 'none'}"
        )
    return _cores(path.read_text(encoding="ascii").strip(), setting)
