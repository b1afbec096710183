# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The port between a scheduler, which waits, and a batcher, which decides.

A batcher is a queue with a policy: no thread, no clock of its own.  The scheduler holds one lock
around every call and passes the time in.  Items that a batcher gives back with an error (refused,
dropped, too late, cancelled) are answered by the scheduler, after it let go of the lock; a batcher
never answers anyone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from triton_ros.core.errors import TritonError
from triton_ros.core.execution.payload import Item

Rejections: TypeAlias = list[tuple[Item, TritonError]]
"""Items that the batcher no longer holds, and what each is answered with."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to run yet; `seconds` until there will be, None for "until something happens"."""

    seconds: float | None = None


class Batcher(Protocol):
    """One model's queue."""

    def __len__(self) -> int:
        """Items that wait (those that run do not)."""
        ...

    @property
    def immediate(self) -> bool:
        """Whether an item that finds an idle instance may run at once and alone, unqueued."""
        ...

    @property
    def per_instance(self) -> bool:
        """Whether the answer of `next_batch` depends on the instance (a sequence lives on one)."""
        ...

    def offer(self, item: Item, now_ns: int) -> Rejections:
        """Queue an item (sets `offered_ns`).  What is refused or dropped for it comes back."""
        ...

    def replace(self, old: Item, new: Item) -> bool:
        """Put `new` in the place and age of `old`; False if `old` is not waiting."""
        ...

    def remove(self, item: Item) -> bool:
        """Take a waiting item out (it was cancelled); False if it is not waiting."""
        ...

    def next_batch(self, now_ns: int, instance: int) -> list[Item] | Wait:
        """What instance number `instance` runs now, or how long it waits."""
        ...

    def finished(self, items: Sequence[Item], instance: int, now_ns: int) -> Rejections:
        """A batch of `next_batch` was answered.  Called for every one, however it went."""
        ...

    def reschedule(self, item: Item, now_ns: int) -> bool:
        """Queue a running item again (iterative sequences); False if that is not possible here."""
        ...

    def next_due(self) -> int | None:
        """The time (ns) at which `expire` has something to do, None for never.

        It must also be right while every instance is busy, and may be early, never late.
        """
        ...

    def expire(self, now_ns: int) -> Rejections:
        """What waited too long by now: timeouts, deadlines, sequences that went idle."""
        ...

    def retire(self, now_ns: int) -> None:
        """No further item comes: what waits for others to come need not wait any more."""
        ...

    def drain(self) -> list[Item]:
        """Everything that still waits; the queue is empty afterwards."""
        ...
