# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Triton's counters and durations of one model version; a snapshot is a value.

Executions and requests are counted apart, by whoever sees them: an executor calls `executed` for
each batch, a model calls `succeeded` or `failed` for each request (a processor's request may be
many rows in many batches).  All counters are plain integers under one lock, because both calls are
on the path of every request.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from triton_ros.core.errors import InternalError, TritonError
from triton_ros.core.request import Timing
from triton_ros.core.telemetry.memory_usage import MemoryUsage


class FailureReason(Enum):
    """Why a request failed.  The first four are Triton's, which counts the rest as REJECTED."""

    REJECTED = "REJECTED"
    CANCELED = "CANCELED"
    BACKEND = "BACKEND"
    OTHER = "OTHER"
    TIMEOUT = "TIMEOUT"
    DEADLINE = "DEADLINE"
    DROPPED = "DROPPED"

    @property
    def triton(self) -> FailureReason:
        """What Triton's `nv_inference_request_failure` calls it."""
        ours = (FailureReason.TIMEOUT, FailureReason.DEADLINE, FailureReason.DROPPED)
        return FailureReason.REJECTED if self in ours else self


_BY_NAME = {reason.value: reason for reason in FailureReason}


def failure_reason(error: TritonError) -> FailureReason:
    """What the error says; if it says nothing, an internal error is the backend's."""
    unsaid = FailureReason.BACKEND if isinstance(error, InternalError) else FailureReason.OTHER
    return _BY_NAME.get(error.reason, unsaid)


@dataclass(frozen=True, slots=True)
class Duration:
    """`StatisticDuration`: how often, and how long in all (nanoseconds)."""

    count: int = 0
    ns: int = 0

    def as_json(self) -> dict[str, int]:
        return {"count": self.count, "ns": self.ns}


@dataclass(frozen=True, slots=True)
class BatchStatistics:
    """`InferBatchStatistics` of one batch size; all three have the count of executions."""

    compute_input: Duration = Duration()
    compute_infer: Duration = Duration()
    compute_output: Duration = Duration()


@dataclass(frozen=True, slots=True)
class ResponseStatistics:
    """`InferResponseStatistics`: the n-th responses of a decoupled model's requests."""

    compute_infer: Duration = Duration()
    compute_output: Duration = Duration()
    success: Duration = Duration()
    fail: Duration = Duration()
    empty_response: Duration = Duration()
    cancel: Duration = Duration()


class ResponseFate(Enum):
    """What became of one response; the values are Triton's fields."""

    SUCCESS = "success"
    FAIL = "fail"
    EMPTY = "empty_response"
    CANCEL = "cancel"


_INFERENCE_STATS = (
    "success",
    "fail",
    "queue",
    "compute_input",
    "compute_infer",
    "compute_output",
    "cache_hit",
    "cache_miss",
)
_BATCH_STATS = ("compute_input", "compute_infer", "compute_output")
_RESPONSE_STATS = (
    "compute_infer",
    "compute_output",
    "success",
    "fail",
    "empty_response",
    "cancel",
)


def _durations(holder: object, names: tuple[str, ...]) -> dict[str, dict[str, int]]:
    return {name: getattr(holder, name).as_json() for name in names}


@dataclass(frozen=True, slots=True)
class Statistics:
    """`ModelStatistics`: `inference_count` counts rows, `execution_count` batches.

    Neither counts what the response cache answered; `success` and `queue` do.
    """

    last_inference: int = 0
    """Milliseconds since the epoch of the last execution; 0 for none."""
    inference_count: int = 0
    execution_count: int = 0
    success: Duration = Duration()
    fail: Duration = Duration()
    queue: Duration = Duration()
    compute_input: Duration = Duration()
    compute_infer: Duration = Duration()
    compute_output: Duration = Duration()
    cache_hit: Duration = Duration()
    cache_miss: Duration = Duration()
    batch_stats: dict[int, BatchStatistics] = field(default_factory=dict)
    """By batch size, ascending."""
    response_stats: dict[int, ResponseStatistics] = field(default_factory=dict)
    """By the response's index within its request, ascending; decoupled models only."""
    failures: dict[FailureReason, int] = field(default_factory=dict)
    """Failed requests by reason; reasons that never came are not listed."""
    memory_usage: tuple[MemoryUsage, ...] = ()
    load_seconds: float = 0.0

    @property
    def batch_sizes(self) -> dict[int, int]:
        """Executions by batch size."""
        return {size: stats.compute_infer.count for size, stats in self.batch_stats.items()}

    def as_json(self, name: str, version: int) -> dict[str, Any]:
        """The `model_stats` entry of Triton's statistics extension."""
        return {
            "name": name,
            "version": str(version),
            "last_inference": self.last_inference,
            "inference_count": self.inference_count,
            "execution_count": self.execution_count,
            "inference_stats": _durations(self, _INFERENCE_STATS),
            "response_stats": {
                str(index): _durations(stats, _RESPONSE_STATS)
                for index, stats in self.response_stats.items()
            },
            "batch_stats": [
                {"batch_size": size, **_durations(stats, _BATCH_STATS)}
                for size, stats in self.batch_stats.items()
            ],
            "memory_usage": [
                {"type": usage.kind, "id": usage.id, "byte_size": usage.byte_size}
                for usage in self.memory_usage
            ],
        }


