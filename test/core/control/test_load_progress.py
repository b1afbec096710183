# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Progress of loads on the test's own clock."""

from __future__ import annotations

import pytest

from triton_ros.core.control.load_progress import LoadProgress, ProgressBoard
from triton_ros.core.errors import UnavailableError


class Clocked:
    """A board whose clock says `seconds`."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.board = ProgressBoard(lambda: round(self.seconds * 1e9))

    def now(self) -> LoadProgress:
        return self.board.of("m")


@pytest.fixture
def clocked() -> Clocked:
    return Clocked()


def test_nothing_is_known_of_what_was_never_loaded(clocked: Clocked) -> None:
    assert clocked.now() == LoadProgress("m")


def test_the_way_of_a_load(clocked: Clocked) -> None:
    board = clocked.board
    board.queued("m")
    clocked.seconds = 2
    assert clocked.now() == LoadProgress("m", True, "waiting for a load thread", 2.0)
    board.began("m", 1)
    board.stage("m", "loading weights of version 1")
    clocked.seconds = 5
    assert clocked.now() == LoadProgress("m", True, "loading weights of version 1", 3.0, 1)
    board.failed("m", "no memory")
    board.began("m", 2)
    board.stage("m", "warming up instance 1 of 1")
    clocked.seconds = 6
    expected = LoadProgress("m", True, "warming up instance 1 of 1", 4.0, 2, "no memory")
    assert clocked.now() == expected
    board.succeeded("m")
    clocked.seconds = 60
    assert clocked.now() == LoadProgress("m", False, "warming up instance 1 of 1", 4.0, 2)


def test_the_reason_stays_until_a_load_succeeds(clocked: Clocked) -> None:
    board = clocked.board
    board.began("m", 1)
    board.failed("m", "garbage")
    board.ended("m")
    board.queued("m")
    assert clocked.now().reason == "garbage"
    board.began("m", 1)
    board.succeeded("m")
    assert clocked.now().reason == ""


def test_a_load_in_the_queue_does_not_hide_the_one_that_runs(clocked: Clocked) -> None:
    board = clocked.board
    board.began("m", 1)
    board.stage("m", "making instance 1 of 1")
    board.queued("m")
    assert clocked.now().stage == "making instance 1 of 1"


def test_a_load_that_never_began_ends(clocked: Clocked) -> None:
    clocked.board.queued("m")
    clocked.board.ended("m")
    assert not clocked.now().loading
    clocked.board.ended("m", forget=True)
    assert clocked.now() == LoadProgress("m")


def test_no_stage_begins_after_closing(clocked: Clocked) -> None:
    clocked.board.began("m", 1)
    clocked.board.close()
    with pytest.raises(UnavailableError, match="Server is stopping, model 'm' is not served"):
        clocked.board.stage("m", "loading weights of version 1")
