# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Answers in the order of arrival, although batches finish out of order on several instances.

Every item gets a turn when it arrives; its callback is wrapped, so whoever answers it (an instance,
a refusal, a cancellation) only puts the answer into its turn.  One thread at a time then calls the
real callbacks from the oldest turn on, as far as answers are there, in a loop and without a lock:
a second thread that finishes meanwhile leaves its answer to the first and goes on, and so does a
callback that itself finishes something.

A refused, cancelled or failed item keeps its turn like any other, which Triton does not do.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from functools import partial

from triton_ros.core.errors import TritonError
from triton_ros.core.execution.payload import Item, ItemDone
from triton_ros.core.request import Timing
from triton_ros.core.tensor import Array

_LOG = logging.getLogger(__name__)

Answer = tuple[dict[str, Array] | TritonError, Timing]


class _Turn:
    """One item's place in the order, and its answer once there is one."""

    __slots__ = ("answer", "done")

    def __init__(self, done: ItemDone) -> None:
        self.done = done
        self.answer: Answer | None = None


class OrderedDelivery:
    """The order of one model's answers; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._turns: deque[_Turn] = deque()
        self._delivering = False

    def __len__(self) -> int:
        """Items that were not yet answered."""
        with self._lock:
            return len(self._turns)

    def wrap(self, item: Item) -> None:
        """Give the item the next turn.  Call it in the order of arrival, once an item."""
        turn = _Turn(item.done)
        with self._lock:
            self._turns.append(turn)
        item.done = partial(self._finished, turn)

    def _finished(
        self, turn: _Turn, outcome: dict[str, Array] | TritonError, timing: Timing
    ) -> None:
        with self._lock:
            turn.answer = (outcome, timing)
            if self._delivering:
                return
            self._delivering = True
        try:
            while (ready := self._next()) is not None:
                done, answer = ready
                self._call(done, answer)
        except BaseException:  # an interrupted caller's thread: the next to finish goes on
            with self._lock:
                self._delivering = False
            raise

    def _next(self) -> tuple[ItemDone, Answer] | None:
        with self._lock:
            if self._turns and (answer := self._turns[0].answer) is not None:
                return self._turns.popleft().done, answer
            self._delivering = False
            return None

    @staticmethod
    def _call(done: ItemDone, answer: Answer) -> None:
        try:
            done(*answer)
        except (Exception, SystemExit):  # a bug; it must not cost others their answers
            _LOG.exception("a completion callback raised")
