# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Metrics made from the server's own counters when somebody asks: no request pays for them.

Names, labels and units of models are Triton's; a version that is unloaded is gone.  Triton adds a
``gpu_uuid`` to models on GPUs and has ``nv_gpu_*``: here there are none.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from triton_ros.core.control.model_state import ModelState
from triton_ros.core.errors import TritonError
from triton_ros.core.server import InferenceServer, ModelDescription
from triton_ros.core.telemetry.statistics import Duration
from triton_ros.core.telemetry.stream_figures import StreamFigures

_REASONS = ("REJECTED", "CANCELED", "BACKEND", "OTHER")
_PROC = Path("/proc")

_COUNTERS: Mapping[str, tuple[str, Callable[[ModelDescription], float]]] = {
    "nv_inference_request_success": (
        "Number of successful inference requests, all batch sizes",
        lambda m: m.statistics.success.count,
    ),
    "nv_inference_count": (
        "Number of inferences performed (does not include cached requests)",
        lambda m: m.statistics.inference_count,
    ),
    "nv_inference_exec_count": (
        "Number of model executions performed (does not include cached requests)",
        lambda m: m.statistics.execution_count,
    ),
    "nv_inference_request_duration_us": (
        "Cumulative inference request duration in microseconds (includes cached requests)",
        lambda m: _us(m.statistics.success),
    ),
    "nv_inference_queue_duration_us": (
        "Cumulative inference queuing duration in microseconds (includes cached requests)",
        lambda m: _us(m.statistics.queue),
    ),
    "nv_inference_compute_input_duration_us": (
        "Cumulative compute input duration in microseconds (does not include cached requests)",
        lambda m: _us(m.statistics.compute_input),
    ),
    "nv_inference_compute_infer_duration_us": (
        "Cumulative compute inference duration in microseconds (does not include cached requests)",
        lambda m: _us(m.statistics.compute_infer),
    ),
    "nv_inference_compute_output_duration_us": (
        "Cumulative inference compute output duration in microseconds (does not include cached"
        " requests)",
        lambda m: _us(m.statistics.compute_output),
    ),
}
_CACHE_COUNTERS: Mapping[str, tuple[str, Callable[[ModelDescription], float]]] = {
    "nv_cache_num_hits_per_model": (
        "Number of cache hits per model",
        lambda m: m.statistics.cache_hit.count,
    ),
    "nv_cache_hit_duration_per_model": (
        "Total cache hit duration per model, in microseconds",
        lambda m: _us(m.statistics.cache_hit),
    ),
    "nv_cache_num_misses_per_model": (
        "Number of cache misses per model",
        lambda m: m.statistics.cache_miss.count,
    ),
    "nv_cache_miss_duration_per_model": (
        "Total cache miss duration per model, in microseconds",
        lambda m: _us(m.statistics.cache_miss),
    ),
}
_GAUGES: Mapping[str, tuple[str, Callable[[ModelDescription], float]]] = {
    "nv_inference_pending_request_count": (
        "Instantaneous number of pending requests awaiting execution per-model.",
        lambda m: m.pending,
    ),
    "nv_model_load_duration_secs": (
        "Model load time in seconds",
        lambda m: m.statistics.load_seconds,
    ),
}


def _us(duration: Duration) -> float:
    return duration.ns / 1000


class Collector:
    """What prometheus_client asks at every scrape; `in_flight` counts network clients' requests."""

    def __init__(
        self,
        server: InferenceServer,
        streams: Callable[[], Iterable[StreamFigures]],
        in_flight: Callable[[], int],
    ) -> None:
        self._server = server
        self._streams = streams
        self._in_flight = in_flight
        self._cpu = _CpuUtilization()

    def describe(self) -> Iterable[Metric]:
        """Nothing: registering must not scrape."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Everything at one moment, more or less."""
        models = self._models()
        yield from _families("counter", _COUNTERS, models)
        yield _failures(models)
        yield from _families("gauge", _GAUGES, models)
        cached = [model for model in models if model.config.response_cache]
        if cached:
            yield from _families("counter", _CACHE_COUNTERS, cached)
        yield from _stream_metrics(self._streams())
        yield GaugeMetricFamily(
            "triton_ros_frontend_requests_in_flight",
            "Inferences of network clients that are under way",
            self._in_flight(),
        )
        yield from _machine(self._cpu)

    def _models(self) -> list[ModelDescription]:
        found = []
        for entry in self._server.repository_index():
            if entry.state is not ModelState.READY or entry.version is None:
                continue
            try:
                found.append(self._server.describe(entry.name, entry.version))
            except TritonError:
                continue  # unloaded meanwhile
        return found


