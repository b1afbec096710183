# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Who may load what: control modes, dependents, retries, related loads, shutdown."""

from __future__ import annotations

import logging
import math
import shutil
import threading
from pathlib import Path

import pytest
from fake_backend import (
    CHAIN,
    TIMEOUT,
    FakeBackend,
    Gate,
    Outcomes,
    ensemble,
    fake,
    loaded,
    request,
    row,
    step,
    value,
)
from lifecycle_checks import Serve, ServeWith, finalized_once, index, infer, why
from toy_models import Toy, write_repository

from triton_ros.core.errors import (
    ConfigError,
    InvalidArgumentError,
    TritonError,
    UnavailableError,
)
from triton_ros.core.request import InferenceRequest
from triton_ros.core.server import InferenceServer
from triton_ros.core.server_options import ModelControlMode

NOT_ALLOWED = "explicit model load / unload is not allowed if polling is enabled"
THREE = {"a": fake(1), "b": fake(10), "e": CHAIN}

SLOW = ensemble(step("b", "x:X", "y:M"), step("c", "x:M", "y:Y"))


def pinned(version: int) -> Toy:
    """An ensemble that wants a version of `a`."""
    return ensemble(step("a", "x:X", "y:Y", f"model_version: {version}"))


def started(server: InferenceServer) -> dict[str, TritonError | None]:
    """What every load at start came to."""
    found = {}
    for name, future in server.start().items():
        error = future.exception(TIMEOUT)
        assert error is None or isinstance(error, TritonError)
        found[name] = error
    return found


def ready(server: InferenceServer) -> set[str]:
    return {row.name for row in server.repository_index() if server.model_ready(row.name)}


# --- modes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [ModelControlMode.NONE, ModelControlMode.POLL])
def test_all_models_are_loaded_at_start_and_none_afterwards(
    serve_with: ServeWith, mode: ModelControlMode
) -> None:
    server = serve_with({"m": fake(1), "bad": fake("garbage")}, model_control_mode=mode)
    outcomes = started(server)
    assert outcomes["m"] is None
    assert isinstance(outcomes["bad"], InvalidArgumentError)
    assert infer(server) == 1
    with pytest.raises(UnavailableError, match=NOT_ALLOWED):
        server.load_model("m")
    with pytest.raises(UnavailableError, match=NOT_ALLOWED):
        server.unload_model("m")


@pytest.mark.parametrize(
    ("wanted", "found"), [((), set()), (("a", "nobody"), {"a"}), (("*",), {"a", "b", "e"})]
)
def test_explicit_mode_loads_what_it_is_told(
    serve_with: ServeWith, wanted: tuple[str, ...], found: set[str]
) -> None:
    server = serve_with(THREE, load_model=wanted)
    outcomes = started(server)
    assert ready(server) == found
    assert all(outcomes[name] is None for name in found)
    assert ("nobody" in wanted) == isinstance(outcomes.get("nobody"), TritonError)
    loaded(server, "b")


def test_a_model_and_the_ensemble_that_pulls_it_in_load_it_once(
    serve_with: ServeWith, backend: FakeBackend
) -> None:
    server = serve_with(THREE, load_model=("*",), model_load_thread_count=2)
    started(server)
    assert sorted(model.name for model in backend.models) == ["a", "b"]


# --- ensembles and their models -----------------------------------------------------------------


def test_related_loads_need_no_more_than_one_thread(serve_with: ServeWith) -> None:
    outer = ensemble(step("e", "X:X", "Y:M"), step("a", "x:M", "y:Y"))
    server = serve_with({**THREE, "o": outer}, model_load_thread_count=1)
    loads = [server.load_model(name) for name in ("o", "a", "e", "b", "o")]
    for load in loads:
        load.result(TIMEOUT)
    assert ready(server) == {"a", "b", "e", "o"}


@pytest.mark.parametrize("dependents", [False, True])
def test_unload_with_dependents(serve: Serve, dependents: bool) -> None:
    server = serve(**THREE, other=ensemble(step("b", "x:X", "y:Y")))
    loaded(server, "e")
    assert ready(server) == {"a", "b", "e"}
    server.unload_model("e", dependents).result(TIMEOUT)
    assert ready(server) == (set() if dependents else {"a", "b"})


def test_dependents_that_somebody_else_wants_stay(serve: Serve) -> None:
    server = serve(**THREE, other=ensemble(step("b", "x:X", "y:Y")), c=fake(0))
    loaded(server, "a", "e", "other")  # a by name, b for two
    server.unload_model("e", dependents=True).result(TIMEOUT)
    assert ready(server) == {"a", "b", "other"}
    server.unload_model("other", dependents=True).result(TIMEOUT)
    assert ready(server) == {"a"}


