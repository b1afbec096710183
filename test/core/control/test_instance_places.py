# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Where instances live, and what they share: groups, GPUs, host policies, resources, threads."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest
from fake_backend import TIMEOUT, FakeBackend, Gate, Outcomes, fake, loaded, request, value
from lifecycle_checks import ServeWith, infer, why

from triton_ros.core.config.model_config import InstanceGroup, InstanceKind, ModelConfig
from triton_ros.core.config.scheduling_config import RateLimiterConfig, Resource
from triton_ros.core.control.instance_places import (
    Place,
    configured_threads,
    count_gpus,
    difference,
    places,
    resolve_groups,
)
from triton_ros.core.errors import ConfigError
from triton_ros.core.scheduling.rate_limiter import ANY, parse_resources

AUTO, GPU, CPU, MODEL = (
    InstanceKind.KIND_AUTO,
    InstanceKind.KIND_GPU,
    InstanceKind.KIND_CPU,
    InstanceKind.KIND_MODEL,
)
CORE = min(os.sched_getaffinity(0))


def config(*groups: InstanceGroup, **fields: Any) -> ModelConfig:
    return ModelConfig("m", instance_group=groups, **fields)


# --- GPUs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "listed", "there", "expected"),
    [
        (AUTO, (), 0, (CPU, ())),
        (AUTO, (0,), 0, (CPU, ())),
        (AUTO, (), 2, (AUTO, ())),
        (AUTO, (0, 1), 2, (AUTO, (0, 1))),
        (AUTO, (0, 2), 2, (CPU, ())),
        (GPU, (), 2, (GPU, (0, 1))),
        (GPU, (1,), 2, (GPU, (1,))),
        (CPU, (), 2, (CPU, ())),
        (MODEL, (), 0, (MODEL, ())),
    ],
)
def test_groups_for_a_machine(
    kind: InstanceKind, listed: tuple[int, ...], there: int, expected: tuple[Any, ...]
) -> None:
    asked = InstanceGroup("g", kind, 2, listed, passive=True, host_policy="p")
    (found,) = resolve_groups(config(asked), there).instance_group
    assert (found.kind, found.gpus) == expected
    assert (found.name, found.count, found.passive, found.host_policy) == ("g", 2, True, "p")


@pytest.mark.parametrize(
    ("listed", "there", "message"),
    [
        ((), 0, "instance group g of model m has kind KIND_GPU but no GPUs are available"),
        (
            (0, 5),
            2,
            "instance group g of model m specifies invalid or unsupported gpu id 5; .* 0, 1",
        ),
    ],
)
def test_gpus_that_are_not_there(listed: tuple[int, ...], there: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        resolve_groups(config(InstanceGroup("g", GPU, 1, listed)), there)


def test_counting_gpus(tmp_path: Path) -> None:
    jetson = (tmp_path / "nvgpu",)
    assert count_gpus(tmp_path / "none", jetson) == 0
    jetson[0].touch()
    assert count_gpus(tmp_path / "none", jetson) == 1
    for gpu in ("0000:01:00.0", "0000:02:00.0"):
        (tmp_path / "gpus" / gpu).mkdir(parents=True)
    assert count_gpus(tmp_path / "gpus", ()) == 2


@pytest.mark.parametrize(
    ("visible", "count"),
    [("0", 1), ("1,0", 2), ("", 0), ("-1", 0), ("0,-1,1", 1), ("5,0", 0), ("GPU-8932f937", 1)],
)
def test_gpus_that_cuda_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, visible: str, count: int
) -> None:
    for gpu in ("0000:01:00.0", "0000:02:00.0"):
        (tmp_path / gpu).mkdir()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert count_gpus(tmp_path, ()) == count


