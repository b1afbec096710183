# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Polling, decision by decision on the test's own clock; then once with its thread."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest
from fake_backend import CHAIN, TIMEOUT, FakeBackend, fake
from lifecycle_checks import ServeWith, index, infer
from toy_models import Toy, write_repository

from triton_ros.core.control.model_repository import ModelRepository
from triton_ros.core.control.repository_poller import RepositoryPoller
from triton_ros.core.errors import InternalError, UnavailableError
from triton_ros.core.server import InferenceServer
from triton_ros.core.server_options import ModelControlMode, ServerOptions

POLL, QUIET = 10.0, 1.0


class Watched:
    """A poller over a repository with `m`, which is loaded; it only notes what it is told."""

    def __init__(self, root: Path) -> None:
        self.root = write_repository(root, {"m": fake(1)})
        self.seconds = 0.0
        self.asked: list[str] = []
        self.answer: Callable[[Future[None]], None] = lambda future: future.set_result(None)
        self.poller = RepositoryPoller(
            ModelRepository([root]),
            lambda name: self._ask(f"load {name}"),
            lambda name: self._ask(f"unload {name}"),
            POLL,
            QUIET,
            lambda: round(self.seconds * 1e9),
        )
        self.poller.expect(["m"])
        self.poller.poll_once()

    def _ask(self, what: str) -> Future[None]:
        self.asked.append(what)
        future: Future[None] = Future()
        self.answer(future)
        return future

    def after(self, seconds: float) -> list[str]:
        """What a poll so much later asks for."""
        self.seconds += seconds
        self.asked.clear()
        self.poller.poll_once()
        return list(self.asked)

    def write(self, toy: Toy) -> None:
        write_repository(self.root, {"m": toy})

    @property
    def file(self) -> Path:
        return self.root / "m" / "1" / "model.fake"


@pytest.fixture
def watched(root: Path) -> Watched:
    return Watched(root)


def fail(future: Future[None]) -> None:
    future.set_exception(InternalError("broken"))


def test_nothing_changed(watched: Watched) -> None:
    assert watched.after(POLL) == []


def test_a_change_is_loaded_when_it_was_quiet(watched: Watched) -> None:
    watched.write(fake(2))
    assert watched.after(POLL) == []
    assert watched.after(0.9) == []
    watched.write(fake(3))
    assert watched.after(0.9) == [], "it changed again"
    assert watched.after(0.9) == []
    assert watched.after(0.1) == ["load m"]
    assert watched.after(POLL) == []


def test_the_next_look_is_when_it_may_be_quiet(watched: Watched) -> None:
    assert watched.poller.poll_once() == POLL
    watched.write(fake(2))
    assert watched.poller.poll_once() == QUIET
    watched.seconds += 0.25
    assert watched.poller.poll_once() == QUIET - 0.25


def test_a_touch_is_no_change(watched: Watched) -> None:
    os.utime(watched.file, ns=(1, 1))
    watched.after(POLL)
    assert watched.after(QUIET) == []
    watched.write(fake(2))
    watched.after(POLL)
    assert watched.after(QUIET) == ["load m"]


def test_a_roll_back_to_an_older_file_is_a_change(watched: Watched) -> None:
    older = watched.file.with_name("older")
    older.write_text("5")
    os.utime(older, ns=(0, 0))
    older.replace(watched.file)
    watched.after(POLL)
    assert watched.after(QUIET) == ["load m"]


def test_new_models(watched: Watched) -> None:
    write_repository(watched.root, {"n": fake(1)})
    assert watched.after(POLL) == []
    assert watched.after(QUIET) == ["load n"]


def test_a_model_that_vanished(watched: Watched) -> None:
    shutil.rmtree(watched.root / "m")
    assert watched.after(POLL) == []
    assert watched.after(QUIET) == ["unload m"]
    assert watched.after(POLL) == []


def test_a_model_that_was_away_for_a_moment(watched: Watched) -> None:
    shutil.rmtree(watched.root / "m")
    watched.after(POLL)
    watched.write(fake(2))
    assert watched.after(QUIET) == []
    assert watched.after(QUIET) == ["load m"]


def test_a_broken_upload_is_tried_again_when_it_changes(watched: Watched) -> None:
    watched.answer = fail
    watched.write(fake("half"))
    watched.after(POLL)
    assert watched.after(QUIET) == ["load m"]
    assert watched.after(POLL) == []
    watched.write(fake("whole"))
    watched.after(POLL)
    assert watched.after(QUIET) == ["load m"]


def test_a_model_that_loads_is_left_alone(watched: Watched) -> None:
    loading: list[Future[None]] = []
    watched.answer = loading.append
    watched.write(fake(2))
    watched.after(POLL)
    assert watched.after(QUIET) == ["load m"]
    watched.write(fake(3))
    watched.after(POLL)
    assert watched.after(POLL) == []
    loading[0].set_result(None)
    watched.after(POLL)
    assert watched.after(QUIET) == ["load m"]


