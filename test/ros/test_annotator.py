# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The newest picture of each stream is drawn; a failing or slow one costs no other."""

from __future__ import annotations

import threading

from triton_ros.ros.annotator import Annotator

LIMIT_S = 10.0


class Bench:
    """An annotator that is kept busy until `release`."""

    def __init__(self) -> None:
        self.drawn: list[str] = []
        self.errors: list[Exception] = []
        self.annotator = Annotator(self.errors.append)
        self._released, started = threading.Event(), threading.Event()

        def busy() -> None:
            started.set()
            assert self._released.wait(LIMIT_S)

        self.annotator.offer("busy", busy)
        assert started.wait(LIMIT_S)

    def offer(self, key: str, picture: str) -> None:
        self.annotator.offer(key, lambda: self.drawn.append(picture))

    def finish(self) -> None:
        done = threading.Event()
        self.annotator.offer("last", done.set)
        self._released.set()
        assert done.wait(LIMIT_S)
        self.annotator.stop()


def test_the_newest_of_each_key_is_drawn_in_turn() -> None:
    bench = Bench()
    for number in range(3):
        bench.offer("a", f"a{number}")
        bench.offer("b", f"b{number}")
    bench.finish()
    assert bench.drawn == ["a2", "b2"]


def test_a_picture_that_fails_is_told_and_the_next_is_drawn() -> None:
    bench = Bench()

    def fail() -> None:
        raise ValueError("no colour")

    bench.annotator.offer("a", fail)
    bench.offer("b", "b")
    bench.finish()
    assert [str(error) for error in bench.errors] == ["no colour"]
    assert bench.drawn == ["b"]


def test_stop_ends_the_thread_and_offers_go_nowhere() -> None:
    bench = Bench()
    bench.finish()
    assert not [t for t in threading.enumerate() if t.name == "annotator"]
    bench.offer("a", "late")
    assert bench.drawn == []
