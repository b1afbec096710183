# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The instance threads, with instances whose time the test controls."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import numpy as np
import pytest
from fake_backend import TIMEOUT, FakeBackend, FakeModel, Gate, Outcomes, row

from triton_ros.core.config.model_config import InstanceGroup, ModelConfig
from triton_ros.core.config.scheduling_config import DynamicBatching, QueuePolicy
from triton_ros.core.errors import CancelledError, InternalError, UnavailableError
from triton_ros.core.execution.executor import Executor
from triton_ros.core.execution.payload import Item
from triton_ros.core.scheduling.dynamic_batcher import DynamicBatcher
from triton_ros.core.scheduling.scheduler import Scheduler
from triton_ros.core.scheduling.timer import Timer
from triton_ros.core.telemetry.statistics import StatisticsCollector

Make = Callable[..., Scheduler]
MINUTE = 60_000_000
"""A delay, in microseconds, that no test waits for."""


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend()


class WatchedClock:
    """Real time; tells when an instance thread has looked at the queue."""

    def __init__(self) -> None:
        self._looked = threading.Semaphore(0)

    def __call__(self) -> int:
        if threading.current_thread().name.startswith("m_"):
            self._looked.release()
        return time.monotonic_ns()

    def wait_looked(self, scheduler: Scheduler, threads: int) -> None:
        """Until so many threads have looked and (they held the lock) wait again."""
        for _ in range(threads):
            assert self._looked.acquire(timeout=TIMEOUT)
        assert scheduler.pending >= 0


@pytest.fixture
def clock() -> WatchedClock:
    return WatchedClock()


@pytest.fixture
def timer() -> Iterator[Timer]:
    timer = Timer()
    yield timer
    timer.close()


@pytest.fixture
def make(backend: FakeBackend, clock: WatchedClock, timer: Timer) -> Iterator[Make]:
    """Schedulers with `count` instances; they have to be stoppable at the test's end."""
    made: list[Scheduler] = []

    def build(count: int = 1, size: int = 8, **batching: Any) -> Scheduler:
        model = FakeModel(backend, "m", 1.0)
        config = ModelConfig("m", max_batch_size=size)
        executors = [
            Executor(
                model.instance(InstanceGroup(), 0), config, StatisticsCollector(), time.time_ns, i
            )
            for i in range(count)
        ]
        batcher = DynamicBatcher(size, DynamicBatching(**batching) if batching else None)
        made.append(Scheduler("m", executors, batcher, clock, timer))
        clock.wait_looked(made[-1], count)
        return made[-1]

    yield build
    for scheduler in made:
        stopped(scheduler)


def stopping(scheduler: Scheduler) -> threading.Thread:
    thread = threading.Thread(target=scheduler.stop, daemon=True)
    thread.start()
    return thread


def stopped(scheduler: Scheduler) -> None:
    thread = stopping(scheduler)
    thread.join(TIMEOUT)
    assert not thread.is_alive(), "the scheduler does not stop"


def items(*values: float, key: str = "k") -> tuple[list[Item], list[Outcomes]]:
    outcomes = [Outcomes() for _ in values]
    return [
        Item({"x": row(value)}, done, key=(key,))
        for value, done in zip(values, outcomes, strict=True)
    ], outcomes


def y(outcome: Outcomes) -> float:
    found = outcome.one()
    assert isinstance(found, dict), found
    return float(found["y"][0, 0])


def test_queued_items_run_in_an_instance_thread(make: Make, backend: FakeBackend) -> None:
    scheduler = make()
    queued, (done,) = items(1)
    scheduler.submit(queued)
    assert y(done) == 2
    assert backend.threads == ["m_0"]


def test_inline_runs_in_the_callers_thread(make: Make, backend: FakeBackend) -> None:
    (item,), (done,) = items(1)
    assert make().run_inline(item)
    assert len(done.values) == 1, "answered before it returns"
    assert backend.threads == [threading.current_thread().name]


def test_inline_needs_an_idle_instance(make: Make, backend: FakeBackend) -> None:
    scheduler = make()
    gate = backend.on_execute = Gate("m")
    queued, (done, _) = items(1, 2)
    scheduler.submit(queued[:1])
    gate.wait_entered()
    assert not scheduler.run_inline(queued[1])
    gate.open()
    assert y(done) == 2


def test_inline_does_not_overtake_the_queue_nor_a_delay(make: Make, backend: FakeBackend) -> None:
    delayed = make(max_queue_delay_microseconds=MINUTE, preferred_batch_size=(2,))
    queued, outcomes = items(1, 2)
    assert not delayed.run_inline(queued[0])
    delayed.submit(queued)
    assert [y(o) for o in outcomes] == [2, 3]


