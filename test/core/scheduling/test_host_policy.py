# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Cores by name: what is understood, what is refused, and that a thread really is bound."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from triton_ros.core.config.model_config import InstanceGroup, InstanceKind
from triton_ros.core.errors import ConfigError
from triton_ros.core.scheduling.host_policy import HostPolicy, enter, parse_host_policies, policy_of

CORE = min(os.sched_getaffinity(0))


def test_cores_of_a_range_and_of_a_node(tmp_path: Path) -> None:
    (tmp_path / "node0").mkdir()
    (tmp_path / "node0" / "cpulist").write_text(f"{CORE}\n")
    policies = parse_host_policies(
        [f"cpu,cpu-cores={CORE}-{CORE}", "far,numa-node=0"], nodes=tmp_path
    )
    assert policies == {
        "cpu": HostPolicy("cpu", frozenset({CORE})),
        "far": HostPolicy("far", frozenset({CORE})),
    }


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("cpu", "accepted are <name>,cpu-cores=<first>-<last>"),
        ("cpu,cores=1", "accepted are"),
        ("cpu,cpu-cores=", "accepted are"),
        ("cpu,cpu-cores=a-b", "'a-b' is neither a core nor a range"),
        ("cpu,cpu-cores=1000", "has cores [1000]; this process may use"),
        ("cpu,cpu-cores=0-99999999999", "'0-99999999999' is no range of cores 0 to 1023"),
        ("cpu,cpu-cores=3-1", "'3-1' is no range of cores"),
        ("cpu,numa-node=77", "there is no NUMA node 77; there are none"),
    ],
)
def test_refused(setting: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_host_policies([setting], nodes=tmp_path)
    assert message in str(caught.value)
    assert "host_policy '" in str(caught.value)


def test_a_group_has_its_own_policy_or_that_of_its_kind() -> None:
    policies = {name: HostPolicy(name, frozenset({CORE})) for name in ("cpu", "gpu_1", "mine")}
    cases = [
        (InstanceGroup(), 0, "cpu"),
        (InstanceGroup(kind=InstanceKind.KIND_GPU), 1, "gpu_1"),
        (InstanceGroup(kind=InstanceKind.KIND_GPU), 0, None),
        (InstanceGroup(kind=InstanceKind.KIND_MODEL), 0, None),
        (InstanceGroup(host_policy="mine"), 0, "mine"),
    ]
    for group, device, name in cases:
        found = policy_of(group, device, policies)
        assert (found.name if found else None) == name
    with pytest.raises(ConfigError, match="host_policy 'yours' is not defined; defined are cpu"):
        policy_of(InstanceGroup(host_policy="yours"), 0, policies)


def test_a_thread_is_bound_and_free_again() -> None:
    seen = []

    def work() -> None:
        everywhere = os.sched_getaffinity(0)
        policy = HostPolicy("one", frozenset({CORE}))
        with policy.entered():
            seen.append(os.sched_getaffinity(0) == {CORE})
        seen.append(os.sched_getaffinity(0) == everywhere)
        enter(policy)
        seen.append(os.sched_getaffinity(0) == {CORE})
        enter(None)
        seen.append(os.sched_getaffinity(0) == everywhere)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [True] * 4
