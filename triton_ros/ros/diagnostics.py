# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""`/diagnostics`: the node, its scheduler, each model and stream; keys are flat numbers."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.node import Node
from std_msgs.msg import Header

from triton_ros.core.control.load_progress import LoadProgress
from triton_ros.core.control.model_state import IndexEntry, ModelState
from triton_ros.core.errors import TritonError
from triton_ros.core.server import InferenceServer, ModelDescription
from triton_ros.core.telemetry.statistics import Duration
from triton_ros.ros.stream_settings import StreamSettings
from triton_ros.ros.stream_statistics import StreamStatistics

OK, WARN, ERROR = (DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR)


class Reporter:
    """Publishes what `statuses` gives, every so often and whenever asked to."""

    def __init__(self, node: Node, statuses: Callable[[], list[DiagnosticStatus]]) -> None:
        self._node = node
        self._statuses = statuses
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        # In real time: who looks wants to see a paused simulation's node, too.
        self._clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = node.create_timer(1.0, self.report, clock=self._clock)

    def set_period(self, period_s: float) -> None:
        self._node.destroy_timer(self._timer)
        self._timer = self._node.create_timer(period_s, self.report, clock=self._clock)

    def report(self) -> None:
        header = Header(stamp=self._node.get_clock().now().to_msg())
        self._publisher.publish(DiagnosticArray(header=header, status=self._statuses()))


def status(name: str, level: bytes, message: str, values: Mapping[str, object]) -> DiagnosticStatus:
    """One row."""
    pairs = [KeyValue(key=key, value=_text(value)) for key, value in values.items()]
    return DiagnosticStatus(
        name=name, level=level, message=message, hardware_id="triton_ros", values=pairs
    )


