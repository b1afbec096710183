# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A wait that a signal handler can end.

A handler runs between two bytecodes of whatever the main thread does, also while that holds a
lock; events and conditions can deadlock then.  `SimpleQueue.put` is made for it.  And it runs only
once the main thread is back from C++: where that spins an executor, never.  So the signals' numbers
also go to a pipe (`signal.set_wakeup_fd`), where a thread hears of them at once.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupt:
    """Set once, by a signal; after that nothing waits here."""

    def __init__(self) -> None:
        self.is_set = False
        self._tokens: SimpleQueue[None] = SimpleQueue()
        self._actions: list[Callable[[], None]] = []

    @classmethod
    def at_signals(cls) -> Interrupt:
        """One that SIGINT and SIGTERM set from now on; for the main thread."""
        interrupt = cls()
        for number in SIGNALS:
            signal.signal(number, lambda *_: interrupt.set())
        pipe, end = os.pipe()
        os.set_blocking(end, False)
        signal.set_wakeup_fd(end, warn_on_full_buffer=False)
        threading.Thread(
            target=interrupt._listen, args=(pipe,), name="signals", daemon=True
        ).start()
        return interrupt

    def _listen(self, pipe: int) -> None:
        while os.read(pipe, 1)[0] not in SIGNALS:
            pass
        self.set()
        for action in list(self._actions):
            action()

    def then(self, action: Callable[[], None]) -> None:
        """Do something as soon as a signal came, in a thread that is not the main one; now, if one
        came before.  It may be done twice.
        """
        self._actions.append(action)
        if self.is_set:
            action()

    @staticmethod
    def ignore_signals() -> None:
        """Python takes its handlers away before it ends: a second signal (`launch` sends one to who
        had Ctrl-C already) would kill what has ended well.
        """
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    def set(self) -> None:
        """Safe in a signal handler."""
        self.is_set = True
        self.look()

    def look(self, *_: object) -> None:
        """Let who waits look at its condition; any thread."""
        self._tokens.put(None)

    def wait(self) -> None:
        """Until the interrupt, for as long as it takes."""
        while not self.is_set:
            self._tokens.get()

    def wait_for(self, holds: Callable[[], bool], limit_s: float) -> None:
        """Until `holds()`, the interrupt, or the time is up."""
        deadline = time.monotonic() + limit_s
        while not (holds() or self.is_set):
            try:
                self._tokens.get(timeout=max(0.0, deadline - time.monotonic()))
            except Empty:
                return
