# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Load, unload, reload: with and without traffic, with everything that can go wrong on disk."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_backend import (
    FILE,
    TIMEOUT,
    FakeBackend,
    FakeModel,
    Gate,
    Outcomes,
    fake,
    loaded,
    request,
    serving,
    value,
)
from toy_models import Toy, write_repository

from triton_ros.core.errors import (
    ConfigError,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    TritonError,
    UnavailableError,
    UnsupportedError,
    missing_package,
)
from triton_ros.core.server import InferenceServer

Serve = Callable[..., InferenceServer]
ALL = "version_policy { all {} }"


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def serve(root: Path, backend: FakeBackend) -> Iterator[Serve]:
    servers: list[InferenceServer] = []

    def build(**models: Toy) -> InferenceServer:
        servers.append(serving(root, backend, models))
        return servers[-1]

    yield build
    for server in servers:
        assert server.close(TIMEOUT) == ()
    finalized_once(backend.models)


def finalized_once(models: list[FakeModel]) -> None:
    for model in models:
        assert model.finalized == 1
        assert [instance.finalized for instance in model.instances] == [1] * len(model.instances)


def infer(server: InferenceServer, number: float = 0, **fields: Any) -> float:
    return value(server.infer(request("m", number, **fields), TIMEOUT))


def why(server: InferenceServer, name: str = "m") -> TritonError:
    with pytest.raises(TritonError) as caught:
        loaded(server, name)
    return caught.value


def index(server: InferenceServer, name: str = "m") -> dict[int | None, tuple[str, str]]:
    rows = [row for row in server.repository_index() if row.name == name]
    return {row.version: (row.state.value, row.reason) for row in rows}


# --- load, unload -------------------------------------------------------------------------------


def test_a_model_from_nothing_to_ready_and_back(serve: Serve) -> None:
    server = serve(m=fake(1))
    assert index(server) == {None: ("UNKNOWN", "")}
    assert not server.model_ready("m")
    with pytest.raises(NotFoundError, match="Request for unknown model: 'm' is not found"):
        infer(server)
    loaded(server, "m")
    assert index(server) == {1: ("READY", "")}
    assert server.model_ready("m")
    assert infer(server) == 1
    server.unload_model("m").result(TIMEOUT)
    assert index(server) == {1: ("UNAVAILABLE", "unloaded")}
    assert not server.model_ready("m")
    with pytest.raises(UnavailableError, match="'m' is not at ready state: version 1 is UNAVAIL"):
        infer(server)
    loaded(server, "m")
    assert infer(server) == 1


def test_unloading_waits_for_running_requests(serve: Serve, backend: FakeBackend) -> None:
    server = serve(m=fake(1))
    loaded(server, "m")
    gate = backend.on_execute = Gate("m")
    done = Outcomes()
    server.submit(request("m"), done)
    gate.wait_entered()
    unloading = server.unload_model("m")
    with pytest.raises(TimeoutError):
        unloading.result(0.05)
    assert index(server) == {1: ("UNLOADING", "")}
    with pytest.raises(UnavailableError, match="version 1 is UNLOADING"):
        infer(server)
    gate.open()
    unloading.result(TIMEOUT)
    assert value(done.one()) == 1
    finalized_once(backend.models)


def test_requests_that_hang_do_not_keep_others_from_loading(
    serve: Serve, backend: FakeBackend
) -> None:
    stuck = [f"stuck_{index}" for index in range(5)]  # more than the load pool has threads
    server = serve(**{name: fake(1) for name in [*stuck, "m"]})
    for name in stuck:
        loaded(server, name)
    gate = backend.on_execute = Gate(*stuck)
    for name in stuck:
        server.submit(request(name), Outcomes())
    gate.wait_entered(len(stuck))
    unloads = [server.unload_model(name) for name in stuck]
    loaded(server, "m")
    assert not any(unload.done() for unload in unloads)
    gate.open()
    for unload in unloads:
        unload.result(TIMEOUT)


def test_an_unload_ends_after_the_last_callback(serve: Serve) -> None:
    server = serve(m=fake(1))
    loaded(server, "m")
    in_callback, leave = threading.Event(), threading.Event()

    def done(outcome: Any) -> None:
        in_callback.set()
        assert leave.wait(TIMEOUT)

    thread = threading.Thread(target=server.submit, args=(request("m"), done), daemon=True)
    thread.start()
    assert in_callback.wait(TIMEOUT)
    assert server._lifecycle._users.total() == 1, "the request still holds the model"
    unloading = server.unload_model("m")
    leave.set()
    unloading.result(TIMEOUT)
    thread.join(TIMEOUT)


def test_unloading_what_is_not_loaded(serve: Serve) -> None:
    server = serve(m=fake(1))
    server.unload_model("m").result(TIMEOUT)
    server.unload_model("m").result(TIMEOUT)
    with pytest.raises(NotFoundError, match="'zebra' is not in the model repository; it has: m"):
        server.unload_model("zebra").result(TIMEOUT)


def test_a_model_that_vanished_from_disk_can_be_unloaded(serve: Serve, root: Path) -> None:
    server = serve(m=fake(1))
    loaded(server, "m")
    shutil.rmtree(root / "m")
    assert isinstance(why(server), NotFoundError)
    assert infer(server) == 1, "what serves goes on"
    assert index(server)[1][0] == "READY"
    assert "is not in the model repository" in index(server)[1][1]
    server.unload_model("m").result(TIMEOUT)
    with pytest.raises(UnavailableError):
        infer(server)