def test_what_queues_while_an_inline_run_has_the_instance_runs_afterwards(
    make: Make, backend: FakeBackend
) -> None:
    scheduler = make()
    gate = backend.on_execute = Gate("m")
    (inline, queued), (first, second) = items(1, 2)
    caller = threading.Thread(target=scheduler.run_inline, args=(inline,), daemon=True)
    caller.start()
    gate.wait_entered()
    scheduler.submit([queued])
    gate.open()
    assert (y(first), y(second)) == (2, 3)
    caller.join(TIMEOUT)


def test_a_busy_instance_gathers_full_batches(make: Make, backend: FakeBackend) -> None:
    scheduler = make(preferred_batch_size=(8,))
    gate = backend.on_execute = Gate("m")
    queued, outcomes = items(*range(21))
    scheduler.submit(queued[:1])
    gate.wait_entered()
    scheduler.submit(queued[1:])
    assert scheduler.pending == 20
    gate.open()
    assert [y(o) for o in outcomes] == [v + 1 for v in range(21)]
    assert backend.sizes("m") == [1, 8, 8, 4]


def test_instances_run_side_by_side(make: Make, backend: FakeBackend) -> None:
    scheduler = make(count=3)
    gate = backend.on_execute = Gate("m")
    queued, outcomes = items(1, 2, 3)
    scheduler.submit(queued)
    gate.wait_entered(3)
    gate.open()
    assert [y(o) for o in outcomes] == [2, 3, 4]
    assert len(set(backend.threads)) == 3


def test_a_failing_batch_fails_alone(make: Make, backend: FakeBackend) -> None:
    def fail_on_13(model: FakeModel, inputs: Any) -> None:
        if np.any(inputs["x"] == 13):
            raise RuntimeError("unlucky")

    backend.on_execute = fail_on_13
    scheduler = make()
    queued, (good, bad, after) = items(1, 13, 3)
    scheduler.submit(queued)
    assert y(good) == 2
    assert isinstance(bad.one(), InternalError)
    assert "unlucky" in str(bad.one())
    assert y(after) == 4


@pytest.mark.parametrize("error", [RuntimeError, SystemExit])
def test_whatever_is_raised_the_thread_serves_on(
    make: Make, backend: FakeBackend, error: type[BaseException]
) -> None:
    def raising(*_: Any) -> None:
        raise error("a bug")

    scheduler = make()
    queued, (_, after) = items(1, 2)
    queued[0].done = raising
    scheduler.submit(queued)
    assert y(after) == 3
    backend.on_execute = raising
    (bad,), (failed,) = items(1)
    scheduler.submit([bad])
    assert isinstance(failed.one(), (InternalError, CancelledError))
    backend.on_execute = lambda model, inputs: None
    (good,), (done,) = items(1)
    scheduler.submit([good])
    assert y(done) == 2


def test_stop_finishes_what_waits_and_refuses_what_comes(make: Make, backend: FakeBackend) -> None:
    scheduler = make()
    gate = backend.on_execute = Gate("m")
    queued, outcomes = items(*range(5))
    scheduler.submit(queued)
    gate.wait_entered()
    thread = stopping(scheduler)
    late, (refused, inline) = items(7, 8)
    while not refused.values or not isinstance(refused.values[-1], UnavailableError):
        scheduler.submit(late[:1])  # until `stop` has begun
    assert "model 'm' is unloading" in str(refused.values[-1])
    assert not scheduler.run_inline(late[1])
    assert not inline.values
    assert thread.is_alive()
    gate.open()
    assert [y(o) for o in outcomes] == [1, 2, 3, 4, 5]
    thread.join(TIMEOUT)
    assert not thread.is_alive()


@pytest.mark.parametrize("count", [1, 2])
def test_stop_waits_for_an_inline_run(make: Make, backend: FakeBackend, count: int) -> None:
    scheduler = make(count)
    gate = backend.on_execute = Gate("m")
    (item,), (done,) = items(1)
    caller = threading.Thread(target=scheduler.run_inline, args=(item,), daemon=True)
    caller.start()
    gate.wait_entered()
    thread = stopping(scheduler)
    thread.join(0.05)
    assert thread.is_alive(), "an instance is still running"
    gate.open()
    thread.join(TIMEOUT)
    assert not thread.is_alive()
    assert y(done) == 2


def test_stop_runs_what_waits_for_its_delay(make: Make) -> None:
    scheduler = make(2, max_queue_delay_microseconds=20_000)
    queued, (done,) = items(1)
    scheduler.submit(queued)
    stopped(scheduler)
    assert y(done) == 2


def test_a_delay_ends(make: Make, backend: FakeBackend) -> None:
    scheduler = make(3, max_queue_delay_microseconds=2_000)
    for _ in range(3):
        queued, outcomes = items(1, 2)
        scheduler.submit(queued)
        assert [y(o) for o in outcomes] == [2, 3]
    assert backend.sizes("m") == [2, 2, 2]