class _Response:
    """Sums of one response index: [count, ns] each."""

    __slots__ = ("sums",)

    def __init__(self) -> None:
        self.sums = {name: [0, 0] for name in _RESPONSE_STATS}

    def add(self, name: str, ns: int) -> None:
        sums = self.sums[name]
        sums[0] += 1
        sums[1] += ns

    def value(self) -> ResponseStatistics:
        return ResponseStatistics(**{name: Duration(*sums) for name, sums in self.sums.items()})


class StatisticsCollector:
    """Adds up; thread-safe.  All times are nanoseconds, `wall_clock`'s since the epoch."""

    def __init__(self, wall_clock: Callable[[], int] = time.time_ns) -> None:
        self._lock = threading.Lock()
        self._wall_clock = wall_clock
        self._last_inference_ns = 0
        self._inferences = 0
        self._executions = 0
        self._successes = 0
        self._success_ns = 0
        self._queue_ns = 0
        self._compute_input_ns = 0
        self._compute_infer_ns = 0
        self._compute_output_ns = 0
        self._fails = 0
        self._fail_ns = 0
        self._hits = 0
        self._hit_ns = 0
        self._misses = 0
        self._miss_ns = 0
        self._batches: dict[int, list[int]] = {}  # count, input, infer and output ns
        self._responses: dict[int, _Response] = {}
        self._failures: dict[FailureReason, int] = {}
        self._memory_usage: tuple[MemoryUsage, ...] = ()
        self._load_seconds = 0.0

    def loaded(self, seconds: float, memory_usage: tuple[MemoryUsage, ...] = ()) -> None:
        """What loading (warm-up included) took and left behind."""
        with self._lock:
            self._load_seconds = seconds
            self._memory_usage = memory_usage

    def executed(
        self, rows: int, compute_input_ns: int, compute_infer_ns: int, compute_output_ns: int
    ) -> None:
        """One batch of `rows` went through the model; not called if that failed."""
        now = self._wall_clock()
        with self._lock:
            self._last_inference_ns = max(self._last_inference_ns, now)
            self._executions += 1
            try:
                sums = self._batches[rows]
            except KeyError:
                sums = self._batches[rows] = [0, 0, 0, 0]
            sums[0] += 1
            sums[1] += compute_input_ns
            sums[2] += compute_infer_ns
            sums[3] += compute_output_ns

    def succeeded(self, timing: Timing, total_ns: int, rows: int) -> None:
        """A request of `rows` was answered by the model, `total_ns` after it arrived."""
        with self._lock:
            self._successes += 1
            self._inferences += rows
            self._success_ns += total_ns
            self._queue_ns += timing.queue_ns
            self._compute_input_ns += timing.compute_input_ns
            self._compute_infer_ns += timing.compute_infer_ns
            self._compute_output_ns += timing.compute_output_ns

    def failed(self, total_ns: int, error: TritonError) -> None:
        """A request was answered with an error."""
        reason = failure_reason(error)
        with self._lock:
            self._fails += 1
            self._fail_ns += total_ns
            self._failures[reason] = self._failures.get(reason, 0) + 1

    def cache_hit(self, lookup_ns: int, total_ns: int, queue_ns: int = 0) -> None:
        """A request was answered by the response cache: a success without an inference."""
        with self._lock:
            self._successes += 1
            self._success_ns += total_ns
            self._queue_ns += queue_ns
            self._hits += 1
            self._hit_ns += lookup_ns

    def cache_missed(self, ns: int) -> None:
        """Looking a request up in vain, and putting its answer in, took `ns` together.

        The request's `succeeded` is called as well; its `total_ns` includes this time.
        """
        with self._lock:
            self._misses += 1
            self._miss_ns += ns

    def responded(
        self, index: int, fate: ResponseFate, compute_infer_ns: int, compute_output_ns: int = 0
    ) -> None:
        """The response number `index` (from 0) of a decoupled model's request.

        `compute_infer_ns` is since the one before it (or the start of the execution); for CANCEL it
        is the time to clean up.
        """
        with self._lock:
            response = self._responses.setdefault(index, _Response())
            response.add(fate.value, compute_infer_ns + compute_output_ns)
            if fate is not ResponseFate.CANCEL:
                response.add("compute_infer", compute_infer_ns)
            if fate is ResponseFate.SUCCESS or (fate is ResponseFate.FAIL and compute_output_ns):
                response.add("compute_output", compute_output_ns)

    def snapshot(self) -> Statistics:
        """All counters at one moment."""
        with self._lock:
            computed = self._successes - self._hits
            return Statistics(
                last_inference=self._last_inference_ns // 1_000_000,
                inference_count=self._inferences,
                execution_count=self._executions,
                success=Duration(self._successes, self._success_ns),
                fail=Duration(self._fails, self._fail_ns),
                queue=Duration(self._successes, self._queue_ns),
                compute_input=Duration(computed, self._compute_input_ns),
                compute_infer=Duration(computed, self._compute_infer_ns),
                compute_output=Duration(computed, self._compute_output_ns),
                cache_hit=Duration(self._hits, self._hit_ns),
                cache_miss=Duration(self._misses, self._miss_ns),
                batch_stats={
                    rows: BatchStatistics(*(Duration(count, total) for total in ns))
                    for rows, (count, *ns) in sorted(self._batches.items())
                },
                response_stats={i: r.value() for i, r in sorted(self._responses.items())},
                failures=dict(self._failures),
                memory_usage=self._memory_usage,
                load_seconds=self._load_seconds,
            )
