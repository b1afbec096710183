# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What could be lost between threads: wakes, timers, grants, answers, frames."""

from __future__ import annotations

import gc
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fake_backend import TIMEOUT, FakeBackend, FakeModel, Gate, Outcomes, request, row

from triton_ros.core.config.model_config import InstanceGroup, ModelConfig
from triton_ros.core.config.scheduling_config import DynamicBatching, RateLimiterConfig, Resource
from triton_ros.core.errors import ConfigError, InternalError
from triton_ros.core.execution.executor import Executor
from triton_ros.core.execution.payload import Item
from triton_ros.core.request import InferenceRequest
from triton_ros.core.scheduling.dynamic_batcher import DynamicBatcher
from triton_ros.core.scheduling.host_policy import HostPolicy
from triton_ros.core.scheduling.rate_limiter import RateLimiter
from triton_ros.core.scheduling.scheduler import Scheduler
from triton_ros.core.scheduling.timer import Timer
from triton_ros.core.telemetry.statistics import StatisticsCollector

Make = Callable[..., Scheduler]


class CountingTimer(Timer):
    """Counts the calls that are still to come."""

    @property
    def armed(self) -> int:
        with self._changed:
            return len(self._calls)


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend()


@pytest.fixture
def timer() -> Iterator[CountingTimer]:
    timer = CountingTimer()
    yield timer
    timer.close()


@pytest.fixture
def make(backend: FakeBackend, timer: Timer) -> Iterator[Make]:
    made: list[Scheduler] = []

    def build(
        *groups: InstanceGroup,
        batching: DynamicBatching | None = None,
        limiter: RateLimiter | None = None,
        **options: Any,
    ) -> Scheduler:
        model = FakeModel(backend, "m", 1.0)
        config = ModelConfig("m", max_batch_size=8)
        executors = [
            Executor(
                model.instance(group, 0),
                config,
                StatisticsCollector(),
                time.monotonic_ns,
                index,
                group,
                **options,
            )
            for index, group in enumerate(groups)
        ]
        batcher = DynamicBatcher(8, batching)
        made.append(Scheduler("m", executors, batcher, time.monotonic_ns, timer, limiter))
        return made[-1]

    yield build
    for scheduler in made:
        scheduler.stop()


ONE = InstanceGroup()


def item(done: Any, value: float = 0.0, key: str = "k", **fields: Any) -> Item:
    asked: InferenceRequest = request("m", value, **fields)
    return Item({"x": row(value)}, done, key=(key,), request=asked)


def parked(scheduler: Scheduler, count: int) -> None:
    """Until so many threads wait to be called."""
    until = time.monotonic() + TIMEOUT
    while len(scheduler._parking._spots) < count:
        assert time.monotonic() < until, "the threads do not wait"


def needing(count: int) -> InstanceGroup:
    return InstanceGroup(rate_limiter=RateLimiterConfig((Resource("R", count=count),)))


def test_what_a_thread_leaves_in_the_queue_is_watched_by_another(
    make: Make, backend: FakeBackend
) -> None:
    """A second key closes the first one's batch; who takes that does not see its delay through."""
    gate = Gate("m")
    backend.on_execute = lambda model, inputs: (
        gate(model, inputs) if inputs["x"][0, 0] == 1 else None
    )
    batching = DynamicBatching(max_queue_delay_microseconds=50_000)
    scheduler, first, second = make(ONE, ONE, batching=batching), Outcomes(), Outcomes()
    parked(scheduler, 2)
    scheduler.submit([item(first, 1, key="a")])
    parked(scheduler, 2)  # one of them until the delay is over
    scheduler.submit([item(second, 2, key="b")])
    gate.wait_entered()
    second.one()
    assert not first.values, "it did not wait for the one that is held"
    gate.open()
    first.one()


def test_deadlines_leave_one_timer(make: Make, backend: FakeBackend, timer: CountingTimer) -> None:
    """A timer that was overtaken by an earlier one does not go on beside it."""
    gate = backend.on_execute = Gate("m")
    scheduler, late = make(ONE), Outcomes()
    scheduler.submit([item(Outcomes())])
    gate.wait_entered()
    begun = time.monotonic_ns()
    far = item(Outcomes(), deadline_ns=begun + 3_600_000_000_000)
    scheduler.submit([far])
    for step in range(20):  # each is due before the one that was armed last
        deadline_ns = begun + (50 - step) * 5_000_000
        scheduler.submit([item(late, deadline_ns=deadline_ns)])
    late.wait(20)
    done = Outcomes()
    scheduler.submit([item(done, deadline_ns=time.monotonic_ns() + 1_000_000)])
    done.one()
    assert timer.armed <= 2
    gate.open()


def test_groups_that_are_refused_leave_the_limiter(make: Make) -> None:
    limiter = RateLimiter({("R", 0): 2})
    with pytest.raises(ConfigError):
        make(needing(1), needing(3), limiter=limiter)
    assert limiter._members == {}


def test_who_exits_in_its_callback_costs_others_nothing(make: Make, backend: FakeBackend) -> None:
    gate = backend.on_execute = Gate("m")
    scheduler, first, other = make(ONE, batching=DynamicBatching()), Outcomes(), Outcomes()
    scheduler.submit([item(first)])
    gate.wait_entered()
    scheduler.submit([item(lambda *outcome: sys.exit(3)), item(other)])
    gate.open()
    assert "y" in other.one()  # type: ignore[operator]
    assert backend.sizes("m") == [1, 2], "they were in one batch"


def test_an_item_that_nothing_answered_is_answered(make: Make) -> None:
    """An executor's own fault, not one of its model."""

    class Broken(Executor):
        def run(self, items: Any, grant: Any = None, reschedule: Any = None) -> None:
            raise RuntimeError("broken")

    scheduler, done = make(), Outcomes()
    instance = FakeModel(FakeBackend(), "m", 1.0).instance(ONE, 0)
    config = ModelConfig("m", max_batch_size=8)
    scheduler.add([Broken(instance, config, StatisticsCollector(), time.monotonic_ns)])
    scheduler.submit([item(done)])
    error = done.one()
    assert isinstance(error, InternalError)
    assert str(error) == "model 'm' failed: RuntimeError('broken')"


def test_cores_that_are_gone_do_not_stop_an_instance(make: Make) -> None:
    policy = HostPolicy("gone", frozenset({1_000}))
    scheduler, done = make(ONE, host_policy=policy), Outcomes()
    scheduler.submit([item(done)])
    assert "y" in done.one()  # type: ignore[operator]


def test_a_thread_that_waits_keeps_no_frame_alive(make: Make) -> None:
    scheduler, answered = make(ONE), threading.Event()
    frame = row(1)
    gone = weakref.ref(frame)
    scheduler.submit([Item({"x": frame}, lambda *outcome: answered.set(), key=("k",))])
    del frame
    assert answered.wait(TIMEOUT)
    parked(scheduler, 1)
    gc.collect()
    assert gone() is None
