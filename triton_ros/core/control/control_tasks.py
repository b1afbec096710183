# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Where loads and unloads run, and who is still at it.

Loads share a pool of limited size, because each wants memory and a core.  An unload only waits for
the last request of its model, for as long as that takes, so each has a thread of its own: a request
that hangs must not keep other models from loading.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

from triton_ros.core.errors import UnavailableError

Task = Callable[[str], None]


class ControlTasks:
    """Runs tasks that each belong to a model's name."""

    def __init__(self, load_threads: int) -> None:
        self._pool = ThreadPoolExecutor(load_threads, thread_name_prefix="load")
        self._lock = threading.Lock()
        self._running: dict[Future[None], str] = {}
        self._closed = False

    def load(self, task: Task, name: str) -> Future[None]:
        """Run on the pool.  Raises `UnavailableError` after `refuse`."""
        with self._lock:
            self._check()
            future = self._pool.submit(task, name)
            self._running[future] = f"load_{name}"
        future.add_done_callback(self._forget)
        return future

    def unload(self, task: Task, name: str) -> Future[None]:
        """Run on a thread of its own.  Raises `UnavailableError` after `refuse`."""
        future: Future[None] = Future()
        with self._lock:
            self._check()
            self._running[future] = f"unload_{name}"
        future.add_done_callback(self._forget)

        def work() -> None:
            future.set_running_or_notify_cancel()
            try:
                task(name)
            except Exception as error:  # the thread's boundary: the caller hears of it
                future.set_exception(error)
            else:
                future.set_result(None)

        threading.Thread(target=work, name=f"unload_{name}", daemon=True).start()
        return future

    def refuse(self) -> None:
        """Take no more tasks, and drop loads that did not begin."""
        with self._lock:
            self._closed = True
        self._pool.shutdown(wait=False, cancel_futures=True)

    def wait(self, timeout: float) -> tuple[str, ...]:
        """Until all tasks are done or the time is up; what is not done then."""
        with self._lock:
            running = dict(self._running)
        wait(running, timeout)
        late = tuple(name for future, name in running.items() if not future.done())
        if not late:
            self._pool.shutdown()
        return late

    def _check(self) -> None:
        if self._closed:
            raise UnavailableError("Server is stopping, control calls are refused")

    def _forget(self, future: Future[None]) -> None:
        with self._lock:
            del self._running[future]