def test_a_full_batch_does_not_wait_for_the_delay(make: Make, backend: FakeBackend) -> None:
    scheduler = make(3, size=4, max_queue_delay_microseconds=MINUTE)
    for _ in range(5):
        queued, outcomes = items(1, 2, 3, 4)
        for item in queued:
            scheduler.submit([item])
        assert [y(o) for o in outcomes] == [2, 3, 4, 5]
    assert backend.sizes("m") == [4] * 5


def test_a_delay_longer_than_a_thread_can_wait(make: Make, clock: WatchedClock) -> None:
    scheduler = make(size=2, max_queue_delay_microseconds=2**63)
    queued, outcomes = items(1, 2)
    scheduler.submit(queued[:1])
    clock.wait_looked(scheduler, 1)
    scheduler.submit(queued[1:])
    assert [y(o) for o in outcomes] == [2, 3]


def test_another_key_sends_what_waits(make: Make, backend: FakeBackend) -> None:
    scheduler = make(2, max_queue_delay_microseconds=MINUTE, preferred_batch_size=(2,))
    (a,), (first,) = items(1, key="a")
    (b, c), (second, third) = items(2, 3, key="b")
    scheduler.submit([a])
    scheduler.submit([b])
    assert y(first) == 2
    scheduler.submit([c])
    assert (y(second), y(third)) == (3, 4)


def test_replace_answers_the_old_one_and_runs_the_new(make: Make, backend: FakeBackend) -> None:
    scheduler = make()
    gate = backend.on_execute = Gate("m")
    (running, old, new), (first, cancelled, done) = items(1, 2, 3)
    scheduler.submit([running])
    gate.wait_entered()
    assert not scheduler.replace(running, new)
    scheduler.submit([old])
    assert scheduler.replace(old, new)
    assert isinstance(cancelled.one(), CancelledError)
    assert not scheduler.replace(old, new)
    gate.open()
    assert (y(first), y(done)) == (2, 4)
    assert backend.sizes("m") == [1, 1]


def test_replacing_by_another_key_sends_what_waits_before_it(
    make: Make, clock: WatchedClock
) -> None:
    scheduler = make(2, max_queue_delay_microseconds=MINUTE, preferred_batch_size=(8,))
    (a, b), (first, _) = items(1, 2, key="a")
    (c,), (third,) = items(3, key="c")
    scheduler.submit([a, b])
    clock.wait_looked(scheduler, 2)
    assert scheduler.replace(b, c)
    assert y(first) == 2
    (d,), (fourth,) = items(4, key="d")
    scheduler.submit([d])
    assert y(third) == 4
    queued, outcomes = items(*range(7), key="d")
    scheduler.submit(queued)
    assert [y(o) for o in [fourth, *outcomes]] == [5, 1, 2, 3, 4, 5, 6, 7]


def test_a_raising_callback_of_a_refused_item_does_not_cost_the_others(make: Make) -> None:
    def raising(*_: Any) -> None:
        raise RuntimeError("a bug")

    scheduler = make()
    stopped(scheduler)
    queued, (_, refused) = items(1, 2)
    queued[0].done = raising
    scheduler.submit(queued)
    assert isinstance(refused.one(), UnavailableError)


def test_a_full_queue_refuses(make: Make, backend: FakeBackend) -> None:
    scheduler = make(default_queue_policy=QueuePolicy(max_queue_size=2))
    gate = backend.on_execute = Gate("m")
    queued, outcomes = items(*range(4))
    scheduler.submit(queued[:1])
    gate.wait_entered()
    scheduler.submit(queued[1:])
    assert str(outcomes[3].one()) == "Exceeds maximum queue size"
    gate.open()
    assert [y(o) for o in outcomes[:3]] == [1, 2, 3]


@pytest.mark.parametrize("delay", [0, 500])
def test_many_callers_of_every_kind_are_all_answered_once(
    make: Make, backend: FakeBackend, delay: int
) -> None:
    scheduler = make(3, size=4, max_queue_delay_microseconds=delay)
    answers: list[tuple[float, Outcomes]] = []

    def call(seed: int) -> None:
        random = Random(seed)
        waiting: Item | None = None
        for number in range(60):
            (item,), (done,) = items(seed * 1000 + number, key=random.choice("ab"))
            answers.append((seed * 1000 + number, done))
            kind = random.choice(["inline", "submit", "submit", "replace"])
            if kind == "replace" and waiting and scheduler.replace(waiting, item):
                waiting = item
            elif kind != "inline" or not scheduler.run_inline(item):
                scheduler.submit([item])
                waiting = item

    callers = [threading.Thread(target=call, args=(n,), daemon=True) for n in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(TIMEOUT)
    stopped(scheduler)
    for number, done in answers:
        outcome = done.one()
        if not isinstance(outcome, CancelledError):
            assert y(done) == number + 1
    assert max(backend.sizes("m")) <= 4
