# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What may happen to items while they wait, and to instances while they work."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fake_backend import TIMEOUT, FakeBackend, FakeModel, Gate, Outcomes, request, row

from triton_ros.core.config.model_config import InstanceGroup, ModelConfig
from triton_ros.core.config.scheduling_config import RateLimiterConfig, Resource
from triton_ros.core.errors import CancelledError, ConfigError, UnavailableError
from triton_ros.core.execution.executor import Executor
from triton_ros.core.execution.payload import Item
from triton_ros.core.request import Caller, Cancellation, InferenceRequest
from triton_ros.core.scheduling.dynamic_batcher import DynamicBatcher
from triton_ros.core.scheduling.host_policy import HostPolicy
from triton_ros.core.scheduling.ordered_delivery import OrderedDelivery
from triton_ros.core.scheduling.rate_limiter import RateLimiter
from triton_ros.core.scheduling.scheduler import Scheduler
from triton_ros.core.scheduling.timer import Timer
from triton_ros.core.telemetry.statistics import StatisticsCollector

Make = Callable[..., Scheduler]
R = InstanceGroup(rate_limiter=RateLimiterConfig((Resource("R"),)))


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend()


@pytest.fixture
def timer() -> Iterator[Timer]:
    timer = Timer()
    yield timer
    timer.close()


def executors(
    backend: FakeBackend,
    name: str,
    *indices: int,
    group: InstanceGroup | None = None,
    **options: Any,
) -> list[Executor]:
    model = FakeModel(backend, name, 1.0)
    config = ModelConfig(name, max_batch_size=8)
    return [
        Executor(
            model.instance(InstanceGroup(), 0),
            config,
            StatisticsCollector(),
            time.monotonic_ns,
            index,
            group,
            **options,
        )
        for index in indices
    ]


@pytest.fixture
def make(backend: FakeBackend, timer: Timer) -> Iterator[Make]:
    made: list[Scheduler] = []

    def build(
        name: str = "m",
        count: int = 1,
        group: InstanceGroup | None = None,
        host_policy: HostPolicy | None = None,
        **options: Any,
    ) -> Scheduler:
        instances = executors(backend, name, *range(count), group=group, host_policy=host_policy)
        batcher = DynamicBatcher(8, None)
        made.append(Scheduler(name, instances, batcher, time.monotonic_ns, timer, **options))
        return made[-1]

    yield build
    for scheduler in made:
        scheduler.stop()


def item(done: Outcomes, value: float = 0.0, **fields: Any) -> Item:
    asked: InferenceRequest = request("m", value, **fields)
    return Item({"x": row(value)}, done, key=("k",), request=asked)


def test_a_waiting_item_is_cancelled_at_once(make: Make, backend: FakeBackend) -> None:
    gate = backend.on_execute = Gate("m")
    scheduler, first, second = make(), Outcomes(), Outcomes()
    cancellation = Cancellation()
    scheduler.submit([item(first)])
    gate.wait_entered()
    scheduler.submit([item(second, cancellation=cancellation)])
    cancellation.cancel()
    assert isinstance(second.one(), CancelledError)
    assert str(second.one()) == "request was cancelled"
    assert scheduler.pending == 0
    gate.open()
    assert "y" in first.one()  # type: ignore[operator]


def test_a_cancelled_token_forgets_items_that_were_answered(make: Make) -> None:
    scheduler, done, cancellation = make(), Outcomes(), Cancellation()
    scheduler.submit([item(done, cancellation=cancellation)])
    done.wait()
    cancellation.cancel()
    assert len(done.values) == 1


def test_a_replaced_item_can_be_cancelled_and_leaves_nothing_behind(
    make: Make, backend: FakeBackend
) -> None:
    gate = backend.on_execute = Gate("m")
    scheduler, first, old, new = make(), Outcomes(), Outcomes(), Outcomes()
    tokens = Cancellation(), Cancellation()
    scheduler.submit([item(first)])
    gate.wait_entered()
    waiting = item(old, cancellation=tokens[0])
    scheduler.submit([waiting])
    assert scheduler.replace(waiting, item(new, cancellation=tokens[1]))
    assert str(old.one()) == "superseded by a newer request"
    tokens[1].cancel()
    assert str(new.one()) == "request was cancelled"
    assert not tokens[0]._watchers
    gate.open()


def test_an_answered_item_is_off_its_token(make: Make) -> None:
    scheduler, done, token = make(), Outcomes(), Cancellation()
    scheduler.submit([item(done, cancellation=token)])
    late = item(done, cancellation=token, deadline_ns=1)
    scheduler.submit([late])
    done.wait(2)
    assert not token._watchers


def test_nothing_late_runs_inline(make: Make, backend: FakeBackend) -> None:
    scheduler, done = make(), Outcomes()
    assert scheduler.run_inline(item(done, deadline_ns=1))
    assert str(done.one()) == "Request deadline expired"
    assert backend.sizes("m") == []


def test_a_deadline_fires_while_every_instance_is_busy(make: Make, backend: FakeBackend) -> None:
    gate = backend.on_execute = Gate("m")
    scheduler, first, late = make(), Outcomes(), Outcomes()
    scheduler.submit([item(first)])
    gate.wait_entered()
    deadline = time.monotonic_ns() + 20_000_000
    scheduler.submit([item(late, deadline_ns=deadline)])
    assert isinstance(late.one(), UnavailableError)
    assert str(late.one()) == "Request deadline expired"
    assert time.monotonic_ns() >= deadline
    assert not first.values
    gate.open()


