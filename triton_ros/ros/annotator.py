# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Drawing, off the data path: one thread that keeps the newest job of every stream.

A stream that is annotated slower than it is answered loses pictures, never answers.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

Job = Callable[[], None]


class Annotator:
    """Runs the latest job given for each key; start to stop is configure to cleanup."""

    def __init__(self, on_error: Callable[[Exception], None]) -> None:
        self._jobs: dict[str, Job] = {}
        self._changed = threading.Condition()
        self._stopping = False
        self._on_error = on_error
        self._thread = threading.Thread(target=self._work, name="annotator", daemon=True)
        self._thread.start()

    def offer(self, key: str, job: Job) -> None:
        """Run the job soon, instead of an older one with this key that did not run yet."""
        with self._changed:
            self._jobs[key] = job
            self._changed.notify()

    def stop(self) -> None:
        """End the thread after the job that runs."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()

    def _next(self) -> Job | None:
        with self._changed:
            self._changed.wait_for(lambda: self._jobs or self._stopping)
            if self._stopping:
                return None
            return self._jobs.pop(next(iter(self._jobs)))

    def _work(self) -> None:
        while (job := self._next()) is not None:
            try:
                job()
            except Exception as error:  # a picture that fails must not end the others
                self._on_error(error)
