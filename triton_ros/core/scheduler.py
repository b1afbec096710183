# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The threads of the data path: one an instance, each pulling its next batch itself.

A caller hands an item over once and the next idle thread takes it, so a frame changes threads one
time.  A blocking caller that finds an instance idle, nothing queued and no delay wanted changes
none: it borrows the instance and runs the batch itself (`run_inline`).

Waiting is one condition with the timeout that the batcher computed; nothing polls.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from triton_ros.core.dynamic_batcher import DynamicBatcher, Wait
from triton_ros.core.errors import CancelledError, TritonError, UnavailableError
from triton_ros.core.execution import Clock, Executor, deliver
from triton_ros.core.payload import Item
from triton_ros.core.request import Timing

_LOG = logging.getLogger(__name__)


class Scheduler:
    """Runs one model version's items on its instances."""

    def __init__(
        self, name: str, executors: Sequence[Executor], batcher: DynamicBatcher, clock: Clock
    ) -> None:
        self._name = name
        self._batcher = batcher
        self._clock = clock
        self._idle = list(executors)
        self._count = len(executors)
        self._changed = threading.Condition()
        self._stopping = False
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}_{index}", daemon=True)
            for index in range(len(executors))
        ]
        for thread in self._threads:
            thread.start()

    @property
    def pending(self) -> int:
        """Items that wait."""
        with self._changed:
            return len(self._batcher)

    def submit(self, items: Sequence[Item]) -> None:
        """Queue items; one that is refused is answered here with the reason."""
        refused: list[tuple[Item, TritonError]] = []
        with self._changed:
            now = self._clock()
            for item in items:
                error = (
                    UnavailableError(f"model '{self._name}' is unloading")
                    if self._stopping
                    else self._batcher.offer(item, now)
                )
                if error:
                    refused.append((item, error))
            self._changed.notify(len(items))
        for item, error in refused:
            deliver(item, error, Timing())

    def replace(self, old: Item, new: Item) -> bool:
        """Let `new` run in the place of `old`, which is answered as cancelled.

        False (and nothing happens) if `old` is running or done.
        """
        with self._changed:
            if not self._batcher.replace(old, new):
                return False
            self._changed.notify()  # with another key, it may close the batch before it
        deliver(old, CancelledError("superseded by a newer request"), Timing())
        return True

    def run_inline(self, item: Item) -> bool:
        """Run the item in this thread if an instance is idle; False if it has to queue."""
        with self._changed:
            if self._stopping or not self._idle or not self._batcher.immediate:
                return False
            executor = self._idle.pop()
            item.offered_ns = self._clock()
        try:
            executor.run([item])
        finally:
            with self._changed:
                self._idle.append(executor)
                self._changed.notify()  # somebody may have queued meanwhile, or `stop` may wait
        return True

    def stop(self) -> None:
        """Finish what is queued and running, then end the threads.  Returns when they ended."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        with self._changed:  # a borrowed instance may still be running in its caller's thread
            self._changed.wait_for(lambda: len(self._idle) == self._count)

    def _work(self) -> None:
        while (task := self._next()) is not None:
            executor, items = task
            try:
                executor.run(items)
            except BaseException:  # `sys.exit` in a model, say: the instance serves on
                _LOG.exception("model '%s': an instance was interrupted", self._name)
            with self._changed:
                self._idle.append(executor)

    def _next(self) -> tuple[Executor, list[Item]] | None:
        with self._changed:
            while True:
                timeout = None
                if self._idle:
                    batch = self._batcher.next_batch(self._clock())
                    if not isinstance(batch, Wait):
                        return self._idle.pop(), batch
                    if self._stopping and not len(self._batcher):
                        return None
                    if batch.seconds is not None:
                        timeout = min(batch.seconds, threading.TIMEOUT_MAX)
                self._changed.wait(timeout)