def _families(
    kind: str,
    table: Mapping[str, tuple[str, Callable[[ModelDescription], float]]],
    models: Iterable[ModelDescription],
) -> Iterator[Metric]:
    for name, (text, value) in table.items():
        family = Metric(name, text, kind)
        for model in models:
            # not by add_metric, which would add "_total" to Triton's names
            family.add_sample(name, _labels(model), value(model))
        yield family


def _labels(model: ModelDescription) -> dict[str, str]:
    return {"model": model.name, "version": str(model.version)}


def _failures(models: Iterable[ModelDescription]) -> Metric:
    name = "nv_inference_request_failure"
    family = Metric(name, "Number of failed inference requests, all batch sizes", "counter")
    for model in models:
        counts = dict.fromkeys(_REASONS, 0)
        for reason, count in model.statistics.failures.items():
            counts[reason.triton.value] += count
        for each, count in counts.items():
            family.add_sample(name, {**_labels(model), "reason": each}, count)
    return family


def _stream_metrics(streams: Iterable[StreamFigures]) -> Iterator[Metric]:
    received = CounterMetricFamily(
        "triton_ros_stream_frames_received", "Frames that came", labels=("stream",)
    )
    published = CounterMetricFamily(
        "triton_ros_stream_frames_published", "Frames that were answered", labels=("stream",)
    )
    dropped = CounterMetricFamily(
        "triton_ros_stream_frames_dropped",
        "Frames that were not answered, by reason",
        labels=("stream", "reason"),
    )
    waiting = GaugeMetricFamily(
        "triton_ros_stream_frames_waiting", "Frames that are queued or run", labels=("stream",)
    )
    age = GaugeMetricFamily(
        "triton_ros_stream_newest_result_age_seconds",
        "Time since the newest result; since the stream began if there is none",
        labels=("stream",),
    )
    for stream in streams:
        received.add_metric((stream.name,), stream.received)
        published.add_metric((stream.name,), stream.published)
        waiting.add_metric((stream.name,), stream.waiting)
        age.add_metric((stream.name,), stream.newest_result_age_s)
        for reason, count in stream.dropped.items():
            dropped.add_metric((stream.name, reason), count)
    yield from (received, published, dropped, waiting, age)


class _CpuUtilization:
    """Of the machine, since the scrape before; of its whole time at the first."""

    def __init__(self) -> None:
        self._before = (0, 0)

    def __call__(self) -> float:
        busy, total = self._times()
        busy_before, total_before = self._before
        self._before = busy, total
        passed = total - total_before
        return (busy - busy_before) / passed if passed > 0 else 0.0

    @staticmethod
    def _times() -> tuple[int, int]:
        fields = (_PROC / "stat").read_text().split("\n", 1)[0].split()[1:9]
        times = [int(field) for field in fields]
        return sum(times) - times[3] - times[4], sum(times)


def _machine(cpu: _CpuUtilization) -> Iterator[Metric]:
    """What Triton says of the CPU and its memory; nothing where there is no /proc."""
    try:
        utilization = cpu()
        lines = (_PROC / "meminfo").read_text().splitlines()
    except OSError:
        return
    fields = (line.partition(":") for line in lines)
    memory = {name: int(rest.split()[0]) * 1024 for name, _, rest in fields}
    yield GaugeMetricFamily("nv_cpu_utilization", "CPU utilization rate [0.0 - 1.0]", utilization)
    total, free = memory["MemTotal"], memory["MemAvailable"]
    yield GaugeMetricFamily("nv_cpu_memory_total_bytes", "CPU total memory (RAM), in bytes", total)
    yield GaugeMetricFamily(
        "nv_cpu_memory_used_bytes", "CPU used memory (RAM), in bytes", total - free
    )
    pages = int((_PROC / "self/statm").read_text().split()[1])
    yield GaugeMetricFamily(
        "triton_ros_resident_memory_bytes",
        "Memory of this process that is in RAM",
        pages * os.sysconf("SC_PAGE_SIZE"),
    )