def test_instances_come_and_go_without_losing_a_request(make: Make, backend: FakeBackend) -> None:
    scheduler, done = make(count=1), Outcomes()
    gate = backend.on_execute = Gate("m")
    scheduler.submit([item(done, i) for i in range(6)])
    gate.wait_entered(1)
    more = executors(backend, "m", 1, 2)
    scheduler.add(more)
    gate.wait_entered(2)  # all three work
    first = scheduler.executors[:1]
    gone = threading.Thread(target=scheduler.remove, args=(first,))
    gone.start()
    gate.open()
    gone.join(TIMEOUT)
    assert not gone.is_alive()
    assert scheduler.executors == tuple(more)
    assert len(done.wait(6)) == 6
    scheduler.submit([item(done, 7)])
    done.wait(7)


def test_removing_waits_for_what_an_instance_runs(make: Make, backend: FakeBackend) -> None:
    scheduler, done = make(count=2), Outcomes()
    gate = backend.on_execute = Gate("m")
    scheduler.submit([item(done), item(done)])
    gate.wait_entered(2)
    removed = threading.Event()

    def remove() -> None:
        scheduler.remove(scheduler.executors[:1])
        removed.set()

    threading.Thread(target=remove).start()
    assert not removed.wait(0.02)
    gate.open()
    assert removed.wait(TIMEOUT)


def test_models_take_turns_with_a_resource(make: Make, backend: FakeBackend) -> None:
    limiter = RateLimiter()
    a, b = (make(name, group=R, limiter=limiter) for name in "ab")
    gate = backend.on_execute = Gate("a")
    first, second = Outcomes(), Outcomes()
    a.submit([item(first)])
    gate.wait_entered()
    b.submit([item(second)])
    assert not b.run_inline(item(Outcomes())), "the limiter is asked by the threads"
    assert backend.sizes("b") == []
    gate.open()
    second.wait()
    first.wait()


def test_a_model_that_calls_another_one_lends_it_what_it_holds(
    make: Make, backend: FakeBackend
) -> None:
    """Also when somebody else's request is ahead in the called model's queue."""
    limiter = RateLimiter()
    grants: list[Any] = []
    below, stranger = Outcomes(), Outcomes()
    b = make("b", group=R, limiter=limiter)

    class Calling(Executor):
        def run(self, items: Any, grant: Any = None, reschedule: Any = None) -> None:
            grants.append(grant)
            b.submit([item(stranger)])
            b.submit([item(below, caller=Caller(frozenset({"a"}), (grant,)))])
            below.wait()
            super().run(items, grant, reschedule)

    a = make("a", 0, group=R, limiter=limiter)
    model = FakeModel(backend, "a", 1.0)
    config = ModelConfig("a", max_batch_size=8)
    a.add(
        [
            Calling(
                model.instance(InstanceGroup(), 0),
                config,
                StatisticsCollector(),
                time.monotonic_ns,
                0,
                R,
            )
        ]
    )
    done = Outcomes()
    a.submit([item(done)])
    done.wait()
    stranger.wait()


def test_an_instance_that_the_limiter_could_never_start_is_refused(make: Make) -> None:
    limiter = RateLimiter({("R", 0): 0})
    with pytest.raises(ConfigError, match="'R' count 1 is more than the server's 0"):
        make(group=R, limiter=limiter)


def test_a_host_policy_binds_the_thread_that_executes(make: Make, backend: FakeBackend) -> None:
    seen: list[set[int]] = []
    backend.on_execute = lambda model, inputs: seen.append(os.sched_getaffinity(0))
    core = min(os.sched_getaffinity(0))
    policy = HostPolicy("one", frozenset({core}))
    scheduler, done = make(host_policy=policy), Outcomes()
    assert not scheduler.run_inline(item(done)), "the caller's thread has its own cores"
    scheduler.submit([item(done)])
    done.wait()
    assert seen == [{core}]


def test_ordered_answers(make: Make, backend: FakeBackend) -> None:
    scheduler = make(count=2, order=OrderedDelivery())
    slow = Gate("m")
    held = threading.Event()

    def execute(model: FakeModel, inputs: Any) -> None:
        if inputs["x"][0, 0] == 1:
            slow(model, inputs)
        else:
            held.set()

    backend.on_execute = execute
    answered: list[float] = []
    done = Outcomes()

    def note(value: float) -> Callable[[Any, Any], None]:
        return lambda outcome, timing: (answered.append(value), done(outcome))[0]

    for value in (1.0, 2.0):
        scheduler.submit([Item({"x": row(value)}, note(value), key=("k",))])
    slow.wait_entered()
    assert held.wait(TIMEOUT), "the second one ran beside the first"
    assert answered == []
    slow.open()
    done.wait(2)
    assert answered == [1.0, 2.0]


def test_stopping_leaves_no_thread(make: Make) -> None:
    before = set(threading.enumerate())
    scheduler, done = make("gone", 3), Outcomes()
    scheduler.submit([item(done)])
    done.wait()
    scheduler.stop()
    left = [t for t in set(threading.enumerate()) - before if t.name.startswith("gone")]
    assert left == []
