# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Whatever happens, every frame has one fate, the newest wins, and answers keep their order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from triton_ros.ros.frame_queue import FrameQueue, Sequencer

EVENTS = st.lists(st.sampled_from(["arrive", "finish", "clear"]), max_size=60)


@given(EVENTS, st.integers(1, 5), st.integers(1, 4))
def test_every_frame_has_exactly_one_fate(events: list[str], depth: int, in_flight: int) -> None:
    queue: FrameQueue[int] = FrameQueue(depth, in_flight)
    arrived, started, dropped = 0, [], []
    for event in events:
        start = None
        if event == "arrive":
            start, out = queue.arrive(arrived)
            arrived += 1
            dropped += out
        elif event == "finish" and queue.running:
            start = queue.finished()
        elif event == "clear":
            dropped += queue.clear()
        if start is not None:
            started.append(start)
        assert queue.running <= in_flight
        assert queue.waiting <= depth
        assert not queue.waiting or queue.full, "no frame waits while there is room"
        assert arrived == len(started) + len(dropped) + queue.waiting
    assert started == sorted(set(started)), "frames start in their order"
    assert dropped == sorted(set(dropped)), "the oldest goes first"
    assert not set(started) & set(dropped)


@given(st.integers(1, 5), st.integers(0, 20))
def test_the_newest_wait(depth: int, count: int) -> None:
    queue: FrameQueue[int] = FrameQueue(depth, 1)
    queue.arrive(-1)
    for number in range(count):
        assert queue.arrive(number)[0] is None
    assert queue.clear() == list(range(count))[-depth:]


def test_more_in_flight_takes_effect_while_frames_wait() -> None:
    queue: FrameQueue[int] = FrameQueue(3, 1)
    assert queue.arrive(0) == (0, [])
    assert queue.arrive(1) == (None, [])
    queue.in_flight = 3
    assert queue.arrive(2) == (1, []), "the oldest that waits goes first"
    assert queue.arrive(3) == (2, [])
    assert queue.running == 3


def test_less_in_flight_takes_effect_as_frames_finish() -> None:
    queue: FrameQueue[int] = FrameQueue(3, 2)
    queue.arrive(0)
    queue.arrive(1)
    queue.arrive(2)
    queue.in_flight = 1
    assert queue.finished() is None
    assert queue.finished() == 2


@given(st.permutations(range(12)), st.sets(st.integers(0, 11)))
def test_answers_leave_in_order_whatever_order_they_come_in(
    order: list[int], unanswered: set[int]
) -> None:
    sequencer: Sequencer[str] = Sequencer()
    left: list[str] = []
    for count, number in enumerate(order, 1):
        left += sequencer.arrive(number, None if number in unanswered else str(number))
        come = set(order[:count])
        first_missing = next(n for n in range(13) if n not in come)
        expected = [str(n) for n in range(first_missing) if n not in unanswered]
        assert left == expected, "everything before the first gap has left, nothing after it"
