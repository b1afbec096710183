# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The threads of the data path: one an instance, each pulling its next batch itself.

A caller hands an item over once and the next idle thread takes it, so a frame changes threads one
time.  A blocking caller that finds an instance idle, nothing queued and no delay wanted changes
none: it borrows the instance and runs the batch itself (`run_inline`).

What to run is the batcher's decision, whether it may run now the rate limiter's; waiting is one
condition with the timeout that the batcher computed, and the server's timer for what falls due
while every instance is busy.  Nothing polls.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from functools import partial
from queue import SimpleQueue
from weakref import WeakMethod

from triton_ros.core.errors import CancelledError, ConfigError, InternalError, UnavailableError
from triton_ros.core.execution.executor import Clock, Executor, deliver, settle
from triton_ros.core.execution.payload import Item
from triton_ros.core.request import Caller, Timing
from triton_ros.core.scheduling.batcher import Batcher, Rejections, Wait
from triton_ros.core.scheduling.host_policy import HostPolicy, enter
from triton_ros.core.scheduling.ordered_delivery import OrderedDelivery
from triton_ros.core.scheduling.parking import Parking, Spot, call, wait
from triton_ros.core.scheduling.policy_queue import refusal
from triton_ros.core.scheduling.rate_limiter import Grant, RateLimiter, Wakes
from triton_ros.core.scheduling.timer import Timer

_LOG = logging.getLogger(__name__)

Task = tuple[Executor, list[Item], Grant | None]

_NOTHING = Wait()


