# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Stateful models: the requests of a sequence run on one instance, in order, one at a time.

A sequence begins with START and gets a slot of an instance, which it keeps until END, or until it
was idle for too long; while all slots are taken, new ones wait in the backlog, oldest first.
Which sequences run together is the strategy's decision (`sequence_strategy`).  Each request is
given the controls and the state of its sequence just before it runs.

What ends a sequence early, besides idleness:

- A further START of the same id: what was queued still runs, then the new one begins.
- A cancelled request, as in Triton: it and all that wait behind it are answered as cancelled (in
  the backlog the whole sequence is).  What follows needs START again.
- A START whose deadline passed: nothing can follow.  Any other request that is late is refused
  alone, and its sequence goes on without it.
- A timeout of any request in the backlog, as in Triton: the whole sequence is refused.

With `iterative_sequence` a request is a sequence of its own, which lasts while the model asks for
it to be run again.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.config.scheduling_config import SequenceBatching
from triton_ros.core.errors import (
    CancelledError,
    DeadlineError,
    InvalidArgumentError,
    TimeoutExpiredError,
    TritonError,
    UnavailableError,
)
from triton_ros.core.execution.payload import Item, gap
from triton_ros.core.request import InferenceRequest
from triton_ros.core.scheduling.batcher import Rejections, Wait
from triton_ros.core.scheduling.sequence_controls import CorrelationId, SequenceControls
from triton_ros.core.scheduling.sequence_lane import Due, Dues, Entry, Lane, alone
from triton_ros.core.scheduling.sequence_slots import Slots
from triton_ros.core.scheduling.sequence_state import StateTable, read_initial_states
from triton_ros.core.scheduling.sequence_strategy import strategy_of
from triton_ros.core.tensor import Array

_LOG = logging.getLogger(__name__)


def make_sequence_batcher(
    config: ModelConfig, instances: Sequence[int], model_dir: Path
) -> SequenceBatcher:
    """The batcher of a model with `sequence_batching`; `instances` are the numbers of those that
    take requests.  Reads the states' files; raises `ConfigError`.
    """
    return SequenceBatcher(config, instances, read_initial_states(config, model_dir))