def test_what_an_ensemble_needs_that_loads_stays(serve: Serve, backend: FakeBackend) -> None:
    server = serve(**THREE, c=fake(0), other=SLOW)
    loaded(server, "e")
    inside, proceed = threading.Event(), threading.Event()

    def on_load(name: str) -> None:
        inside.set()
        assert proceed.wait(TIMEOUT)

    backend.on_load = on_load
    loading = server.load_model("other")
    assert inside.wait(TIMEOUT)
    server.unload_model("e", dependents=True).result(TIMEOUT)
    assert ready(server) == {"b"}
    proceed.set()
    loading.result(TIMEOUT)
    assert ready(server) == {"b", "c", "other"}


def test_dependents_of_dependents(serve: Serve) -> None:
    server = serve(**THREE, o=ensemble(step("e", "X:X", "Y:Y")))
    loaded(server, "o")
    server.unload_model("o", dependents=True).result(TIMEOUT)
    assert ready(server) == set()


def test_without_a_step_an_ensemble_is_not_ready(serve: Serve) -> None:
    server = serve(**THREE)
    loaded(server, "e")
    server.unload_model("a").result(TIMEOUT)
    assert not server.model_ready("e")
    assert index(server, "e") == {1: ("UNAVAILABLE", "a model of its steps is not ready")}
    loaded(server, "a")
    assert server.model_ready("e")


def test_a_failed_ensemble_leaves_nothing_behind(serve: Serve, backend: FakeBackend) -> None:
    wrong = ensemble(step("a", "x:X", "y:M"), step("b", "wrong:M", "y:Y"))
    server = serve(a=fake(1), b=fake(2), e=wrong)
    loaded(server, "b")
    assert isinstance(why(server, "e"), TritonError)
    assert ready(server) == {"b"}, "a was pulled in for nothing"
    assert backend.models[1].gone.wait(TIMEOUT)


def test_a_step_must_still_fit_its_ensembles(serve: Serve, root: Path) -> None:
    server = serve(**THREE)
    loaded(server, "e")
    policy = "version_policy { specific { versions: 1 } }"
    write_repository(root, {"e2": pinned(1)})
    loaded(server, "e2")
    write_repository(root, {"a": fake(versions={2: 5})})
    error = str(why(server, "a"))
    assert "in ensemble 'e2'" in error
    assert "version 1" in error
    assert server.model_ready("e2")
    assert index(server, "a")[1] == ("READY", error), "the old one serves on"
    write_repository(root, {"a": fake(7, policy)})
    loaded(server, "a")


def test_a_step_and_its_ensemble_can_change_together(serve: Serve, root: Path) -> None:
    fixed = "version_policy { all {} }"
    server = serve(a=fake(config=fixed, versions={1: 1}), e=pinned(1))
    loaded(server, "e")
    shutil.rmtree(root / "a" / "1")
    write_repository(root, {"a": fake(versions={2: 5}), "e": pinned(2)})
    with pytest.raises(TritonError, match="version 2"):
        loaded(server, "e")
    loaded(server, "a")
    assert not server.model_ready("e")
    with pytest.raises(TritonError, match="in ensemble 'e'"):
        server.infer(InferenceRequest("e", {"X": row(0)}), TIMEOUT)
    loaded(server, "e")
    response = server.infer(InferenceRequest("e", {"X": row(0)}), TIMEOUT)
    assert value(response, "Y") == 5


# --- retries ------------------------------------------------------------------------------------


def test_a_load_is_retried_if_the_error_may_pass(
    serve_with: ServeWith, backend: FakeBackend
) -> None:
    server = serve_with({"m": fake(1), "bad": fake("garbage")}, model_load_retry_count=2)
    attempts: list[str] = []

    def on_load(name: str) -> None:
        attempts.append(name)
        if len(attempts) < 3:
            raise MemoryError("not now")

    backend.on_load = on_load
    loaded(server, "m")
    assert attempts == ["m"] * 3
    progress = server.load_progress("m")
    assert (progress.attempt, progress.reason, progress.loading) == (3, "", False)
    assert isinstance(why(server, "bad"), InvalidArgumentError)
    assert attempts == ["m"] * 3 + ["bad"], "what is wrong on disk stays wrong"


def test_retries_end(serve_with: ServeWith, backend: FakeBackend) -> None:
    server = serve_with({"m": fake(1)}, model_load_retry_count=1)
    attempts: list[str] = []

    def on_load(name: str) -> None:
        attempts.append(name)
        raise MemoryError(f"attempt {len(attempts)}")

    backend.on_load = on_load
    assert "attempt 2" in str(why(server))
    assert len(attempts) == 2
    assert "attempt 2" in server.load_progress("m").reason


# --- progress -----------------------------------------------------------------------------------


