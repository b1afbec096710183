# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a change of the configuration leaves as it is, and instances exchanged under traffic."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from fake_backend import TIMEOUT, FakeBackend, Gate, Outcomes, fake, loaded, request, value
from lifecycle_checks import Serve, ServeWith, finalized_once, index, infer, why
from toy_models import write_repository

from triton_ros.core.errors import ConfigError, InternalError
from triton_ros.core.server import InferenceServer

ALL = "version_policy { all {} }"
CPU = "kind: KIND_CPU"


def group(count: int, extra: str = "") -> str:
    return f"instance_group {{ count: {count} {CPU} {extra} }} "


def settled(server: InferenceServer) -> None:
    """Wait for what ends in the background."""
    for thread in server._lifecycle._exchange.retirement.threads:
        thread.join(TIMEOUT)
        assert not thread.is_alive()


# --- versions that stay -------------------------------------------------------------------------


def test_a_load_of_an_unchanged_model_is_a_real_reload(serve: Serve, backend: FakeBackend) -> None:
    server = serve(m=fake(1))
    loaded(server, "m", "m")
    assert len(backend.models) == 2


def test_a_new_version_policy_keeps_the_versions_that_serve(
    serve: Serve, root: Path, backend: FakeBackend
) -> None:
    versions = {1: 10, 2: 20}
    server = serve(m=fake(versions=versions))
    loaded(server, "m")
    write_repository(root, {"m": fake(None, ALL)})
    loaded(server, "m")
    assert infer(server, model_version=1) == 10
    assert [model.offset for model in backend.models] == [20, 10], "version 2 was not built again"
    assert server.describe("m").config.version_policy.kind.value == "all"
    write_repository(root, {"m": fake(None, "version_policy { specific { versions: 1 } }")})
    loaded(server, "m")
    assert infer(server) == 10
    assert len(backend.models) == 2
    assert backend.models[0].gone.wait(TIMEOUT)
    settled(server)
    assert {v: s for v, (s, _) in index(server).items()} == {1: "READY", 2: "UNAVAILABLE"}


def test_a_new_version_keeps_the_others(serve: Serve, root: Path, backend: FakeBackend) -> None:
    server = serve(m=fake(config=ALL, versions={1: 10}))
    loaded(server, "m")
    write_repository(root, {"m": fake(config=ALL, versions={2: 20})})
    loaded(server, "m")
    assert [model.offset for model in backend.models] == [10, 20]


@pytest.mark.parametrize("change", ["file", "label", "config"])
def test_what_concerns_a_version_builds_it_again(
    serve: Serve, root: Path, backend: FakeBackend, change: str
) -> None:
    server = serve(m=fake(1, group(1)))
    loaded(server, "m")
    config = group(2) + ("max_batch_size: 2" if change == "config" else "")
    write_repository(root, {"m": fake(2 if change == "file" else None, config)})
    if change == "label":
        (root / "m" / "labels.txt").write_text("cat")
    loaded(server, "m")
    assert len(backend.models) == 2
    assert infer(server) == (2 if change == "file" else 1)


# --- instances ----------------------------------------------------------------------------------


def counts(backend: FakeBackend) -> tuple[int, int]:
    """Instances that live, instances that were finalized, of the only model."""
    (model,) = backend.models
    finalized = sum(instance.finalized for instance in model.instances)
    return len(model.instances) - finalized, finalized


def change(server: InferenceServer, root: Path, config: str) -> None:
    write_repository(root, {"m": fake(None, config)})
    loaded(server, "m")


def test_instances_come_and_go(serve: Serve, root: Path, backend: FakeBackend) -> None:
    server = serve(m=fake(1, group(1)))
    loaded(server, "m")
    infer(server)
    warm = len(backend.batches)
    change(server, root, group(3, 'name: "g"'))
    assert counts(backend) == (3, 0)
    assert len(backend.batches) == warm + 2, "the new ones are warmed up, the old one is not"
    found = server.describe("m")
    assert found.instance_count == 3
    assert found.config.instance_group[0].count == 3
    assert found.statistics.inference_count == 1, "the same version, with its statistics"
    change(server, root, group(1))
    settled(server)
    assert counts(backend) == (1, 2)
    assert server.describe("m").instance_count == 1
    assert infer(server) == 1


def test_only_what_differs_is_exchanged(serve: Serve, root: Path, backend: FakeBackend) -> None:
    passive = group(2, "passive: true")
    server = serve(m=fake(1, group(2)))
    loaded(server, "m")
    first = list(backend.models[0].instances)
    change(server, root, group(1) + passive)
    settled(server)
    assert counts(backend) == (3, 1)
    assert sum(instance.finalized for instance in first) == 1
    assert server.describe("m").instance_count == 1, "passive ones get no requests"


def test_passive_instances_are_warmed_up_and_left_alone(serve: Serve, backend: FakeBackend) -> None:
    server = serve(m=fake(1, group(1) + group(2, "passive: true")))
    loaded(server, "m")
    assert backend.sizes("m") == [1, 1, 1], "one warm-up each"
    gate = backend.on_execute = Gate("m")
    outcomes = [Outcomes() for _ in range(3)]
    for done in outcomes:
        server.submit(request("m"), done)
    gate.wait_entered()
    assert not gate.entered.acquire(timeout=0.05), "one runs, the others wait for it"
    gate.open()
    assert [value(done.one()) for done in outcomes] == [1, 1, 1]


