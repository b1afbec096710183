# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Who reads what comes over a channel: whoever waits for it, and a thread while nobody waits.

A thread of its own that reads everything and hands it on costs a change of threads for every
message, twice a request, which for small tensors is most of what a worker costs.  So it sleeps
while somebody waits (only the end of the other end wakes it), and reads what comes unasked.
"""

from __future__ import annotations

import select
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from triton_ros.backends.python.channel import Channel, Message

Handle = Callable[[Message], bool]
"""Deals with a message where it arrives and does not block; False for one that `next` is for."""


class Listener:
    """Of one channel."""

    def __init__(self, channel: Channel, handle: Handle) -> None:
        self._channel = channel
        self._handle = handle
        self._turn = threading.Lock()
        """Held by who receives."""
        self._kept: deque[Message] = deque()
        self._arrival = select.epoll()
        self._arrival.register(channel.fileno(), select.EPOLLIN)

    @contextmanager
    def claimed(self, timeout: float | None = None) -> Iterator[None]:
        """What comes is for the calling thread, which calls `next`.

        Raises `TimeoutError` if another thread has claimed it for so many seconds, `EOFError` when
        it is closed.
        """
        if not self._turn.acquire(timeout=-1 if timeout is None else timeout):
            raise TimeoutError
        try:
            self._wake_for(0)
            yield
        finally:
            try:
                while (message := self._channel.received()) is not None:
                    self._sort(message)
                self._wake_for(select.EPOLLIN)
            finally:
                self._turn.release()

    def next(self, timeout: float | None = None) -> Message | None:
        """The next message that was not dealt with; None if none came in time.

        Raises `EOFError` when the other end is gone, `UnreadableError` for what is no message.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._kept:
            left = None if deadline is None else deadline - time.monotonic()
            message = self._channel.receive(left)
            if message is None:
                return None
            self._sort(message)
        return self._kept.popleft()

    def watch(self) -> None:
        """Read what nobody waits for; returns when the other end is gone.

        Raises `UnreadableError` for what is no message.
        """
        while True:
            self._arrival.poll()
            with self._turn:
                try:
                    while (message := self._channel.receive(0)) is not None:
                        self._sort(message)
                except EOFError:
                    return

    def close(self) -> None:
        """When the other end is gone and `watch` has returned."""
        with self._turn:
            self._arrival.close()
            self._channel.close()
            # else its owner, which knows this, had to wait for the garbage collector
            self._handle = _nobody

    def _wake_for(self, events: int) -> None:
        """Let these, and the end of the other end, wake the thread that watches."""
        if self._arrival.closed:
            raise EOFError
        self._arrival.modify(self._channel.fileno(), events)

    def _sort(self, message: Message) -> None:
        if not self._handle(message):
            self._kept.append(message)


def _nobody(message: Message) -> bool:
    return True
