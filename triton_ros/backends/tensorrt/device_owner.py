# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One thread a device: it retains the primary context, makes and releases all that lives there.

CUDA's objects belong to a context, pycuda's to the thread that made them, and a primary context
that somebody else lets go of is never released.  So everybody hands such work to the owner;
executing is done on the caller's own thread, within `current`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from queue import SimpleQueue
from typing import TypeVar

from triton_ros.backends.tensorrt.cuda_driver import CudaDevice, CudaDriver

T = TypeVar("T")


class DeviceOwner:
    """A device that is open while somebody uses it."""

    def __init__(self, driver: CudaDriver, index: int) -> None:
        self.index = index
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        opened: Future[CudaDevice] = Future()
        self._thread = threading.Thread(
            target=self._run, args=(driver, opened), name=f"CUDA device {index}", daemon=True
        )
        self._thread.start()
        try:
            self.device = opened.result()
        except BaseException:
            self._thread.join()
            raise

    def current(self) -> AbstractContextManager[None]:
        """A block in which this thread's calls go to the device."""
        return self.device.current()

    def run(self, work: Callable[[], T]) -> T:
        """Do it on the owner's thread, the device being current, and wait."""
        if threading.current_thread() is self._thread:
            return work()
        done: Future[T] = Future()

        def task() -> None:
            try:
                with self.device.current():
                    result = work()
            except BaseException as error:
                done.set_exception(error)
            else:
                done.set_result(result)

        self._work.put(task)
        return done.result()

    def close(self) -> None:
        """After the last work."""
        self._work.put(None)
        self._thread.join()

    def _run(self, driver: CudaDriver, opened: Future[CudaDevice]) -> None:
        try:
            device = driver.open(self.index)
        except BaseException as error:
            opened.set_exception(error)
            return
        opened.set_result(device)
        while (task := self._work.get()) is not None:
            task()
            del task  # what it holds is released here, not when the next one comes
        device.close()


class DeviceOwners:
    """The owners of a process, each while it is used."""

    def __init__(self, driver: CudaDriver) -> None:
        self._driver = driver
        self._lock = threading.Lock()
        self._owners: dict[int, tuple[DeviceOwner, int]] = {}

    def take(self, index: int) -> DeviceOwner:
        """Give it back with `release`."""
        with self._lock:
            owner, users = self._owners.get(index) or (DeviceOwner(self._driver, index), 0)
            self._owners[index] = owner, users + 1
            return owner

    def release(self, owner: DeviceOwner) -> None:
        """The last one closes the device."""
        with self._lock:
            _, users = self._owners[owner.index]
            if users > 1:
                self._owners[owner.index] = owner, users - 1
                return
            del self._owners[owner.index]
            owner.close()
