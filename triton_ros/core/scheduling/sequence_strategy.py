# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which of an instance's sequences run together, and when: Triton's two strategies.

Direct keeps every sequence in its own row of the batch, for models whose state lives in the row;
rows without a request are filled.  Oldest makes dynamic batches of the oldest requests, at most
one of each sequence.  In both, requests whose inputs or states differ in shape run in different
batches; the oldest request decides which shape is next, so that none is passed over for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.config.scheduling_config import (
    DirectStrategy,
    OldestStrategy,
    SequenceBatching,
)
from triton_ros.core.execution.payload import Key
from triton_ros.core.scheduling.batcher import Wait
from triton_ros.core.scheduling.sequence_lane import Lane
from triton_ros.core.scheduling.sequence_state import StateTable


class Strategy(Protocol):
    """The decision for one instance."""

    slots: int
    """Sequences that an instance has at once."""

    def choose(self, ready: Sequence[Lane], now_ns: int) -> list[Lane | None] | Wait:
        """The lanes whose first entries run now, None for a row to fill; or how long to wait.

        `ready` are the instance's lanes that have something to run: at least one.
        """
        ...


def strategy_of(config: ModelConfig, states: StateTable) -> Strategy:
    """The configured one."""
    strategy = (config.sequence_batching or SequenceBatching()).strategy
    rows = max(config.max_batch_size, 1)
    if isinstance(strategy, OldestStrategy):
        return Oldest(strategy, rows, states)
    return Direct(strategy, rows, states)


def _key(lane: Lane, states: StateTable) -> tuple[Key, Key]:
    """Lanes whose first entries have equal keys fit into one batch."""
    entry = lane.queue[0]
    return entry.key, states.initial_key if entry.start else lane.states.key


def _age(lane: Lane) -> int:
    return lane.queue[0].order


class Direct:
    """`StrategyDirect`."""

    def __init__(self, config: DirectStrategy, rows: int, states: StateTable) -> None:
        self.slots = rows
        self._states = states
        self._enough = config.minimum_slot_utilization * rows
        delayed = self._enough > 0  # Triton: the delay counts only with a minimum
        self._delay_ns = config.max_queue_delay_microseconds * 1000 if delayed else 0

    def choose(self, ready: Sequence[Lane], now_ns: int) -> list[Lane | None] | Wait:
        oldest = min(ready, key=_age)
        left_ns = oldest.queue[0].since_ns + self._delay_ns - now_ns
        if left_ns > 0 and len(ready) < self._enough:
            return Wait(left_ns / 1e9)
        key = _key(oldest, self._states)
        rows = {lane.slot: lane for lane in ready if _key(lane, self._states) == key}
        return [rows.get(slot) for slot in range(max(rows) + 1)]


class Oldest:
    """`StrategyOldest`, with the dynamic batcher's reasons to send or to wait.

    With `preserve_ordering`, no request overtakes an older one that has another shape.
    """

    def __init__(self, config: OldestStrategy, rows: int, states: StateTable) -> None:
        self.slots = config.max_candidate_sequences or rows
        self._states = states
        self._preferred = sorted(config.preferred_batch_size) or [rows]
        self._largest = min(self._preferred[-1], rows)
        self._delay_ns = config.max_queue_delay_microseconds * 1000 if rows > 1 else 0
        self._ordered = config.preserve_ordering

    def choose(self, ready: Sequence[Lane], now_ns: int) -> list[Lane | None] | Wait:
        taken, preferred, closed = self._candidates(sorted(ready, key=_age))
        left_ns = taken[0].queue[0].since_ns + self._delay_ns - now_ns
        due = left_ns <= 0
        if preferred and not (due and self._delay_ns):
            return [*taken[:preferred]]
        if due or closed:
            return [*taken]
        return Wait(left_ns / 1e9)

    def _candidates(self, lanes: Sequence[Lane]) -> tuple[list[Lane], int, bool]:
        """Who fits, how many make a preferred size, and whether no more can join."""
        key = _key(lanes[0], self._states)
        taken: list[Lane] = []
        preferred = 0
        for lane in lanes:
            if _key(lane, self._states) != key:
                if self._ordered:
                    return taken, preferred, True
                continue
            taken.append(lane)
            if len(taken) in self._preferred:
                preferred = len(taken)
            if len(taken) == self._largest:
                return taken, preferred, True
        return taken, preferred, len(taken) == self.slots