def test_an_instance_goes_when_its_request_is_done(
    serve: Serve, root: Path, backend: FakeBackend
) -> None:
    server = serve(m=fake(1, group(2)))
    loaded(server, "m")
    gate = backend.on_execute = Gate("m")
    running = [Outcomes() for _ in range(4)]
    for done in running:
        server.submit(request("m"), done)
    gate.wait_entered(2)
    change(server, root, group(1))  # does not wait for them
    assert counts(backend) == (2, 0)
    gate.open()
    assert [value(done.one()) for done in running] == [1] * 4
    settled(server)
    assert counts(backend) == (1, 1)


def test_an_unload_overtakes_a_change(serve: Serve, root: Path, backend: FakeBackend) -> None:
    server = serve(m=fake(1, group(2)))
    loaded(server, "m")
    gate = backend.on_execute = Gate("m")
    running = [Outcomes() for _ in range(2)]
    for done in running:
        server.submit(request("m"), done)
    gate.wait_entered(2)
    change(server, root, group(1))
    unloading = server.unload_model("m")
    gate.open()
    unloading.result(TIMEOUT)
    settled(server)
    finalized_once(backend.models)


def test_what_is_retired_is_released_at_the_end(serve: Serve, backend: FakeBackend) -> None:
    server = serve(m=fake(1, group(2)))
    loaded(server, "m")
    instances = server._lifecycle._leases.serving("m").instances  # type: ignore[attr-defined]
    instances.retire(instances.executors[:1])
    server.unload_model("m").result(TIMEOUT)
    finalized_once(backend.models)
    instances.release_retired()
    finalized_once(backend.models)


def test_a_change_that_fails_changes_nothing(
    serve: Serve, root: Path, backend: FakeBackend
) -> None:
    sample = """model_warmup { name: "w" batch_size: 1
    inputs { key: "x" value { data_type: TYPE_FP32 dims: 4 zero_data: true } } }"""
    server = serve(m=fake(1, group(1) + sample))
    loaded(server, "m")

    def cold(*_: Any) -> None:
        raise RuntimeError("cold")

    backend.on_execute = cold
    write_repository(root, {"m": fake(None, group(3) + sample)})
    assert isinstance(why(server), InternalError)
    assert counts(backend) == (1, 2)
    backend.on_execute = lambda *_: None
    assert infer(server) == 1
    assert server.describe("m").instance_count == 1


def test_a_failed_version_takes_the_new_instances_back(
    serve: Serve, root: Path, backend: FakeBackend
) -> None:
    server = serve(m=fake(config=ALL + group(1), versions={1: 10}))
    loaded(server, "m")
    write_repository(root, {"m": fake(config=ALL + group(2), versions={2: "garbage"})})
    why(server)
    settled(server)
    assert counts(backend) == (1, 1)
    assert infer(server) == 10
    assert server.describe("m").config.instance_group[0].count == 1


def test_resources_that_are_not_there(
    serve_with: ServeWith, root: Path, backend: FakeBackend
) -> None:
    def needs(count: int) -> str:
        return group(1, f'rate_limiter {{ resources {{ name: "R" count: {count} }} }}')

    server = serve_with({"m": fake(1, needs(2))}, rate_limit=True, rate_limit_resource=("R:3",))
    loaded(server, "m")
    write_repository(root, {"m": fake(None, needs(4))})
    error = why(server)
    assert isinstance(error, ConfigError)
    assert "'R' count 4 is more than the server's 3" in str(error)
    assert counts(backend) == (1, 1)
    change(server, root, needs(3))
    settled(server)
    assert counts(backend) == (1, 2)
    assert infer(server) == 1


def test_a_change_under_fire(serve: Serve, root: Path, backend: FakeBackend) -> None:
    server = serve(m=fake(1, group(1)))
    loaded(server, "m")
    stop = threading.Event()
    problems: list[Any] = []

    def fire(queued: bool) -> None:
        while not stop.is_set():
            try:
                if queued:
                    server.submit(request("m"), done := Outcomes())
                    assert value(done.one()) == 1
                else:
                    assert infer(server) == 1
            except BaseException as error:
                problems.append(error)
                return

    threads = [threading.Thread(target=fire, args=(n < 2,), daemon=True) for n in range(4)]
    for thread in threads:
        thread.start()
    for count in (3, 1, 2, 4, 1, 3, 2) * 2:
        change(server, root, group(count))
    stop.set()
    for thread in threads:
        thread.join(TIMEOUT)
        assert not thread.is_alive()
    settled(server)
    assert problems == []
    assert counts(backend)[0] == 2
    names = [t.name for t in threading.enumerate() if t.name.startswith(("m_", "instances_"))]
    assert len(names) == 2


def test_sequence_models_are_built_again(serve: Serve, root: Path, backend: FakeBackend) -> None:
    sequences = "max_batch_size: 1 sequence_batching { direct {} } "
    server = serve(m=fake(1, sequences + group(1)))
    loaded(server, "m")
    write_repository(root, {"m": fake(None, sequences + group(2))})
    loaded(server, "m")
    assert len(backend.models) == 2
