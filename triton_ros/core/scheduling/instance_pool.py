# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The instances of a served version, which come and go while it serves.

An instance that is retired works on until the scheduler has it back (`release_retired`, which
blocks); so nothing that it took is dropped.  Instances of passive groups are kept here, too, but
the scheduler does not know them.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import ExitStack

from triton_ros.core.backend import BackendModel
from triton_ros.core.errors import TritonError
from triton_ros.core.execution.executor import Executor
from triton_ros.core.scheduling.scheduler import Scheduler


class InstancePool:
    """Owns a version's instances and weights; `executors` are those that the scheduler has, and the
    passive ones.
    """

    def __init__(
        self, scheduler: Scheduler, executors: Sequence[Executor], backend_model: BackendModel
    ) -> None:
        self.backend_model = backend_model
        """The weights, from which further instances are made."""
        self._scheduler = scheduler
        self._executors = tuple(executors)
        self._retired: tuple[Executor, ...] = ()
        self._closed = False
        self._releasing = threading.Lock()

    @property
    def executors(self) -> tuple[Executor, ...]:
        """The instances that are not retired."""
        return self._executors

    def add(self, executors: Sequence[Executor]) -> None:
        """Let further (warm) instances take requests.

        Raises `ConfigError` if the rate limiter could never let one run; none is added then.
        """
        added: list[Executor] = []
        try:
            for executor in active(executors):
                self._scheduler.add((executor,))
                added.append(executor)
        except TritonError:
            self._scheduler.remove(added)
            raise
        self._executors += tuple(executors)

    def retire(self, executors: Sequence[Executor]) -> None:
        """Count instances out; they work on until `release_retired`."""
        self._executors = tuple(e for e in self._executors if e not in executors)
        self._retired += tuple(executors)

    def release_retired(self) -> None:
        """Release what was retired; returns when the last of it finished what it runs."""
        with self._releasing, ExitStack() as rest:  # one that raises does not keep the others
            retired, self._retired = self._retired, ()
            if retired and not self._closed:
                self._scheduler.remove(active(retired))
            for executor in retired:
                rest.callback(executor.instance.finalize)

    def close(self) -> None:
        """Finish what was submitted, then release everything.  Blocks."""
        with self._releasing, ExitStack() as rest:
            self._scheduler.stop()
            self._closed = True
            rest.callback(self.backend_model.finalize)
            for executor in (*self._executors, *self._retired):
                rest.callback(executor.instance.finalize)
            self._retired = ()


def active(executors: Sequence[Executor]) -> tuple[Executor, ...]:
    """Those that take requests."""
    return tuple(executor for executor in executors if not executor.group.passive)
