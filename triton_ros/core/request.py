# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Requests and responses: values that travel from a frontend to a model and back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from triton_ros.core.errors import TritonError
from triton_ros.core.tensor import Array, Tensors

Parameter: TypeAlias = bool | int | float | str


class Cancellation:
    """Withdraws every request that carries it: a frame's, or a client's that hung up.

    What waits is answered with `CancelledError` at once; what runs is finished, unless the model
    asks.  One token may stand for many requests, and goes with an ensemble's request into its
    steps.
    """

    __slots__ = ("_cancelled", "_lock", "_watchers")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watchers: dict[int, Callable[[], None]] = {}
        self._cancelled = False

    @property
    def cancelled(self) -> bool:
        return self._cancelled

    def cancel(self) -> None:
        """Idempotent; the watchers run on this thread."""
        with self._lock:
            self._cancelled = True
            watchers = list(self._watchers.values())
            self._watchers.clear()
        for watcher in watchers:
            watcher()

    def watch(self, key: int, watcher: Callable[[], None]) -> None:
        """Call `watcher` at `cancel`; at once if that has been."""
        with self._lock:
            if not self._cancelled:
                self._watchers[key] = watcher
                return
        watcher()

    def unwatch(self, key: int) -> None:
        """Forget a watcher; fine if it is unknown."""
        with self._lock:
            self._watchers.pop(key, None)


@dataclass(frozen=True, slots=True)
class Caller:
    """The executing model that makes a request (business logic scripting).

    `models` are the names of all models above; `grants` are the rate limiter's resources that
    they hold, which the called models may borrow, so that they cannot wait for each other.
    """

    models: frozenset[str]
    grants: tuple[Any, ...] = ()


@dataclass(slots=True)
class InferenceRequest:
    """One inference, as KServe V2 has it.

    `inputs` hold full shapes: the batch dim comes first when the model has one.  `tag` is the
    caller's own (a frame's header, say); it comes back on the response and nobody looks inside.
    """

    model_name: str
    inputs: Tensors
    model_version: int = -1
    id: str = ""
    outputs: tuple[str, ...] = ()
    """Names of the wanted outputs; empty for all."""
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    tag: Any = None
    priority: int = 0
    """1 is the most urgent; 0, or more than the model's levels, is the model's default."""
    timeout_us: int = 0
    """Longest time in the queue, where the model's queue policy lets it override; 0 for none."""
    deadline_ns: int | None = None
    """On the server's clock: after it, the request is not worth an answer.  It is refused where it
    waits, also between the steps of an ensemble; what already executes is finished."""
    correlation_id: int | str = 0
    """The sequence that it belongs to; 0 or "" for none."""
    sequence_start: bool = False
    sequence_end: bool = False
    cancellation: Cancellation | None = None
    on_response: Callable[[InferenceResponse], None] | None = None
    """Gets each response of a decoupled model, in order, before the final outcome."""
    caller: Caller | None = None
    trace: Any = None
    """The running trace that this request is a part of, None for none."""


@dataclass(slots=True)
class Timing:
    """Where a request spent its time, in nanoseconds of the server's clock."""

    queue_ns: int = 0
    compute_input_ns: int = 0
    compute_infer_ns: int = 0
    compute_output_ns: int = 0
    batch_size: int = 0


@dataclass(slots=True)
class InferenceResponse:
    """The answer to one request; `outputs` are arrays that the receiver may keep.

    A decoupled model's responses reach `on_response`, with `final` False; the last outcome then is
    a response without outputs.
    """

    model_name: str
    model_version: int
    outputs: dict[str, Array]
    id: str = ""
    tag: Any = None
    timing: Timing = field(default_factory=Timing)
    final: bool = True
    cached: bool = False
    """Whether it came out of the response cache."""
    parameters: Mapping[str, Parameter] = field(default_factory=dict)


Outcome: TypeAlias = InferenceResponse | TritonError
"""What becomes of a request: exactly one of these, exactly once."""

Done: TypeAlias = Callable[[Outcome], None]
"""Called once, on the thread that finished the request.  It must not block and must not raise."""
