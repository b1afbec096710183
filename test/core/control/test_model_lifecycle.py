# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Load and unload, with everything that can go wrong on disk."""

from __future__ import annotations

import shutil
import threading
from concurrent import futures
from pathlib import Path
from typing import Any

import pytest
from fake_backend import (
    FILE,
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

ALL = "version_policy { all {} }"


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
    with pytest.raises(futures.TimeoutError):  # not the builtin before Python 3.11
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
    assert server._lifecycle._leases.users() == {"m": 1}, "the request still holds the model"
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
        (
            fake(1, "max_batch_size: -1"),
            ConfigError,
            "config.pbtxt:1: 'max_batch_size' must be non-neg",
        ),
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
        patch.setattr("triton_ros.core.control.model_repository.ModelDirectory.versions", denied)
        error = why(server)
    assert isinstance(error, InternalError)
    assert "PermissionError" in str(error)
    assert "Permission denied" in index(server)[None][1]
    loaded(server, "m")