def _text(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def node_status(
    node: str,
    state: str,
    problem: str,
    refused: Mapping[str, str],
    addresses: Mapping[str, str],
) -> DiagnosticStatus:
    """The node itself: why the last transition failed, which models have no services, and where
    clients of the network find it.
    """
    message = problem or "; ".join(
        f"model '{model}' has no services: same name as '{owner}'"
        for model, owner in refused.items()
    )
    level = ERROR if problem else WARN if message else OK
    values = {"state": state, "refused_names": len(refused), **addresses}
    return status(f"{node}: node", level, message or state, values)


@dataclass(frozen=True, slots=True)
class Known:
    """A version, what it serves (None where it does not), and how far its model's load is."""

    entry: IndexEntry
    model: ModelDescription | None
    load: LoadProgress


def known_models(server: InferenceServer) -> list[Known]:
    """Every version of every model, asked for once a report."""
    return [_known(server, entry) for entry in server.repository_index()]


def _known(server: InferenceServer, entry: IndexEntry) -> Known:
    """One that is not ready may be loaded all the same, with a problem."""
    model = None
    if entry.state is ModelState.READY or _failed(entry):
        with contextlib.suppress(TritonError):  # unloaded a moment ago, or not loaded at all
            model = server.describe(entry.name, entry.version or -1)
    return Known(entry, model, server.load_progress(entry.name))


def _failed(entry: IndexEntry) -> bool:
    return entry.state is ModelState.UNAVAILABLE and entry.reason not in ("", "unloaded")


def model_statuses(node: str, models: Sequence[Known]) -> list[DiagnosticStatus]:
    """All models of the repository, each with the version that answers who names none.

    Further versions that serve follow, as ``model <name>/<version>``.
    """
    found = []
    for name, rows in groupby(models, key=lambda known: known.entry.name):
        versions = sorted(
            rows, key=lambda k: (k.entry.state is ModelState.READY, k.entry.version or 0)
        )
        for known in reversed(versions):
            if known is versions[-1]:
                found.append(model_status(f"{node}: model {name}", known))
            elif known.entry.state is ModelState.READY:
                found.append(model_status(f"{node}: model {name}/{known.entry.version}", known))
    return found


def model_status(title: str, known: Known) -> DiagnosticStatus:
    """A version's state, how far its model's load is, and its counters since it was loaded."""
    entry, load = known.entry, known.load
    values: dict[str, object] = {"state": entry.state.value, "version": entry.version or 0}
    message = entry.reason
    if load.loading:
        values |= {
            "load_stage": load.stage,
            "load_seconds": load.seconds,
            "load_attempt": load.attempt,
        }
        message = message or f"{entry.state.value}, {load.stage}"
    if known.model is not None:
        values |= counters(known.model)
    if entry.state is not ModelState.READY:
        return status(title, ERROR if _failed(entry) else OK, message or entry.state.value, values)
    if known.model is None:
        return status(title, WARN, message or "it was unloaded just now", values)
    return status(title, WARN if entry.reason else OK, message or "READY", values)


def counters(model: ModelDescription) -> dict[str, object]:
    """What a served version counted since it was loaded; what never happened is left out."""
    counted = model.statistics
    values: dict[str, object] = {
        "instances": model.instance_count,
        "max_batch_size": model.config.max_batch_size,
        "pending": model.pending,
        "inferences": counted.inference_count,
        "executions": counted.execution_count,
        "failures": counted.fail.count,
        "queue_ms": _mean_ms(counted.queue),
        "compute_input_ms": _mean_ms(counted.compute_input),
        "compute_infer_ms": _mean_ms(counted.compute_infer),
        "compute_output_ms": _mean_ms(counted.compute_output),
        "loaded_in_s": counted.load_seconds,
    }
    if counted.cache_hit.count or counted.cache_miss.count:
        values |= {
            "cache_hits": counted.cache_hit.count,
            "cache_misses": counted.cache_miss.count,
        }
    values |= {f"failures_{why.value.lower()}": n for why, n in counted.failures.items()}
    values |= {f"memory_{m.kind.lower()}_{m.id}_bytes": m.byte_size for m in counted.memory_usage}
    values |= {f"batches_of_{size}": count for size, count in counted.batch_sizes.items()}
    values |= {f"backend_{name}": count for name, count in model.counters.items()}
    return values


def _mean_ms(duration: Duration) -> float:
    return duration.ns / duration.count / 1e6 if duration.count else 0.0


def scheduler_status(
    node: str, models: Sequence[Known], cpu_thread_budget: int
) -> DiagnosticStatus:
    """What all models that serve have waiting and running together."""
    serving = [
        known.model
        for known in models
        if known.model is not None and known.entry.state is ModelState.READY
    ]
    values: dict[str, object] = {
        "models": len(serving),
        "instances": sum(model.instance_count for model in serving),
        "pending": sum(model.pending for model in serving),
        "most_pending": max((model.pending for model in serving), default=0),
        "inferences": sum(model.statistics.inference_count for model in serving),
        "executions": sum(model.statistics.execution_count for model in serving),
        "failures": sum(model.statistics.fail.count for model in serving),
        "threads": threading.active_count(),
        "cpu_thread_budget": cpu_thread_budget,
    }
    message = f"{values['pending']} requests wait or run"
    return status(f"{node}: scheduler", OK, message, values)


class StreamState(Protocol):
    """What a status of a stream needs of it."""

    @property
    def settings(self) -> StreamSettings: ...

    @property
    def statistics(self) -> StreamStatistics: ...

    @property
    def topic(self) -> str: ...

    @property
    def publishers(self) -> int: ...

    @property
    def other_types(self) -> tuple[str, ...]: ...


SILENT_S = 3.0
"""A stream that got no frame for so long says so."""


def stream_status(node: str, stream: StreamState, active: bool) -> DiagnosticStatus:
    """A stream's counters since configure; WARN once frames were lost to an error, or while none
    come.
    """
    settings, snapshot, publishers = (
        stream.settings,
        stream.statistics.snapshot(),
        stream.publishers,
    )
    p50, p95, longest = snapshot.latency_ms
    received_hz, answered_hz = snapshot.rates_hz
    values: dict[str, object] = {
        "model": settings.model,
        "topic": stream.topic,
        "publishers": publishers,
        "received": snapshot.received,
        "answered": snapshot.answered,
        "waiting": snapshot.waiting,
        "detections": snapshot.detections,
        "received_hz": received_hz,
        "answered_hz": answered_hz,
        "latency_p50_ms": p50,
        "latency_p95_ms": p95,
        "latency_max_ms": longest,
        "newest_frame_s": snapshot.silent_s,
        "newest_answer_s": snapshot.unanswered_s,
        "restarts": snapshot.restarts,
    }
    values |= {f"dropped_{reason}": count for reason, count in sorted(snapshot.dropped.items())}
    values |= {f"batches_of_{size}": count for size, count in snapshot.batch_sizes.items()}
    problem = snapshot.last_error
    if active and not problem and snapshot.silent_s > SILENT_S:
        problem = (
            f"no frame for {snapshot.silent_s:.0f} s on '{stream.topic}' ({settings.transport},"
            f" {settings.reliability}), which has {publishers} publishers"
        )
        if stream.other_types:
            problem += f" of {', '.join(stream.other_types)}"
    message = problem or ("active" if active else "inactive")
    return status(f"{node}: stream {settings.name}", WARN if problem else OK, message, values)


def incomplete_status(node: str, stream: str) -> DiagnosticStatus:
    """Of a stream that was begun without a model."""
    message = f"waits for its model: set streams.{stream}.model"
    return status(f"{node}: stream {stream}", WARN, message, {"model": ""})