def test_an_ensemble_is_tried_again_when_another_model_loaded(watched: Watched) -> None:
    write_repository(watched.root, {"e": CHAIN})
    watched.answer = fail
    watched.after(POLL)
    assert watched.after(QUIET) == ["load e"]
    assert watched.after(POLL) == []
    watched.answer = lambda future: future.set_result(None)
    watched.write(fake(2))
    watched.after(POLL)
    assert watched.after(QUIET) == ["load m"]
    watched.after(POLL)
    assert "load e" in [*watched.asked, *watched.after(POLL)]


def test_a_touch_tries_again_what_failed(watched: Watched) -> None:
    watched.answer = fail
    watched.write(fake("garbage"))
    watched.after(POLL)
    assert watched.after(QUIET) == ["load m"]
    assert watched.after(POLL) == []
    watched.file.touch()
    watched.after(POLL)
    assert watched.after(QUIET) == ["load m"], "what was missing may be there now"


@pytest.mark.parametrize("left", ["nothing", "mount point"])
def test_a_root_that_vanished_unloads_nothing(
    watched: Watched, left: str, caplog: pytest.LogCaptureFixture
) -> None:
    away = watched.root.with_name("away")
    watched.root.rename(away)
    if left == "mount point":
        watched.root.mkdir()
    assert watched.after(POLL) + watched.after(QUIET) + watched.after(POLL) == []
    assert caplog.text.count("its models serve on") == 1
    if left == "mount point":
        watched.root.rmdir()
    away.rename(watched.root)
    assert watched.after(POLL) == []
    watched.write(fake(2))
    watched.after(POLL)
    assert watched.after(QUIET) == ["load m"]


def test_the_last_model_of_a_root_can_be_removed(watched: Watched) -> None:
    shutil.rmtree(watched.root / "m")
    watched.after(POLL)
    assert watched.after(QUIET) == ["unload m"]


def test_a_server_that_closes(watched: Watched) -> None:
    def closing(future: Future[None]) -> None:
        raise UnavailableError("Server is stopping")

    watched.answer = closing
    watched.write(fake(2))
    watched.after(POLL)
    watched.after(QUIET)


# --- with everything ----------------------------------------------------------------------------


@pytest.fixture
def loads(backend: FakeBackend) -> Iterator[threading.Semaphore]:
    """Released once for each load that begins."""
    began = threading.Semaphore(0)
    backend.on_load = lambda name: began.release()
    yield began


def until(holds: Callable[[], bool]) -> None:
    never, deadline = threading.Event(), time.monotonic() + TIMEOUT
    while not holds():
        assert time.monotonic() < deadline
        never.wait(0.01)


def test_an_ensemble_recovers_with_its_step(serve_with: ServeWith, root: Path) -> None:
    server = serve_with(
        {"a": fake("garbage"), "b": fake(10), "e": CHAIN},
        model_control_mode=ModelControlMode.POLL,
        repository_poll_secs=0.02,
        poll_quiet_secs=0.02,
    )
    failed = {name for name, load in server.start().items() if load.exception(TIMEOUT)}
    assert failed == {"a", "e"}
    write_repository(root, {"a": fake(1)})
    until(lambda: server.model_ready("e"))


def test_a_name_that_is_no_longer_in_two_roots(tmp_path: Path, backend: FakeBackend) -> None:
    roots = [write_repository(tmp_path / root, {"m": fake(1)}) for root in ("a", "b")]
    options = ServerOptions(
        model_control_mode=ModelControlMode.POLL, repository_poll_secs=0.02, poll_quiet_secs=0.02
    )
    with InferenceServer(roots, backend.load_backend, options=options) as server:
        error = server.start()["m"].exception(TIMEOUT)
        assert "appears in two or more repositories" in str(error)
        shutil.rmtree(roots[1] / "m")
        until(lambda: server.model_ready("m"))


def test_instances_change_in_place_in_poll_mode(
    serve_with: ServeWith, root: Path, backend: FakeBackend
) -> None:
    server = serve_with(
        {"m": fake(1, "instance_group { count: 1 }")},
        model_control_mode=ModelControlMode.POLL,
        repository_poll_secs=0.02,
        poll_quiet_secs=0.02,
    )
    server.start()["m"].result(TIMEOUT)
    write_repository(root, {"m": fake(None, "instance_group { count: 3 }")})
    until(lambda: server.describe("m").instance_count == 3)
    assert len(backend.models) == 1


def test_a_server_that_polls(
    serve_with: ServeWith, root: Path, backend: FakeBackend, loads: threading.Semaphore
) -> None:
    server = serve_with(
        {"m": fake(1, "instance_group { count: 1 }")},
        model_control_mode=ModelControlMode.POLL,
        repository_poll_secs=0.02,
        poll_quiet_secs=0.02,
    )
    for future in server.start().values():
        future.result(TIMEOUT)
    assert loads.acquire(timeout=TIMEOUT)
    write_repository(root, {"n": fake(2)})
    assert loads.acquire(timeout=TIMEOUT)
    write_repository(root, {"m": fake(3)})
    assert loads.acquire(timeout=TIMEOUT)
    until(lambda: infer(server) == 3 and index(server, "n")[1][0] == "READY")
    shutil.rmtree(root / "n")
    until(lambda: not index(server, "n"))
    assert not loads.acquire(blocking=False), "no load for nothing"