class Scheduler:
    """Runs one model version's items on its instances."""

    def __init__(
        self,
        name: str,
        executors: Sequence[Executor],
        batcher: Batcher,
        clock: Clock,
        timer: Timer,
        limiter: RateLimiter | None = None,
        order: OrderedDelivery | None = None,
    ) -> None:
        self._name = name
        self._batcher = batcher
        self._clock = clock
        self._timer = timer
        self._limiter = limiter
        self._order = order
        self._lock = threading.RLock()
        self._returned = threading.Condition(self._lock)
        """Told when an instance came back that `remove` or `stop` waits for."""
        self._parking = Parking()
        self._executors: list[Executor] = []
        self._idle: list[Executor] = []
        self._threads: list[threading.Thread] = []
        self._surplus = 0
        self._called: dict[Item, Caller] = {}
        self._armed: list[int] = []
        """When the timer calls, each time earlier than the one before."""
        self._stopping = False
        due = WeakMethod(self._on_due)  # a far deadline must not keep an unloaded model alive
        self._due_call = lambda due_ns: (expire := due()) and expire(due_ns)
        self.add(executors)

    @property
    def pending(self) -> int:
        """Items that wait."""
        with self._lock:
            return len(self._batcher)

    # instances -------------------------------------------------------------------------------

    @property
    def executors(self) -> tuple[Executor, ...]:
        """The instances that take requests."""
        with self._lock:
            return tuple(self._executors)

    def add(self, executors: Sequence[Executor]) -> None:
        """Let further instances work.

        Raises `ConfigError` if the rate limiter could never let one run.
        """
        if self._limiter:
            try:
                for executor in executors:
                    self._limiter.join(executor, executor.group.rate_limiter, executor.device)
            except ConfigError:
                self._leave(executors)
                raise
        threads = [
            threading.Thread(target=self._work, name=f"{self._name}_{e.index}", daemon=True)
            for e in executors
        ]
        with self._lock:
            self._executors += executors
            self._idle += executors
            self._threads += threads
        for thread in threads:
            thread.start()

    def remove(self, executors: Sequence[Executor]) -> None:
        """Take instances out; returns when the last of them finished what it ran."""
        with self._lock:
            self._executors = [e for e in self._executors if e not in executors]
            self._surplus += len(executors)
            call(self._parking.take_all())
            self._returned.wait_for(lambda: all(e in self._idle for e in executors))
            self._idle = [e for e in self._idle if e not in executors]
        self._leave(executors)

    def retire(self) -> None:
        """No new request comes any more; those that were submitted are still answered."""
        with self._lock:
            self._batcher.retire(self._clock())
            self._arm()
            call(self._parking.take_all())

    def stop(self) -> None:
        """Finish what is queued and running, then end the threads.  Returns when they ended."""
        with self._lock:
            self._stopping = True
            call(self._parking.take_all())
        for thread in list(self._threads):
            thread.join()
        with self._lock:  # a borrowed instance may still be running in its caller's thread
            self._returned.wait_for(lambda: len(self._idle) == len(self._executors))
            executors = list(self._executors)
        self._leave(executors)

    def _leave(self, executors: Sequence[Executor]) -> None:
        for executor in executors:
            for wake in self._limiter.leave(executor) if self._limiter else ():
                wake()

    # requests --------------------------------------------------------------------------------

    def submit(self, items: Sequence[Item]) -> None:
        """Queue items; one that is refused is answered here with the reason."""
        rejections: Rejections = []
        for item in items:
            self._watch(item)
        with self._lock:
            now = self._clock()
            for item in items:
                if self._order is not None:
                    self._order.wrap(item)
                if self._stopping:
                    error = UnavailableError(f"model '{self._name}' is unloading")
                    rejections.append((item, error))
                    continue
                self._note_caller(item)
                rejections += self._batcher.offer(item, now)
            self._arm()
            spots = self._parking.take(len(items))
        call(spots)
        if rejections:
            self._reject(rejections)

    def replace(self, old: Item, new: Item) -> bool:
        """Let `new` run in the place of `old`, which is answered as cancelled.

        False (and nothing happens) if `old` is running or done.
        """
        self._watch(new)
        with self._lock:
            if not self._batcher.replace(old, new):
                if new.request and new.request.cancellation:
                    new.request.cancellation.unwatch(id(new))
                return False
            self._called.pop(old, None)
            self._note_caller(new)
            if self._order is not None:
                self._order.wrap(new)
            self._arm()
            call(self._parking.take(1))  # with another key, it may close the batch before it
        self._reject([(old, CancelledError("superseded by a newer request"))])
        return True

    def cancel(self, item: Item) -> None:
        """Answer a waiting item as cancelled; nothing happens if it is running or done."""
        with self._lock:
            if not self._batcher.remove(item):
                return
            self._arm()  # the rest of its sequence may have to be answered, too
            call(self._parking.take(1))
        self._reject([(item, CancelledError("request was cancelled"))])

    def run_inline(self, item: Item) -> bool:
        """Run the item in this thread if an instance is idle; False if it has to queue."""
        item.offered_ns = self._clock()
        if (error := refusal(item, item.offered_ns)) is not None:
            deliver(item, error, Timing())
            return True
        executor = self.borrow()
        if executor is None:
            return False
        try:
            executor.run((item,), reschedule=self._reschedule)
        finally:
            self.give_back(executor)
        return True

    def borrow(self) -> Executor | None:
        """An idle instance for the calling thread, where nothing has to be queued or asked first;
        it has to be given back.
        """
        with self._lock:
            if self._stopping or not self._idle or self._limiter or not self._batcher.immediate:
                return None  # with an order, a batcher is never immediate
            executor = self._idle[-1]
            if executor.host_policy is not None:
                return None
            if self._surplus and executor not in self._executors:
                return None
            return self._idle.pop()

    def give_back(self, executor: Executor) -> None:
        """End of `borrow`."""
        with self._lock:
            self._idle.append(executor)
            if self._stopping or executor not in self._executors:
                self._returned.notify_all()
            spots = self._parking.take(1) if len(self._batcher) or self._stopping else []
        call(spots)

    def _watch(self, item: Item) -> None:
        """Before the item is offered, which refuses what is cancelled already."""
        if item.request and item.request.cancellation:
            item.request.cancellation.watch(id(item), partial(self.cancel, item))

    def _note_caller(self, item: Item) -> None:
        if self._limiter and item.request and item.request.caller:
            self._called[item] = item.request.caller

    def _reject(self, rejections: Rejections) -> None:
        if self._called:
            with self._lock:
                for item, _ in rejections:
                    self._called.pop(item, None)
        for item, error in rejections:
            deliver(item, error, Timing())

    def _reschedule(self, item: Item) -> bool:
        with self._lock:
            if not self._batcher.reschedule(item, self._clock()):
                return False
            call(self._parking.take(1))
        return True

    # time ------------------------------------------------------------------------------------

    def _arm(self) -> None:
        """Under the lock, whenever the batcher changed."""
        due = self._batcher.next_due()
        if due is not None and (not self._armed or due < self._armed[-1]):
            self._armed.append(due)
            self._timer.call_at(due, partial(self._due_call, due))

    def _on_due(self, due_ns: int) -> None:
        with self._lock:
            self._armed.remove(due_ns)
            rejections = self._batcher.expire(self._clock())
            self._arm()
            call(self._parking.take_all())
        self._reject(rejections)

    # instance threads ------------------------------------------------------------------------

    def _work(self) -> None:
        spot: Spot = SimpleQueue()
        policy = None
        while (task := self._next(spot)) is not None:
            if task[0].host_policy is not policy:
                policy = task[0].host_policy
                self._enter(policy)
            self._run(*task)
            del task  # a thread that waits keeps no frame alive

    def _enter(self, policy: HostPolicy | None) -> None:
        try:
            enter(policy)
        except OSError:  # cores can be taken away from a process
            _LOG.exception("model '%s': a thread cannot be bound to %s", self._name, policy)

    def _run(self, executor: Executor, items: Sequence[Item], grant: Grant | None) -> None:
        try:
            executor.run(items, grant, self._reschedule)
        except BaseException as error:  # `sys.exit` in a model, say: the instance serves on
            _LOG.exception("model '%s': an instance was interrupted", self._name)
            settle(items, InternalError(f"model '{self._name}' failed: {error!r}"))
        for wake in self._limiter.finish(grant) if grant and self._limiter else ():
            wake()
        self._finished(executor, items)

    def _finished(self, executor: Executor, items: Sequence[Item]) -> None:
        with self._lock:
            rejections = self._batcher.finished(items, executor.index, self._clock())
            self._idle.append(executor)
            self._arm()
            if self._batcher.per_instance:
                call(self._parking.take_all())
            if executor not in self._executors:
                self._returned.notify_all()
        if rejections:
            self._reject(rejections)

    def _next(self, spot: Spot) -> Task | None:
        while True:
            with self._lock:
                self._parking.leave(spot)
                if self._surplus:
                    self._surplus -= 1
                    self._threads.remove(threading.current_thread())
                    self._returned.notify_all()
                    return None
                task = self._pull()
                if isinstance(task, Wait):
                    if self._stopping and not len(self._batcher):
                        call(self._parking.take_all())
                        return None
                    self._parking.enter(spot)
                    rest = []
                else:  # somebody has to look after the rest: it may become due meanwhile
                    rest = self._parking.take(1) if self._idle and len(self._batcher) else []
            call(rest)
            if not isinstance(task, Wait):
                return task
            wait(spot, task.seconds)

    def _pull(self) -> Task | Wait:
        """Under the lock: the next batch and the instance for it."""
        now = self._clock()
        if self._limiter is None and not len(self._batcher):
            return _NOTHING
        soonest = Wait()
        for executor in reversed(self._idle):
            if executor not in self._executors:
                continue
            grant = None
            if self._limiter:
                if not len(self._batcher):
                    self._soon(self._limiter.idle(executor))
                    continue
                grant = self._limiter.start(executor, self._lenders(), self._wake)
                if grant is None:
                    continue
            batch = self._batcher.next_batch(now, executor.index)
            if not isinstance(batch, Wait):
                self._idle.remove(executor)
                for item in batch if self._called else ():
                    self._called.pop(item, None)
                self._arm()
                return executor, batch, grant
            if grant and self._limiter:
                self._soon(self._limiter.finish(grant, executed=False))
            soonest = _sooner(soonest, batch)
            if not self._batcher.per_instance:
                break
        return soonest

    def _lenders(self) -> list[Grant]:
        return [grant for caller in self._called.values() for grant in caller.grants]

    def _soon(self, wakes: Wakes) -> None:
        for wake in wakes:  # not here: it would take another scheduler's lock under this one's
            self._timer.call_at(0, wake)

    def _wake(self) -> None:
        with self._lock:
            call(self._parking.take_all())


def _sooner(a: Wait, b: Wait) -> Wait:
    if a.seconds is None or (b.seconds is not None and b.seconds < a.seconds):
        return b
    return a
