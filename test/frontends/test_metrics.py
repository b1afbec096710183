# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Metrics: Triton's names, with the numbers of the server's own statistics."""

from __future__ import annotations

import re
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from frontend_server import Keys, serving
from http_client import ask, place
from prometheus_client.parser import text_string_to_metric_families
from toy_models import Toy, onnx_add_sub, onnx_failing

from triton_ros.core.errors import TritonError
from triton_ros.core.request import InferenceRequest
from triton_ros.core.server_options import ServerOptions
from triton_ros.core.telemetry.stream_figures import StreamFigures
from triton_ros.frontends.metrics.frontend import MAX_CONNECTIONS

X = np.zeros((3, 16), np.float32)
CACHED = "max_batch_size: 4 response_cache { enable: true }"


Samples: TypeAlias = "dict[tuple[str, tuple[tuple[str, str], ...]], float]"


def scrape(address: str) -> tuple[Samples, dict[str, str]]:
    """Samples by name and labels, and types by name."""
    answer = ask(address, "GET", "/metrics")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    text = answer.body.decode()
    assert not re.findall(r"nv_\w+_total\b(?<!memory_total)", text), "Triton's names have none"
    samples, kinds = {}, {}
    for family in text_string_to_metric_families(text):
        kinds[family.name] = family.type
        for sample in family.samples:
            name = sample.name  # of counters, the parser adds it
            name = name.removesuffix("_total") if name.startswith("nv_") else name
            samples[name, tuple(sorted(sample.labels.items()))] = sample.value
    return samples, kinds


def of(model: str, **more: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted({"model": model, "version": "1", **more}.items()))


def test_models_have_tritons_metrics(tmp_path: Path) -> None:
    models = {"add_sub": Toy(onnx_add_sub(), CACHED), "failing": Toy(onnx_failing())}
    options = ServerOptions(load_model=("*",), cache_byte_size=100_000)
    with serving(tmp_path, models, server_options=options) as found:
        for _ in range(2):
            found.server.infer(InferenceRequest("add_sub", {"INPUT0": X, "INPUT1": X}))
        with pytest.raises(TritonError):
            found.server.infer(InferenceRequest("failing", {"x": np.array([[9]], np.int64)}))
        samples, kinds = scrape(found.metrics)
        statistics = found.server.describe("add_sub").statistics
        wanted = {
            "nv_inference_request_success": 2,
            "nv_inference_count": 3,
            "nv_inference_exec_count": 1,
            "nv_inference_pending_request_count": 0,
            "nv_cache_num_hits_per_model": 1,
            "nv_cache_num_misses_per_model": 1,
            "nv_inference_request_duration_us": statistics.success.ns / 1000,
            "nv_inference_queue_duration_us": statistics.queue.ns / 1000,
            "nv_inference_compute_input_duration_us": statistics.compute_input.ns / 1000,
            "nv_inference_compute_infer_duration_us": statistics.compute_infer.ns / 1000,
            "nv_inference_compute_output_duration_us": statistics.compute_output.ns / 1000,
            "nv_cache_hit_duration_per_model": statistics.cache_hit.ns / 1000,
            "nv_cache_miss_duration_per_model": statistics.cache_miss.ns / 1000,
            "nv_model_load_duration_secs": statistics.load_seconds,
        }
        assert {name: samples[name, of("add_sub")] for name in wanted} == wanted
        gauges = {"nv_inference_pending_request_count", "nv_model_load_duration_secs"}
        assert {name: kinds[name] for name in wanted} == {
            name: "gauge" if name in gauges else "counter" for name in wanted
        }
        failed = {
            reason: samples["nv_inference_request_failure", of("failing", reason=reason)]
            for reason in ("REJECTED", "CANCELED", "BACKEND", "OTHER")
        }
        assert failed == {"REJECTED": 0, "CANCELED": 0, "BACKEND": 1, "OTHER": 0}
        assert ("nv_cache_num_hits_per_model", of("failing")) not in samples
        assert 0 <= samples["nv_cpu_utilization", ()] <= 1
        assert samples["nv_cpu_memory_used_bytes", ()] < samples["nv_cpu_memory_total_bytes", ()]
        assert samples["triton_ros_frontend_requests_in_flight", ()] == 0
        found.server.unload_model("failing").result(20)
        gone, _ = scrape(found.metrics)
        assert ("nv_inference_count", of("failing")) not in gone
        assert ("nv_inference_count", of("add_sub")) in gone


def test_streams_have_ours(tmp_path: Path) -> None:
    figures = [StreamFigures("front", 10, 6, {"too_old": 2, "superseded": 1}, 0.5)]
    with serving(tmp_path, {}, streams=lambda: figures) as found:
        samples, kinds = scrape(found.metrics)
    front = (("stream", "front"),)
    name = "triton_ros_stream_frames"
    assert samples[f"{name}_received_total", front] == 10
    assert samples[f"{name}_published_total", front] == 6
    assert samples[f"{name}_waiting", front] == 1
    assert samples[f"{name}_dropped_total", (("reason", "too_old"), *front)] == 2
    assert samples[f"{name}_dropped_total", (("reason", "superseded"), *front)] == 1
    assert samples["triton_ros_stream_newest_result_age_seconds", front] == 0.5
    assert kinds[f"{name}_received"] == "counter"


def test_only_metrics_are_there(tmp_path: Path) -> None:
    with serving(tmp_path, {}) as found:
        statuses: dict[tuple[str, str], Any] = {
            ("GET", "/metrics?x=1"): 200,
            ("GET", "/"): 404,
            ("GET", "/v2"): 404,
            ("POST", "/metrics"): 405,
            ("DELETE", "/metrics"): 405,
        }
        for (method, path), status in statuses.items():
            assert ask(found.metrics, method, path).status == status


@pytest.mark.parametrize("tls", [False, True])
def test_clients_that_say_nothing_keep_nobody_out(tmp_path: Path, keys: Keys, tls: bool) -> None:
    options: dict[str, Any] = keys.server if tls else {}
    with ExitStack() as idle, serving(tmp_path, {}, **options) as found:
        more = 5
        clients = [
            idle.enter_context(socket.create_connection(place(found.metrics), timeout=20))
            for _ in range(MAX_CONNECTIONS + more)
        ]
        for client in clients[:more]:
            assert not client.recv(1), "the oldest are cut off"
        if not tls:
            assert ask(found.metrics, "GET", "/metrics").status == 200
        found.frontends.close()
        assert not clients[-1].recv(1), "and with the port, all others"
