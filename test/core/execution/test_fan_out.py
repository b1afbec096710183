# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Scatter and gather on their own."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from fake_backend import TIMEOUT

from triton_ros.core.errors import InternalError
from triton_ros.core.execution.fan_out import Gather, gather_rows, scatter_rows, slowest
from triton_ros.core.request import Timing


def gather(count: int) -> tuple[Gather, list[Any]]:
    done: list[Any] = []
    return Gather(count, lambda outcome, timing: done.append((outcome, timing))), done


def y(value: float) -> dict[str, Any]:
    return {"y": np.float32([value])}


def test_answers_once_in_order_when_all_have_arrived() -> None:
    g, done = gather(3)
    for index in (2, 0, 1):
        assert not done
        g.slot(index)(y(index), Timing(queue_ns=index))
    ((outcome, timing),) = done
    assert [float(o["y"][0]) for o in outcome] == [0, 1, 2]
    assert timing.queue_ns == 2


def test_the_first_failure_is_the_answer_after_all_arrived() -> None:
    g, done = gather(3)
    first = InternalError("first")
    g.slot(1)(first, Timing())
    g.slot(0)(InternalError("second"), Timing())
    assert not done
    g.slot(2)(y(0), Timing())
    assert done[0][0] is first
    assert len(done) == 1


def test_no_element_is_answered_by_the_sender() -> None:
    g, done = gather(0)
    g.answer_nothing()
    assert done == [([], Timing())]


def test_many_threads_answer_once() -> None:
    g, done = gather(64)
    start = threading.Barrier(8)

    def work(first: int) -> None:
        start.wait(TIMEOUT)
        for index in range(first, 64, 8):
            g.slot(index)(y(index), Timing())

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT)
    assert len(done) == 1
    assert [float(o["y"][0]) for o in done[0][0]] == list(range(64))


def test_scatter_and_gather_are_inverse() -> None:
    arrays = {"a": np.arange(12).reshape(3, 4), "b": np.arange(3)}
    rows = scatter_rows(arrays, 3)
    assert all(isinstance(value, np.ndarray) for each in rows for value in each.values())
    back = gather_rows(rows, {})
    for name, array in arrays.items():
        np.testing.assert_array_equal(back[name], array)


def test_gathering_nothing_gives_the_empty_answer() -> None:
    empty = {"y": np.empty((0, 4), np.float32)}
    assert gather_rows([], empty) == empty


def test_gathering_different_shapes_is_an_error() -> None:
    with pytest.raises(ValueError, match="same shape"):
        gather_rows([{"y": np.zeros(2)}, {"y": np.zeros(3)}], {})


def test_slowest_is_field_by_field() -> None:
    assert slowest(Timing(1, 9, 1, 9, 4), Timing(5, 5, 5, 5, 8)) == Timing(5, 9, 5, 9, 8)