def test_progress_can_be_read(serve: Serve, backend: FakeBackend) -> None:
    server = serve(m=fake(1, "instance_group { count: 2 }"), n=fake(1))
    assert server.load_progress("m").attempt == 0
    inside, proceed = threading.Event(), threading.Event()

    def on_load(name: str) -> None:
        inside.set()
        assert proceed.wait(TIMEOUT)

    backend.on_load = on_load
    gate = backend.on_execute = Gate("m")
    loading = server.load_model("m")
    assert inside.wait(TIMEOUT)
    progress = server.load_progress("m")
    assert progress.loading
    assert (progress.stage, progress.attempt) == ("loading weights of version 1", 1)
    assert progress.seconds > 0
    (row,) = (row for row in server.repository_index() if row.name == "m")
    assert row.loading_seconds is not None
    assert row.loading_seconds > 0
    proceed.set()
    gate.wait_entered()
    assert server.load_progress("m").stage == "warming up instance 1 of 2"
    gate.open()
    loading.result(TIMEOUT)
    assert not server.load_progress("m").loading
    assert {row.loading_seconds for row in server.repository_index()} == {None}
    assert server.describe("m").statistics.load_seconds > 0


def test_a_name_that_nobody_knows_has_no_progress(serve: Serve) -> None:
    server = serve(m=fake(1))
    why(server, "zebra")
    assert server.load_progress("zebra").attempt == 0


# --- shutdown -----------------------------------------------------------------------------------


def test_a_load_stops_between_stages(serve: Serve, backend: FakeBackend) -> None:
    server = serve(m=fake(1, "instance_group { count: 2 }"))
    inside, proceed = threading.Event(), threading.Event()

    def on_load(name: str) -> None:
        inside.set()
        assert proceed.wait(TIMEOUT)

    backend.on_load = on_load
    loading = server.load_model("m")
    assert inside.wait(TIMEOUT)
    assert server.close(0.05) == ("load_m",)
    proceed.set()
    assert server.close(TIMEOUT) == ()
    with pytest.raises(UnavailableError, match="Server is stopping"):
        loading.result(TIMEOUT)
    assert backend.models[0].instances == [], "the stage after the weights did not begin"
    assert backend.batches == []


def test_what_is_abandoned_is_said(
    serve: Serve, backend: FakeBackend, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve(m=fake(1, "instance_group { count: 1 }"))
    loaded(server, "m")
    gate = backend.on_execute = Gate("m")
    outcomes = [Outcomes() for _ in range(3)]
    for done in outcomes:
        server.submit(request("m"), done)
    gate.wait_entered()
    with caplog.at_level(logging.WARNING):
        server.close(0.05)
    assert "unload_m" in caplog.text
    assert "requests running: 3 of m" in caplog.text
    gate.open()
    for done in outcomes:
        done.one()


def test_close_may_wait_for_ever(serve: Serve) -> None:
    server = serve(m=fake(1))
    loaded(server, "m")
    assert server.close(math.inf) == ()


def test_close_ends_the_shared_threads(serve: Serve, backend: FakeBackend) -> None:
    server = serve(m=fake(1))
    before = set(threading.enumerate())
    loaded(server, "m")
    server.submit(request("m", deadline_ns=10**18), done := Outcomes())
    done.one()
    assert "timer" in {thread.name for thread in set(threading.enumerate()) - before}
    assert server.close(TIMEOUT) == ()
    names = [thread.name for thread in set(threading.enumerate()) - before]
    assert [name for name in names if name.startswith(("timer", "m_", "unload", "load"))] == []
    finalized_once(backend.models)


# --- options of what is loaded ------------------------------------------------------------------


def test_options_of_completion(serve_with: ServeWith) -> None:
    server = serve_with({"m": fake(1)}, default_max_batch_size=7, add_dynamic_batching=True)
    loaded(server, "m")
    config = server.describe("m").config
    assert config.max_batch_size == 7
    assert config.dynamic_batching is not None


def test_without_completion_a_configuration_has_to_be_whole(serve_with: ServeWith) -> None:
    server = serve_with({"m": fake(1)}, disable_auto_complete_config=True)
    assert isinstance(why(server), ConfigError)


def test_a_configuration_by_name(serve_with: ServeWith, root: Path) -> None:
    models = {name: fake(1, "max_batch_size: 2") for name in "mn"}
    server = serve_with(models, model_config_name="small")
    (root / "m" / "configs").mkdir()
    file = root / "m" / "configs" / "small.pbtxt"
    file.write_text('backend: "fake" max_batch_size: 5')
    loaded(server, "m", "n")
    assert [server.describe(name).config.max_batch_size for name in "mn"] == [5, 2]
    file.write_text(
        'backend: "fake"\nmax_batch_size: 5\ninput { name: "z" dims: 1 data_type: TYPE_FP32 }'
    )
    assert "configs/small.pbtxt:3" in str(why(server))
