# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Reload and close: what is exchanged under traffic, and what must not be lost."""

from __future__ import annotations

import gc
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest
from fake_backend import (
    TIMEOUT,
    FakeBackend,
    Gate,
    Outcomes,
    fake,
    loaded,
    request,
    value,
)
from lifecycle_checks import Serve, finalized_once, index, infer, why
from toy_models import write_repository

from triton_ros.core.errors import UnavailableError
from triton_ros.core.execution.executor import Executor
from triton_ros.core.scheduling.scheduler import Scheduler

ALL = "version_policy { all {} }"


# --- reload -------------------------------------------------------------------------------------


@pytest.mark.parametrize("broken", ["garbage", "crash"])
def test_a_failed_reload_leaves_the_old_one_serving(
    serve: Serve, root: Path, backend: FakeBackend, broken: str
) -> None:
    server = serve(m=fake(1))
    loaded(server, "m")
    write_repository(root, {"m": fake(broken)})
    error = why(server)
    assert infer(server) == 1
    assert server.model_ready("m")
    assert index(server) == {1: ("READY", str(error))}
    write_repository(root, {"m": fake(2)})
    loaded(server, "m")
    assert infer(server) == 2
    assert index(server) == {1: ("READY", "")}


def test_what_was_replaced_is_freed_by_its_references_alone(serve: Serve, root: Path) -> None:
    """The garbage collector comes late, and what it frees then leaves holes in the memory."""

    def working() -> set[weakref.ref[Any]]:
        return {weakref.ref(o) for o in gc.get_objects() if isinstance(o, (Executor, Scheduler))}

    server = serve(m=fake(1))
    others = working()
    loaded(server, "m")
    infer(server)
    replaced = working() - others
    assert len(replaced) == 2
    gc.disable()
    try:
        write_repository(root, {"m": fake(2)})
        loaded(server, "m")
        assert infer(server) == 2
        server.close(TIMEOUT)
        assert not [ref() for ref in replaced if ref() is not None]
    finally:
        gc.enable()


def test_a_failed_new_version_leaves_the_old_one_serving(serve: Serve, root: Path) -> None:
    server = serve(m=fake(1))
    loaded(server, "m")
    write_repository(root, {"m": fake(versions={2: "garbage"})})
    error = str(why(server))
    assert infer(server) == 1
    assert index(server) == {1: ("READY", error), 2: ("UNAVAILABLE", error)}
    server.unload_model("m").result(TIMEOUT)
    assert index(server)[1] == ("UNAVAILABLE", "unloaded")


def test_all_versions_load_or_none(serve: Serve, root: Path, backend: FakeBackend) -> None:
    server = serve(m=fake(config=ALL, versions={1: 10}))
    loaded(server, "m")
    write_repository(root, {"m": fake(config=ALL, versions={1: 11, 2: "garbage"})})
    why(server)
    assert infer(server) == 10
    assert len(backend.models) == 2
    finalized_once(backend.models[1:])


def test_a_failing_warm_up_releases_what_was_loaded(serve: Serve, backend: FakeBackend) -> None:
    sample = """model_warmup { name: "w" batch_size: 1
    inputs { key: "x" value { data_type: TYPE_FP32 dims: 4 zero_data: true } } }"""
    server = serve(m=fake(1, "instance_group { count: 3 }" + sample))

    def fail(*_: Any) -> None:
        raise RuntimeError("cold")

    backend.on_execute = fail
    assert "failed to run warmup sample 'w' of model 'm': cold" in str(why(server))
    finalized_once(backend.models)
    assert len(backend.models[0].instances) == 3


def test_the_old_version_ends_after_its_last_request(
    serve: Serve, root: Path, backend: FakeBackend
) -> None:
    server = serve(m=fake(1, "instance_group { count: 1 }"))
    loaded(server, "m")
    gate = backend.on_execute = Gate("m", offset=1)
    running, queued, after = Outcomes(), Outcomes(), Outcomes()
    server.submit(request("m"), running)
    gate.wait_entered()
    server.submit(request("m"), queued)
    write_repository(root, {"m": fake(2)})
    loaded(server, "m")
    server.submit(request("m"), after)
    assert value(after.one()) == 2
    old = backend.models[0]
    assert not old.finalized
    gate.open()
    assert value(running.one()) == value(queued.one()) == 1
    assert old.gone.wait(TIMEOUT)


@pytest.mark.parametrize("last", ["load", "unload", "broken"])
def test_an_unload_that_is_overtaken(
    serve: Serve, root: Path, backend: FakeBackend, last: str
) -> None:
    """The first version drains while later calls come and go; every one reports in the end."""
    server = serve(m=fake(1))
    loaded(server, "m")
    gate = backend.on_execute = Gate("m", offset=1)
    running = Outcomes()
    server.submit(request("m"), running)
    gate.wait_entered()
    unloading = server.unload_model("m")
    while index(server)[1][0] != "UNLOADING":
        assert not unloading.done()
    write_repository(root, {"m": fake("garbage" if last == "broken" else 2)})
    if last == "broken":
        why(server)
    else:
        loaded(server, "m")
    if last == "unload":
        server.unload_model("m").result(TIMEOUT)
    expected = index(server)
    gate.open()
    unloading.result(TIMEOUT)
    assert value(running.one()) == 1
    assert index(server) == expected
    assert expected[1][0] == ("READY" if last == "load" else "UNAVAILABLE")