def test_no_gpu_no_load(serve_with: ServeWith, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve_with({"m": fake(1, 'instance_group { name: "g" kind: KIND_GPU }')})
    if count_gpus():
        pytest.skip("this machine has a GPU")
    assert "has kind KIND_GPU but no GPUs are available" in str(why(server))


# --- places -------------------------------------------------------------------------------------


def test_one_place_an_instance_and_gpu() -> None:
    asked = config(InstanceGroup("a", GPU, 2, (0, 3)), InstanceGroup("b", CPU))
    found = [(p.group.name, p.device) for p in places(asked, {}, False, 0)]
    assert found == [("a", 0), ("a", 0), ("a", 3), ("a", 3), ("b", 0)]


def test_the_difference_goes_by_likeness() -> None:
    def made(*groups: InstanceGroup) -> list[Place]:
        return list(places(config(*groups), {}, True, 0))

    limited = InstanceGroup("c", CPU, 1, rate_limiter=RateLimiterConfig((Resource("R"),)))
    have = made(InstanceGroup("a", CPU, 3), InstanceGroup("g", GPU, 1, (0,)))
    want = made(InstanceGroup("other", CPU, 2), limited, InstanceGroup("g", GPU, 1, (1,)))
    more, less = difference(have, want)
    assert [(p.group.name, p.device) for p in more] == [("c", 0), ("g", 1)]
    assert [(p.group.name, p.device) for p in less] == [("a", 0), ("g", 0)]


# --- cores --------------------------------------------------------------------------------------


def test_a_model_loads_and_runs_on_its_cores(serve_with: ServeWith, backend: FakeBackend) -> None:
    seen: list[tuple[str, set[int]]] = []
    backend.on_load = lambda name: seen.append((name, os.sched_getaffinity(0)))
    group = 'instance_group { count: 1 kind: KIND_CPU host_policy: "one" }'
    server = serve_with(
        {"m": fake(1, group), "free": fake(1)}, host_policy=(f"one,cpu-cores={CORE}",)
    )
    loaded(server, "m", "free")
    backend.on_execute = lambda model, _: seen.append((model.name, os.sched_getaffinity(0)))
    assert infer(server) == 1
    assert [cores for name, cores in seen if name == "m"] == [{CORE}] * 2
    assert ("free", os.sched_getaffinity(0)) in seen, "the pool's thread is free again"


def test_a_policy_that_is_not_defined(serve_with: ServeWith) -> None:
    server = serve_with({"m": fake(1, 'instance_group { host_policy: "none" kind: KIND_CPU }')})
    assert "host_policy 'none' is not defined" in str(why(server))


# --- resources ----------------------------------------------------------------------------------


def test_resources_as_triton_words_them() -> None:
    found = parse_resources(["R1:10", "R2:5:0", "R2:8:1"])
    assert found == {("R1", ANY): 10, ("R2", 0): 5, ("R2", 1): 8}


@pytest.mark.parametrize("setting", ["R", ":1", "R:", "R:x", "R:1:x", "R:-1", "R:1:2:3", ""])
def test_resources_that_are_worded_wrongly(setting: str) -> None:
    with pytest.raises(ConfigError, match=f"rate_limit_resource '{setting}': accepted are"):
        parse_resources([setting])


@pytest.mark.parametrize(
    ("options", "extra", "most"),
    [
        ({}, "", 4),
        ({"cpu_thread_budget": 1}, "", 1),
        ({"cpu_thread_budget": 3}, "", 3),
        ({"cpu_thread_budget": 4}, "2", 2),
        ({"cpu_thread_budget": 2}, "64", 1),
    ],
)
def test_the_thread_budget_of_the_cpu(
    serve_with: ServeWith, backend: FakeBackend, options: dict[str, int], extra: str, most: int
) -> None:
    threads = f'parameters {{ key: "num_threads" value {{ string_value: "{extra}" }} }}'
    toy = fake(1, "instance_group { count: 2 kind: KIND_CPU } " + (threads if extra else ""))
    server = serve_with({"a": toy, "b": toy}, **options)
    loaded(server, "a", "b")
    gate = backend.on_execute = Gate("a", "b")
    outcomes = [Outcomes() for _ in range(8)]
    for number, done in enumerate(outcomes):
        server.submit(request("ab"[number % 2]), done)
    gate.wait_entered(most)
    assert not gate.entered.acquire(timeout=0.05)
    gate.open()
    assert [value(done.one()) for done in outcomes] == [1] * 8


def test_rate_limits_count_only_if_they_are_switched_on(
    serve_with: ServeWith, backend: FakeBackend
) -> None:
    group = 'instance_group { count: 2 rate_limiter { resources { name: "R" count: 1 } } }'
    server = serve_with({"m": fake(1, group)})
    loaded(server, "m")
    gate = backend.on_execute = Gate("m")
    outcomes = [Outcomes(), Outcomes()]
    for done in outcomes:
        server.submit(request("m"), done)
    gate.wait_entered(2)
    gate.open()
    for done in outcomes:
        done.one()


@pytest.mark.parametrize(
    ("parameters", "threads"),
    [
        ({}, 1),
        ({"intra_op_thread_count": "3"}, 3),
        ({"INTRA_OP_THREAD_COUNT": "3"}, 3),
        ({"TF_NUM_INTRA_THREADS": "3"}, 3),
        ({"num_threads": "0"}, 1),
        ({"num_threads": "x"}, 1),
    ],
)
def test_threads_that_a_configuration_asks_for(parameters: dict[str, str], threads: int) -> None:
    assert configured_threads(config(parameters=parameters)) == threads


def test_nothing_hangs_on_a_budget_at_shutdown(serve_with: ServeWith, backend: FakeBackend) -> None:
    server = serve_with({"m": fake(1), "n": fake(1)}, cpu_thread_budget=1)
    loaded(server, "m", "n")
    gate = backend.on_execute = Gate("m")
    server.submit(request("m"), first := Outcomes())
    gate.wait_entered()
    server.submit(request("n"), second := Outcomes())
    closing = threading.Thread(target=server.close, args=(TIMEOUT,), daemon=True)
    closing.start()
    gate.open()
    closing.join(TIMEOUT)
    assert not closing.is_alive()
    assert value(first.one()) == value(second.one()) == 1