class SequenceBatcher:
    """The queue of one model; a `Batcher`.  The caller holds a lock around every call."""

    def __init__(
        self, config: ModelConfig, instances: Sequence[int], initial_states: Mapping[str, Array]
    ) -> None:
        batching = config.sequence_batching or SequenceBatching()
        self._name = config.name
        self._batched = config.max_batch_size > 0
        self._iterative = batching.iterative_sequence
        self._controls = SequenceControls(config)
        self._states = StateTable(config, initial_states)
        self._strategy = strategy_of(config, self._states)
        self._dues = Dues(batching.max_sequence_idle_microseconds * 1000)
        self._slots = Slots(instances, self._strategy.slots)
        self._refused: Rejections = []
        self._retiring = False
        self._waiting = 0
        self._orders = count()
        self._made_up = count()

    def __len__(self) -> int:
        return self._waiting + len(self._refused)  # to a caller who stops, both are work left

    @property
    def immediate(self) -> bool:
        return False

    @property
    def per_instance(self) -> bool:
        return True

    # requests --------------------------------------------------------------------------------

    def offer(self, item: Item, now_ns: int) -> Rejections:
        item.offered_ns = now_ns
        self._deal(now_ns)  # a sequence that is idle for long enough is gone
        try:
            self._admit(item, now_ns)
        except TritonError as error:
            self._refused.append((item, error))
        cancellation = item.request.cancellation if item.request else None
        if cancellation is not None and cancellation.cancelled and self.remove(item):
            self._refused.append((item, CancelledError("request was cancelled")))
        self._deal(now_ns)
        return self._flush()

    def replace(self, old: Item, new: Item) -> bool:
        entry = old.sequence
        if not isinstance(entry, Entry) or not entry.become(new, self._iterative):
            return False
        self._dues.watch_entry(entry)
        return True

    def remove(self, item: Item) -> bool:
        entry = item.sequence
        if not isinstance(entry, Entry) or not entry.waiting:
            return False
        self._end(entry, CancelledError("request was cancelled"), entry.lane.instance is None)
        self._refused = [(other, error) for other, error in self._refused if other is not item]
        self._settle(entry.lane)
        return True

    def reschedule(self, item: Item, now_ns: int) -> bool:
        entry = item.sequence
        if not self._iterative or not isinstance(entry, Entry) or entry.lane.running is not entry:
            return False
        entry.again = True
        return True

    def retire(self, now_ns: int) -> None:
        """Sequences go on as long as something of theirs waits; the slots of others are free."""
        self._retiring = True
        for lane in self._slots.lanes():
            self._settle(lane)
        self._deal(now_ns)

    def drain(self) -> list[Item]:
        lanes = self._slots.lanes()
        entries = sorted((e for lane in lanes for e in lane.queue), key=lambda e: e.order)
        for lane in lanes:
            lane.queue.clear()
            self._slots.close(lane)
            self._settle(lane)
        for entry in entries:
            self._forget(entry)
        return [entry.item for entry in entries]

    # execution -------------------------------------------------------------------------------

    def next_batch(self, now_ns: int, instance: int) -> list[Item] | Wait:
        self._deal(now_ns)
        ready = self._slots.ready(instance)
        if not ready:
            return Wait()
        lanes = self._strategy.choose(ready, now_ns)
        if isinstance(lanes, Wait):
            return lanes
        items = [self._start(lane) if lane else None for lane in lanes]
        like = next(item for item in items if item)
        return [item or gap(like) for item in items]

    def finished(self, items: Sequence[Item], instance: int, now_ns: int) -> Rejections:
        for item in items:
            entry = item.sequence
            if not isinstance(entry, Entry):
                continue
            entry.lane.running = None
            if entry.again:
                self._queue_again(entry, now_ns)
            else:
                item.sequence = None
            self._check_cancelled(entry)
            self._settle(entry.lane, now_ns)
        return self._flush()

    def _start(self, lane: Lane) -> Item:
        """The lane's first entry with all that the model is given for it."""
        entry = lane.queue.popleft()
        self._waiting -= 1
        entry.waiting, lane.running, item = False, entry, entry.item
        if entry.start:
            lane.states = self._states.begin()
        entry.give({**self._controls.rows(entry.request), **lane.states.inputs}, self._batched)
        item.state = lane.states if self._states.states else None
        return item

    def _queue_again(self, entry: Entry, now_ns: int) -> None:
        entry.again, entry.executed = False, True
        entry.request = entry.item.request = replace(entry.request, sequence_start=False)
        entry.order, entry.since_ns = next(self._orders), now_ns
        entry.waiting = True
        self._waiting += 1
        entry.lane.queue.appendleft(entry)
        self._dues.watch_entry(entry)

    def _check_cancelled(self, entry: Entry) -> None:
        """What was cancelled while it ran ends its sequence as if it had waited."""
        cancellation, lane = entry.request.cancellation, entry.lane
        if cancellation is None or not cancellation.cancelled:
            return
        if entry.waiting or (lane.queue and not lane.queue[0].start):
            self._end(lane.queue[0], CancelledError("request was cancelled"))
        elif not lane.queue:
            self._slots.close(lane)

    # time ------------------------------------------------------------------------------------

    def next_due(self) -> int | None:
        return 0 if self._refused else self._dues.first()

    def expire(self, now_ns: int) -> Rejections:
        self._deal(now_ns)
        return self._flush()

    def _deal(self, now_ns: int) -> None:
        """With all that is due by now."""
        for kind, what in self._dues.until(now_ns):
            if kind is Due.IDLE:
                self._slots.release(what)
            elif kind is Due.DEADLINE:
                self._late(what)
                self._settle(what.lane, now_ns)
            else:
                error = TimeoutExpiredError(
                    "timeout of the corresponding sequence has been expired"
                )
                for entry in list(what.lane.queue):
                    self._refuse(entry, error)
                what.lane.queue.clear()
                self._slots.release(what.lane)

    def _late(self, entry: Entry) -> None:
        error = DeadlineError("Request deadline expired")
        if not entry.start:
            entry.lane.queue.remove(entry)
            self._refuse(entry, error)
            return
        ended = UnavailableError(
            f"sequence {entry.request.correlation_id} of model '{self._name}' ended: the deadline"
            " of its first request expired"
        )
        self._end(entry, ended)
        self._refused = [(i, error if i is entry.item else e) for i, e in self._refused]

    # sequences -------------------------------------------------------------------------------

    def _admit(self, item: Item, now_ns: int) -> None:
        """Queue the item in its sequence's lane.  Raises `InvalidArgumentError`."""
        request = item.request or InferenceRequest(self._name, {})
        if item.rows != 1:
            raise InvalidArgumentError(
                f"inference request to model '{self._name}' must specify batch-size 1 due to"
                " requirements of sequence batcher"
            )
        made_up = self._iterative and not request.correlation_id
        if self._iterative:
            request = alone(request, self._new_id() if made_up else request.correlation_id)
        self._controls.check_id(request.correlation_id)
        lane = self._lane(request)
        entry = Entry(item, lane, request, next(self._orders), now_ns, made_up)
        item.sequence, item.request = entry, request
        lane.queue.append(entry)
        lane.idle_ns = None
        self._waiting += 1
        self._dues.watch_entry(entry)
        if request.sequence_end and not self._iterative:
            self._slots.close(lane)

    def _lane(self, request: InferenceRequest) -> Lane:
        identity = request.correlation_id
        lane = self._slots.find(identity)
        if lane is None:
            if not request.sequence_start:
                raise InvalidArgumentError(
                    f"inference request for sequence {identity} to model '{self._name}' must"
                    " specify the START flag on the first request of the sequence"
                )
            lane = Lane(identity, self._states.begin(), closed=self._iterative)
            self._slots.add(lane)
        elif request.sequence_start and not self._iterative:
            _LOG.warning(
                "sequence %s for model '%s' has a conflict. The previous sequence did not end"
                " before this sequence start. Previous sequence will be terminated early.",
                identity,
                self._name,
            )
        return lane

    def _new_id(self) -> CorrelationId:
        while self._slots.find(identity := self._controls.made_up(next(self._made_up))):
            pass
        return identity

    def _settle(self, lane: Lane, now_ns: int = 0) -> None:
        """After something left the lane: its slot is free, or it is idle from now on."""
        if lane.queue or lane.running:
            return
        if lane.closed or lane.instance is None or self._retiring:
            self._slots.release(lane)
        else:
            lane.idle_ns = now_ns
            self._dues.watch_lane(lane)

    def _end(self, entry: Entry, error: TritonError, whole: bool = False) -> None:
        """Refuse an entry and all behind it of its sequence; with `whole`, all of it."""
        entries, last = entry.lane.segment(entry, whole)
        if last and not self._iterative:
            self._slots.close(entry.lane)
        for each in entries:
            self._refuse(each, error)

    def _refuse(self, entry: Entry, error: TritonError) -> None:
        self._forget(entry)
        self._refused.append((entry.item, error))

    def _forget(self, entry: Entry) -> None:
        entry.waiting, entry.item.sequence = False, None
        self._waiting -= 1

    def _flush(self) -> Rejections:
        refused, self._refused = self._refused, []
        return refused