def test_finalizers_that_raise_do_not_keep_the_others(
    serve: Serve, root: Path, backend: FakeBackend
) -> None:
    server = serve(m=fake(config=ALL + "instance_group { count: 2 }", versions={1: 1, 2: 2}))
    backend.finalize_raises = True
    loaded(server, "m")
    server.unload_model("m").result(TIMEOUT)
    assert {state for state, _ in index(server).values()} == {"UNAVAILABLE"}
    finalized_once(backend.models)


def test_loads_of_one_model_follow_each_other_and_of_two_do_not(
    serve: Serve, backend: FakeBackend
) -> None:
    server = serve(m=fake(1), n=fake(2))
    inside, proceed = threading.Semaphore(0), threading.Event()
    together: list[str] = []

    def on_load(name: str) -> None:
        if name == "m":
            together.append(name)
            assert len(together) == 1, "two loads of m at a time"
            inside.release()
            assert proceed.wait(TIMEOUT)
            together.remove(name)

    backend.on_load = on_load
    loads = [server.load_model("m") for _ in range(3)]
    assert inside.acquire(timeout=TIMEOUT)
    loaded(server, "n")
    assert index(server)[1][0] == "LOADING"
    proceed.set()
    for load in loads:
        load.result(TIMEOUT)


def test_reload_under_fire(serve: Serve, root: Path, backend: FakeBackend) -> None:
    """Four callers, two of them queueing: every answer is whole and from one version."""
    group = "instance_group { count: 2 } max_batch_size: 8 dynamic_batching {}"
    server = serve(m=fake(0, group))
    loaded(server, "m")
    stop = threading.Event()
    problems: list[Any] = []
    seen: set[float] = set()
    versions = 20

    def fire(queued: bool) -> None:
        newest = 0.0
        while not stop.is_set():
            try:
                if queued:
                    done = Outcomes()
                    server.submit(request("m", rows=3), done)
                    found = value(done.one())
                else:
                    found = infer(server, rows=3)
                if found < newest:
                    problems.append(f"{found} after {newest}")
                newest = found
                seen.add(found)
            except BaseException as error:
                problems.append(error)
                return

    threads = [threading.Thread(target=fire, args=(n < 2,), daemon=True) for n in range(4)]
    for thread in threads:
        thread.start()
    for number in range(1, versions):
        write_repository(root, {"m": fake(number, group)})
        loaded(server, "m")
        assert infer(server) == number, "a load that is done serves"
    stop.set()
    for thread in threads:
        thread.join(TIMEOUT)
        assert not thread.is_alive()
    assert problems == []
    assert len(seen) > 2, "nothing was exchanged under fire"
    server.unload_model("m").result(TIMEOUT)
    assert len(backend.models) == versions
    for model in backend.models:
        assert model.gone.wait(TIMEOUT)
    finalized_once(backend.models)


def test_fifty_reloads_leave_nothing_behind(serve: Serve, backend: FakeBackend) -> None:
    server = serve(m=fake(1, "instance_group { count: 2 }"))
    for _ in range(4):  # the load pool has all its threads
        loaded(server, "m")
    for model in backend.models[:-1]:
        assert model.gone.wait(TIMEOUT)
    for _ in range(50):
        loaded(server, "m")
        assert infer(server) == 1
    for model in backend.models[:-1]:
        assert model.gone.wait(TIMEOUT)
    finalized_once(backend.models[:-1])
    lifecycle = server._lifecycle
    for thread in lifecycle._exchange.retirement.threads:
        thread.join(TIMEOUT)
    names = [thread.name for thread in threading.enumerate()]
    assert sorted(name for name in names if name.startswith(("m_", "unload"))) == ["m_0", "m_1"]
    assert len(lifecycle._exchange.retirement.threads) <= 2
    assert not lifecycle._leases.users()
    assert lifecycle._tasks.wait(TIMEOUT) == ()


# --- close --------------------------------------------------------------------------------------


def test_close_drains_and_refuses_what_comes(serve: Serve, backend: FakeBackend) -> None:
    server = serve(m=fake(1, "instance_group { count: 1 }"))
    loaded(server, "m")
    gate = backend.on_execute = Gate("m")
    outcomes = [Outcomes() for _ in range(3)]
    for done in outcomes:
        server.submit(request("m"), done)
    gate.wait_entered()
    assert server.close(0.05) == ("unload_m",), "it names what it left behind"
    with pytest.raises(UnavailableError, match="Server is stopping, control calls are refused"):
        server.load_model("m")
    with pytest.raises(UnavailableError, match="Server is stopping"):
        server.unload_model("m")
    with pytest.raises(UnavailableError):
        infer(server)
    gate.open()
    assert server.close(TIMEOUT) == ()
    assert [value(done.one()) for done in outcomes] == [1, 1, 1]
    finalized_once(backend.models)


@pytest.mark.parametrize("before", ["nothing", "served"])
def test_close_during_a_load(serve: Serve, backend: FakeBackend, before: str) -> None:
    server = serve(m=fake(1))
    if before == "served":
        loaded(server, "m")
    inside, proceed = threading.Event(), threading.Event()

    def on_load(name: str) -> None:
        inside.set()
        assert proceed.wait(TIMEOUT)

    backend.on_load = on_load
    loading, waiting = server.load_model("m"), server.load_model("m")
    assert inside.wait(TIMEOUT)
    assert server.close(0.05) == ("load_m",)
    proceed.set()
    assert server.close(TIMEOUT) == ()
    assert loading.done(), "close waits for what loads"
    with pytest.raises(UnavailableError, match="Server is stopping, model 'm' is not served"):
        loading.result(TIMEOUT)
    assert waiting.cancelled() or waiting.exception(TIMEOUT)
    assert not server.model_ready("m")
    assert index(server)[1][0] == "UNAVAILABLE"
    finalized_once(backend.models)