# --- versions -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "served"),
    [
        ("", [3]),
        ("version_policy { latest { num_versions: 2 } }", [2, 3]),
        (ALL, [1, 2, 3]),
        ("version_policy { specific { versions: [1, 3, 9] } }", [1, 3]),
    ],
)
def test_version_policies(serve: Serve, policy: str, served: list[int]) -> None:
    server = serve(m=fake(config=policy, versions={1: 10, 2: 20, 3: 30}))
    loaded(server, "m")
    assert infer(server) == max(served) * 10
    for version in (1, 2, 3):
        if version in served:
            assert infer(server, model_version=version) == version * 10
        else:
            message = f"'m' version {version} is not found; versions .*3 are served"
            with pytest.raises(NotFoundError, match=message):
                infer(server, model_version=version)
    assert index(server) == {version: ("READY", "") for version in served}


@pytest.mark.parametrize("policy", ["", "version_policy { specific { versions: 9 } }"])
def test_no_version_under_the_policy(serve: Serve, root: Path, policy: str) -> None:
    server = serve(m=fake(config=policy))
    if not policy:
        shutil.rmtree(root / "m" / "1")
    message = str(why(server))
    assert "at least one version must be available under the version policy of model 'm'" in message
    assert message.endswith("1" if policy else "none")


def test_a_reload_takes_new_versions_and_drops_old_ones(serve: Serve, root: Path) -> None:
    server = serve(m=fake(config=ALL, versions={1: 10, 2: 20}))
    loaded(server, "m")
    shutil.rmtree(root / "m" / "1")
    write_repository(root, {"m": fake(config=ALL, versions={3: 30})})
    loaded(server, "m")
    assert infer(server) == 30
    assert infer(server, model_version=2) == 20
    states = {version: state for version, (state, _) in index(server).items()}
    assert states[2] == states[3] == "READY"
    assert states[1] in ("UNLOADING", "UNAVAILABLE")
    server.unload_model("m").result(TIMEOUT)


# --- what can be wrong --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("toy", "kind", "message"),
    [
        (Toy(b"1", "\n\nmax_batch_sise: 4"), ConfigError, "m/config.pbtxt:3: 'max_batch_sise' is"),
        (fake(1, "max_batch_size: -1"), ConfigError, "config.pbtxt:1: max_batch_size must be 0 or"),
        (
            fake(1, "\nversion_policy { specific { versions: 9 } }"),
            ConfigError,
            "config.pbtxt:2: at",
        ),
        (Toy(b"1", None, FILE), ConfigError, "Could not determine backend for model 'm'"),
        (fake("garbage"), InvalidArgumentError, "1/model.fake: not a model: 'garbage'"),
        (fake("crash"), InternalError, "RuntimeError: the runtime crashed"),
        (fake(None), InternalError, "FileNotFoundError"),
        (
            fake(1, "max_batch_size: 8\ninput {\nname: 'z' data_type: TYPE_FP32 dims: 4 }"),
            ConfigError,
            "m/config.pbtxt:3: model 'm', input: the configuration says 'z' FP32 [4], the file",
        ),
    ],
)
def test_a_model_that_cannot_be_loaded(
    serve: Serve, toy: Toy, kind: type[TritonError], message: str
) -> None:
    server = serve(m=toy, good=fake(5))
    for _ in range(2):  # a second attempt says the same
        error = why(server)
        assert type(error) is kind
        assert message in str(error)
        ((state, reason),) = index(server).values()
        assert (state, reason) == ("UNAVAILABLE", str(error))
        with pytest.raises(UnavailableError, match="Request for model 'm' is not at ready state"):
            infer(server)
    loaded(server, "good")
    write_repository(server.repository.roots[0], {"m": fake(7)})
    loaded(server, "m")
    assert infer(server) == 7
    assert index(server) == {1: ("READY", "")}


def test_a_runtime_that_is_not_installed(tmp_path: Path) -> None:
    def load_backend(name: str) -> Any:
        raise missing_package("this model", "somewhere-runtime")

    write_repository(tmp_path, {"m": fake(1)})
    with InferenceServer([tmp_path], load_backend) as server:
        error = why(server)
        assert isinstance(error, UnsupportedError)
        assert "pip install somewhere-runtime" in str(error)


@pytest.mark.parametrize("name", ["..", "../m", "a/b", "", "zebra", "n" * 5000])
def test_names_that_nobody_knows_leave_no_trace(serve: Serve, name: str) -> None:
    server = serve(m=fake(1))
    assert isinstance(why(server, name), (InvalidArgumentError, NotFoundError))
    assert [row.name for row in server.repository_index()] == ["m"]
    with pytest.raises(NotFoundError, match="is not found"):
        server.infer(request(name), TIMEOUT)


def test_a_name_in_two_repositories(tmp_path: Path, backend: FakeBackend) -> None:
    roots = [write_repository(tmp_path / r, {"m": fake(1), r: fake(2)}) for r in ("one", "two")]
    with InferenceServer(roots, backend.load_backend) as server:
        loaded(server, "one", "two")
        assert "appears in two or more repositories" in str(why(server))
        ((state, reason),) = index(server).values()
        assert state == "UNAVAILABLE"
        assert "two or more" in reason


def test_a_repository_that_cannot_be_read(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve(m=fake(1))

    def denied(_: Path) -> Any:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr("triton_ros.core.model_repository.ModelDirectory.versions", denied)
        error = why(server)
    assert isinstance(error, InternalError)
    assert "PermissionError" in str(error)
    assert "Permission denied" in index(server)[None][1]
    loaded(server, "m")


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
    for thread in lifecycle._closers:
        thread.join(TIMEOUT)
    names = [thread.name for thread in threading.enumerate()]
    assert sorted(name for name in names if name.startswith(("m_", "unload"))) == ["m_0", "m_1"]
    assert len(lifecycle._closers) <= 2
    assert not lifecycle._users
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
