# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which requests are traced, and where their traces go.

Each set of settings has its own sampler: the global one, and one for every model that replaces
some of them.  Changed settings make a new sampler; the old one gets the traces that it started,
and goes when it has saved them.  Two locks: one for the state, which `start` takes, and one for
saving, which only ending traces take, so that no request waits for a file unless it is traced.
"""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from triton_ros.core.errors import InvalidArgumentError
from triton_ros.core.telemetry.trace import Trace, TraceGroup
from triton_ros.core.telemetry.trace_file import Entry, TraceSink
from triton_ros.core.telemetry.trace_settings import (
    SETTINGS,
    SettingValue,
    TraceLevel,
    TraceSettings,
    parse_settings,
)

Own: TypeAlias = dict[str, dict[str, Any]]
"""Settings that replace others: the model's fields by model; those of "" are global."""

CHUNK = 100
"""Traces kept in memory at most, where neither a count nor a log frequency asks for more; one, if
it has tensors."""


class Sampler:
    """One set of settings at work.  The tracer's lock is held around every call."""

    def __init__(self, settings: TraceSettings) -> None:
        self.settings = settings
        self.left = settings.count
        self.retired = False
        self._seen = 0
        self._running = 0
        self._traces: list[Trace] = []
        self._groups = 0

    @property
    def active(self) -> bool:
        return self.settings.level is not TraceLevel.OFF and self.left != 0

    @property
    def idle(self) -> bool:
        """Whether no trace of its is open."""
        return not self._running

    def now(self) -> TraceSettings:
        """The settings, with what is left of `count`."""
        return replace(self.settings, count=self.left)

    def sample(self) -> bool:
        """Whether this request is traced; if so, `collect` follows."""
        if not self.active:
            return False
        self._seen += 1
        if self._seen % self.settings.rate:
            return False
        self.left -= self.left > 0
        self._running += 1
        return True

    def collect(self, traces: list[Trace]) -> None:
        self._running -= 1
        self._traces += traces
        self._groups += 1

    def due(self, closing: bool = False) -> tuple[list[Trace], bool] | None:
        """What is to be saved now, and whether into a numbered file."""
        frequency = self.settings.log_frequency
        complete = self.left == 0 and self.idle
        full = self._groups >= (frequency or self._chunk())
        if not self._traces or not (full or complete or closing or (self.retired and self.idle)):
            return None
        traces, self._traces, self._groups = self._traces, [], 0
        return traces, bool(frequency) or complete

    def _chunk(self) -> float:
        if self.left >= 0:  # a numbered file is to hold them all
            return math.inf
        return 1 if TraceLevel.TENSORS in self.settings.level else CHUNK


class Tracer:
    """Samples requests; thread-safe."""

    def __init__(self, settings: TraceSettings, sink: TraceSink, clock: Callable[[], int]) -> None:
        self.enabled = False
        """False while no request can be sampled: `start` then costs one test."""
        self._sink = sink
        self._clock = clock
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self._saving = threading.Lock()
        self._closed = False
        self._default = settings
        self._own: Own = {"": {}}
        self._samplers = {"": Sampler(settings)}
        self._retired: set[Sampler] = set()
        self._refresh()

    def start(
        self, model_name: str, version: int = -1, request_id: str = "", parent: Trace | None = None
    ) -> Trace | None:
        """The trace of a new request; None if it is not to be traced.

        A request that another one makes (`parent`) is traced because that one is.
        """
        if parent is not None:
            return parent.child(model_name, version, request_id)
        if not self.enabled:
            return None
        with self._lock:
            sampler = self._sampler(model_name)
            if self._closed or not sampler.sample():
                return None
            if not sampler.left:
                self._refresh()

        def over(group: TraceGroup) -> None:
            self._ended(sampler, group)

        group = TraceGroup(sampler.settings.level, self._clock, self._ids.__next__, over)
        return Trace(group, model_name, version, request_id)

    def settings(self, model_name: str = "") -> TraceSettings:
        """What holds for a model (or globally); its `count` is what is left of it."""
        with self._lock:
            return self._sampler(model_name).now()

    def update(self, values: Mapping[str, SettingValue], model_name: str = "") -> TraceSettings:
        """Change the given settings, for one model or globally, and return all of them.

        Names and values are the trace extension's.  None takes a setting back: a model's to the
        global one, a global one to the one that the server started with.  Raises
        `InvalidArgumentError`; nothing is changed then.
        """
        given = parse_settings(values)
        with self._saving:
            with self._lock:
                if given:
                    self._own, samplers = self._changed(given, model_name)
                    self._retire(samplers)
                    self._refresh()
                due = self._take()
                found = self._sampler(model_name).now()
            self._save(due)
        return found

    def close(self) -> None:
        """Sample no more, save every trace that has ended, and close the sink."""
        with self._saving:
            with self._lock:
                self._closed = True
                self._refresh()
                due = self._take(closing=True)
            self._save(due)
            self._sink.close()

    # under the lock --------------------------------------------------------------------------

    def _sampler(self, model_name: str) -> Sampler:
        return self._samplers.get(model_name) or self._samplers[""]

    def _refresh(self) -> None:
        self.enabled = not self._closed and any(s.active for s in self._samplers.values())

    def _changed(self, given: dict[str, Any], model_name: str) -> tuple[Own, dict[str, Sampler]]:
        """What replaces what from now on, and the samplers for it."""
        own = {name: dict(fields) for name, fields in self._own.items()}
        for name, fields in own.items():
            if "count" in fields:  # what was taken stays taken
                fields["count"] = self._samplers[name].left
        fields = own.get(model_name, {}) | given
        own[model_name] = {name: value for name, value in fields.items() if value is not None}
        samplers = dict(self._samplers)
        affected = [model_name]
        if not model_name:
            samplers[""] = Sampler(replace(self._default, **own[""]))
            affected = [m for m, replaced in own.items() if m and len(replaced) < SETTINGS]
        for model in affected:
            samplers.pop(model, None)
            if own[model]:
                samplers[model] = _sampler_of(model, samplers[""].now(), own[model])
            else:
                del own[model]
        return own, samplers

    def _retire(self, samplers: dict[str, Sampler]) -> None:
        for sampler in self._samplers.values():
            if sampler not in samplers.values():
                sampler.retired = True
                self._retired.add(sampler)
        self._samplers = samplers

    def _take(self, closing: bool = False) -> list[tuple[str, list[Trace], bool]]:
        """What is to be saved now, and where to."""
        due = [
            (sampler.settings.file, *found)
            for sampler in (*self._samplers.values(), *self._retired)
            if (found := sampler.due(closing))
        ]
        self._retired = {sampler for sampler in self._retired if not sampler.idle}
        return due

    # without it ------------------------------------------------------------------------------

    def _ended(self, sampler: Sampler, group: TraceGroup) -> None:
        with self._saving:
            with self._lock:
                if self._closed:
                    return
                sampler.collect(group.take())
                due = self._take()
            self._save(due)

    def _save(self, due: list[tuple[str, list[Trace], bool]]) -> None:
        for file, traces, numbered in due:
            entries: list[Entry] = [entry for trace in traces for entry in trace.entries()]
            self._sink.save(file, entries, numbered)


def _sampler_of(model: str, base: TraceSettings, own: dict[str, Any]) -> Sampler:
    try:
        return Sampler(replace(base, **own))
    except InvalidArgumentError as error:
        raise error.within(f"trace settings of model '{model}'") from error
