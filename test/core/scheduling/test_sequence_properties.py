# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Any interleaving of sequences: everything is answered once, in order, with its own state.

The desk's clock is the test's.  What must hold is kept in a second, much simpler book (`Book`): it
knows nothing of slots, backlogs and heaps.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from fake_sequence import FLAGS, SUM, Desk, configuration, corrid
from hypothesis import given, settings
from hypothesis import strategies as st

from triton_ros.core.config.scheduling_config import DirectStrategy, OldestStrategy
from triton_ros.core.errors import TritonError
from triton_ros.core.execution.payload import Item
from triton_ros.core.scheduling.batcher import Wait

IDLE_US = 50
IDLE = IDLE_US * 1000
INSTANCES = 2


@dataclass(eq=False)
class Story:
    """What is known of one sequence, from START on."""

    over: bool = False
    total: float = 0.0
    open: list[Item] = field(default_factory=list)
    """Neither answered nor refused, in the order they came."""
    quiet_since: int = 0
    running: bool = False
    place: tuple[int, int] | None = None


class Book:
    """Drives a desk and checks it."""

    def __init__(self, strategy: DirectStrategy | OldestStrategy) -> None:
        config = configuration(
            strategy,
            max_batch_size=2,
            control_input=(*FLAGS, corrid()),
            state=(SUM,),
            max_sequence_idle_microseconds=IDLE_US,
        )
        self.direct = isinstance(strategy, DirectStrategy)
        self.desk = Desk(config, INSTANCES)
        self.known: dict[int, Story] = {}
        self.of: dict[Item, Story] = {}
        self.answers: dict[Item, float | None] = {}
        self.seen = 0
        self.batches: list[list[Item | None]] = [[] for _ in range(INSTANCES)]

    def offer(self, sequence: int, flags: str, x: float, late: int, timeout: int) -> None:
        now = self.desk.now
        story = self.known.get(sequence)
        if story and not story.open and now >= story.quiet_since + IDLE:
            story = None
        if story and story.over:
            story = None
        unknown = story is None and "s" not in flags
        if "s" in flags:
            story = self.known[sequence] = Story()
        item = self.desk.offer(
            sequence, flags, x, deadline_ns=now + late if late else None, timeout_us=timeout
        )
        if unknown:
            assert "must specify the START flag" in str(self.desk.refused[item])
        if story is None or unknown:
            story = Story(over=True)
        story.open.append(item)
        self.of[item] = story
        self.note_refusals()
        if not unknown and not story.over and item in self.desk.refused:
            assert "START" not in str(self.desk.refused[item]), "it is known"
        story.over |= "e" in flags

    def note_refusals(self) -> None:
        new = list(self.desk.refused.items())[self.seen :]
        self.seen += len(new)
        for item, error in new:
            self.refused(item, error)

    def refused(self, item: Item, error: TritonError) -> None:
        self.answered(item, None)
        story, request = self.of[item], item.request
        assert request
        if "cancelled" in str(error) or "timeout" in str(error) or request.sequence_start:
            story.over = True

    def answered(self, item: Item, value: float | None) -> None:
        assert item not in self.answers, "answered twice"
        self.answers[item] = value
        story = self.of[item]
        story.open.remove(item)
        story.quiet_since = self.desk.now

    def start(self, instance: int) -> None:
        if self.batches[instance]:
            return
        batch = self.desk.next(instance)
        if isinstance(batch, Wait):
            return
        assert any(batch)
        assert len(batch) <= 2
        for row, item in enumerate(batch):
            assert item or self.direct
            if item:
                self.check_start(item, instance, row)
        self.batches[instance] = batch

    def check_start(self, item: Item, instance: int, row: int) -> None:
        story, request = self.of[item], item.request
        assert request
        assert item not in self.answers
        assert not story.running, "two of one sequence at the same time"
        assert story.open[0] is item, "out of order"
        assert request.deadline_ns is None or self.desk.now < request.deadline_ns
        told = {name: np.asarray(value).item() for name, value in item.inputs.items()}
        assert told["sum_in"] == story.total, "another's state, or an old one"
        assert told["CORRID"] == request.correlation_id
        assert told["START"] == request.sequence_start
        place = instance, row if self.direct else 0
        assert story.place in (None, place), "it moved"
        story.running, story.place = True, place

    def finish(self, instance: int, fails: bool) -> None:
        batch = self.batches[instance]
        self.batches[instance] = []
        for item in filter(None, batch):
            story = self.of[item]
            story.running = False
            if not fails:
                assert item.state
                story.total += np.asarray(item.inputs["x"]).item()
                sums = np.full((1, 1), story.total, np.float32)
                assert item.state.take({"y": sums, "sum_out": sums}).keys() == {"y"}
            self.answered(item, story.total)
        if batch:
            self.desk.finish(batch, instance)
            self.note_refusals()

    def cancel(self, number: int) -> None:
        waiting = [item for item in self.of if item not in self.answers]
        if not waiting:
            return
        item = waiting[number % len(waiting)]
        removed = self.desk.batcher.remove(item)
        if removed:
            assert not (self.of[item].running and self.of[item].open[0] is item)
            self.of[item].over = True
            self.answered(item, None)
        self.desk.expire(self.desk.now)
        self.note_refusals()
        assert removed or item in self.answers or self.of[item].running

    def turn(self, instance: int, fails: bool) -> None:
        if self.batches[instance]:
            self.finish(instance, fails)
        else:
            self.start(instance)

    def wait(self, time: int, timer: bool) -> None:
        """Time passes; the timer's thread may be slow."""
        if timer:
            self.desk.expire(self.desk.now + time)
            self.note_refusals()
        else:
            self.desk.now += time

    def empty(self) -> None:
        """Let everything finish; what holds slots without an END goes idle."""
        for _ in range(2 * len(self.of) + 2):
            for instance in range(INSTANCES):
                self.finish(instance, False)
                self.start(instance)
            if not len(self.desk.batcher) and not any(self.batches):
                break
            self.wait(IDLE, timer=True)
        assert not len(self.desk.batcher)
        assert self.answers.keys() == self.of.keys(), "lost"


OFFER = st.tuples(
    st.just("offer"),
    st.integers(1, 8),
    st.sampled_from(["s", "s", "s", "", "", "", "e", "se"]),
    st.integers(1, 9).map(float),
    st.sampled_from([0, 0, 0, 7000]),
    st.sampled_from([0, 0, 0, 9]),
)
TURN = st.tuples(
    st.just("turn"), st.integers(0, INSTANCES - 1), st.sampled_from([False] * 3 + [True])
)
CANCEL = st.tuples(st.just("cancel"), st.integers(0, 20))
WAIT = st.tuples(st.just("wait"), st.sampled_from([1000, 5000, IDLE - 1, IDLE]), st.booleans())


@pytest.mark.parametrize(
    "strategy", [DirectStrategy(), OldestStrategy(1), OldestStrategy(2, (2,), 9)]
)
@given(steps=st.lists(st.one_of(OFFER, OFFER, OFFER, TURN, TURN, TURN, CANCEL, WAIT), min_size=30))
@settings(deadline=None, max_examples=40)
def test_any_interleaving(
    strategy: DirectStrategy | OldestStrategy, steps: list[tuple[Any, ...]]
) -> None:
    book = Book(strategy)
    for name, *arguments in steps:
        getattr(book, name)(*arguments)
    book.empty()
