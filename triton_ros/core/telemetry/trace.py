# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Tracing: where a sampled request spent its time, in Triton's words.

A `Tracer` decides which requests are traced (see ``tracer.py``); a `Trace` is carried by such a
request (`InferenceRequest.trace`) and collects what happens to it.  A request that an ensemble or
an executing model makes has a trace of its own, a *child* with its own id.  A trace and its
children are handed over together, when the last of them has ended.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from triton_ros.core.errors import ConfigError
from triton_ros.core.request import Timing
from triton_ros.core.telemetry.trace_file import Entry
from triton_ros.core.telemetry.trace_settings import TraceLevel
from triton_ros.core.tensor import Array, Tensor, datatype_of

Activity: TypeAlias = Literal["TENSOR_QUEUE_INPUT", "TENSOR_BACKEND_INPUT", "TENSOR_BACKEND_OUTPUT"]


class Trace:
    """One request's trace; made by `Tracer.start` and `child`, over at `end`.

    REQUEST_START is noted when it is made.  Methods may be called from any thread.  Times are
    nanoseconds of the server's clock.
    """

    __slots__ = (
        "_ended",
        "_group",
        "_notes",
        "id",
        "model_name",
        "model_version",
        "parent_id",
        "request_id",
    )

    def __init__(
        self, group: TraceGroup, model_name: str, version: int, request_id: str, parent_id: int = 0
    ) -> None:
        self.id = group.next_id()
        self.model_name = model_name
        self.model_version = version
        """May be set again: the request's -1 becomes the version that answers."""
        self.request_id = request_id
        self.parent_id = parent_id
        """0 for none."""
        self._group = group
        self._notes: list[tuple[str, int] | _TensorNote] = []
        self._ended = False
        group.join(self)
        self.event("REQUEST_START")

    def event(self, name: str, ns: int | None = None) -> None:
        """Something happened at `ns`, or now."""
        if TraceLevel.TIMESTAMPS in self._group.level:
            self._notes.append((name, self._group.clock() if ns is None else ns))

    def computed(self, offered_ns: int, timing: Timing) -> None:
        """The five events of a request that was queued at `offered_ns` and then executed."""
        at = offered_ns
        for name, ns in (
            ("QUEUE_START", 0),
            ("COMPUTE_START", timing.queue_ns),
            ("COMPUTE_INPUT_END", timing.compute_input_ns),
            ("COMPUTE_OUTPUT_START", timing.compute_infer_ns),
            ("COMPUTE_END", timing.compute_output_ns),
        ):
            at += ns
            self.event(name, at)

    @property
    def wants_tensors(self) -> bool:
        """Whether `tensors` keeps anything."""
        return TraceLevel.TENSORS in self._group.level

    def tensors(self, activity: Activity, tensors: Mapping[str, Tensor]) -> None:
        """Keep copies of tensors; a source, which has no data yet, is noted without."""
        if self.wants_tensors:
            self._notes += [_TensorNote.of(activity, name, t) for name, t in tensors.items()]

    def child(self, model_name: str, version: int = -1, request_id: str | None = None) -> Trace:
        """The trace of a request that this one makes (with this one's request id, if None)."""
        wanted = self.request_id if request_id is None else request_id
        return Trace(self._group, model_name, version, wanted, self.id)

    def hold(self) -> None:
        """Keep the trace open after `end`, until `release`: a frontend has yet to send."""
        self._group.hold()

    def release(self) -> None:
        """Ends one `hold`."""
        self._group.leave()

    def end(self, ns: int | None = None) -> None:
        """The request was answered at `ns`, or now.  A second call does nothing."""
        if not self._ended:
            self._ended = True
            self.event("REQUEST_END", ns)
            self._group.leave()

    def entries(self) -> list[Entry]:
        """What a trace file holds of it."""
        head: Entry = {
            "id": self.id,
            "model_name": self.model_name,
            "model_version": self.model_version,
        }
        if self.request_id:
            head["request_id"] = self.request_id
        if self.parent_id:
            head["parent_id"] = self.parent_id
        return [head, *({"id": self.id, **_entry(note)} for note in self._notes)]


class TraceGroup:
    """A sampled trace with all its descendants; `over` is called once, when none is open."""

    def __init__(
        self,
        level: TraceLevel,
        clock: Callable[[], int],
        next_id: Callable[[], int],
        over: Callable[[TraceGroup], None],
    ) -> None:
        self.level = level
        self.clock = clock
        self.next_id = next_id
        self._over: Callable[[TraceGroup], None] | None = over
        self._lock = threading.Lock()
        self._traces: list[Trace] = []
        self._open = 0

    def join(self, trace: Trace) -> None:
        with self._lock:
            self._open += 1
            if self._over:  # else it is too late for this one to be saved
                self._traces.append(trace)

    def hold(self) -> None:
        with self._lock:
            self._open += 1

    def leave(self) -> None:
        with self._lock:
            self._open -= 1
            if self._open or not self._over:
                return
            over, self._over = self._over, None
        over(self)

    def take(self) -> list[Trace]:
        """The traces, oldest first; the group lets go of them."""
        traces, self._traces = self._traces, []
        return traces


@dataclass(frozen=True, slots=True)
class _TensorNote:
    activity: Activity
    name: str
    data: Array | None
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @staticmethod
    def of(activity: Activity, name: str, value: Tensor) -> _TensorNote:
        data = value.copy() if isinstance(value, np.ndarray) else None
        return _TensorNote(activity, name, data, tuple(value.shape), value.dtype)


def _entry(note: tuple[str, int] | _TensorNote) -> Entry:
    if isinstance(note, tuple):
        return {"timestamps": [{"name": note[0], "ns": note[1]}]}
    return {
        "activity": note.activity,
        "tensor": {
            "name": note.name,
            "data": "" if note.data is None else _text(note.data),
            "shape": ",".join(map(str, note.shape)),
            "dtype": _datatype(note.dtype),
        },
    }


def _datatype(dtype: np.dtype[Any]) -> str:
    try:
        return datatype_of(dtype)
    except ConfigError:  # a model may answer anything; a trace shows it
        return str(dtype)


def _text(array: Array) -> str:
    """All elements with commas; strings are quoted as in a CSV file."""
    if array.dtype.kind in "OSU":
        return ",".join(_quoted(value) for value in array.ravel().tolist())
    numbers = array.astype(np.uint8) if array.dtype.kind == "b" else array
    return ",".join(numbers.astype(np.str_).ravel().tolist())


def _quoted(value: object) -> str:
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
    return '"' + text.replace('"', '""') + '"'
