# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Levels, messages and numbers of /diagnostics, from values."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from fake_backend import (
    TIMEOUT,
    FakeBackend,
    Gate,
    Outcomes,
    fake,
    loaded,
    request,
    serving,
)
from ros_client import values
from toy_models import Toy, onnx_identity, write_repository

from triton_ros.backends.registry import BackendRegistry
from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.errors import TritonError
from triton_ros.core.model import Interface
from triton_ros.core.request import Cancellation, InferenceRequest
from triton_ros.core.server import InferenceServer, ModelDescription
from triton_ros.core.telemetry.memory_usage import MemoryUsage
from triton_ros.core.telemetry.statistics import Duration, Statistics
from triton_ros.ros.diagnostics import (
    counters,
    incomplete_status,
    known_models,
    model_statuses,
    node_status,
    scheduler_status,
    stream_status,
)
from triton_ros.ros.stream_settings import STREAM, StreamSettings, stream_settings
from triton_ros.ros.stream_statistics import StreamStatistics

THREE = "instance_group { count: 3 kind: KIND_CPU }"
OK, WARN, ERROR = (DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR)


def test_node() -> None:
    good = node_status("ns/n", "active", "", {}, {"http": "127.0.0.1:8000"})
    assert (good.name, good.level, good.message) == ("ns/n: node", OK, "active")
    wanted = {"state": "active", "refused_names": "0", "http": "127.0.0.1:8000"}
    assert values(good) == wanted
    warned = node_status("n", "active", "", {"a-b": "a_b"}, {})
    assert (warned.level, values(warned)["refused_names"]) == (WARN, "1")
    assert warned.message == "model 'a-b' has no services: same name as 'a_b'"
    failed = node_status("n", "unconfigured", "configure: why", {"a-b": "a_b"}, {})
    assert (failed.level, failed.message) == (ERROR, "configure: why")


@dataclass
class State:
    """A stream as its status sees it."""

    statistics: StreamStatistics
    settings: StreamSettings
    topic: str = "/cam"
    publishers: int = 1
    other_types: tuple[str, ...] = ()


def stream(counted: StreamStatistics) -> State:
    values = {name: spec.default for name, spec in STREAM.items()} | {"model": "m"}
    return State(counted, stream_settings("front", values))


def counted_stream(now: list[float]) -> StreamStatistics:
    """Ten frames in two seconds, six answered."""
    found = StreamStatistics(clock=lambda: now[0])
    for _ in range(10):
        found.received()
    for _ in range(6):
        found.answered(2, 1_000_000, 4)
    for reason in ("superseded", "superseded", "bad_size"):
        found.dropped(reason)
    now[0] += 2.0
    return found


def test_stream() -> None:
    status = stream_status("n", stream(counted_stream([0.0])), True)
    assert (status.name, status.level, status.message) == ("n: stream front", OK, "active")
    assert values(status) == {
        "model": "m",
        "topic": "/cam",
        "publishers": "1",
        "received": "10",
        "answered": "6",
        "waiting": "1",
        "detections": "12",
        "received_hz": "5.000",
        "answered_hz": "3.000",
        "latency_p50_ms": "1.000",
        "latency_p95_ms": "1.000",
        "latency_max_ms": "1.000",
        "newest_frame_s": "2.000",
        "newest_answer_s": "2.000",
        "restarts": "0",
        "dropped_bad_size": "1",
        "dropped_superseded": "2",
        "batches_of_4": "6",
    }
    inactive = stream_status("n", stream(counted_stream([0.0])), False)
    assert (inactive.level, inactive.message) == (OK, "inactive")


def test_a_stream_says_why_it_lost_frames_or_gets_none() -> None:
    now = [0.0]
    counted = counted_stream(now)
    now[0] += 4.0
    silent = stream_status("n", stream(counted), True)
    assert silent.level == WARN
    assert silent.message == "no frame for 6 s on '/cam' (raw, best_effort), which has 1 publishers"
    other = replace(stream(counted), other_types=("sensor_msgs/msg/PointCloud2",))
    assert "1 publishers of sensor_msgs/msg/PointCloud2" in stream_status("n", other, True).message
    assert stream_status("n", stream(counted), False).level == OK, "nobody awaits any"
    counted.began()
    assert stream_status("n", stream(counted), True).level == OK
    counted.dropped("bad_size", "why")
    failed = stream_status("n", stream(counted), True)
    assert (failed.level, failed.message) == (WARN, "why")


def test_a_stream_without_a_model() -> None:
    status = incomplete_status("n", "side")
    assert (status.name, status.level) == ("n: stream side", WARN)
    assert "set streams.side.model" in status.message


def test_scheduler(tmp_path: Path) -> None:
    gate, outcomes, backend = Gate("m"), Outcomes(), FakeBackend()
    with serving(tmp_path, backend, {"m": fake(), "other": fake()}) as server:
        loaded(server, "m", "other")
        backend.on_execute = gate
        for _ in range(3):
            server.submit(request("m"), outcomes)
        gate.wait_entered()
        busy = values(scheduler_status("n", known_models(server), 0))
        gate.open()
        outcomes.wait(3)
        idle = values(scheduler_status("n", known_models(server), 0))
    assert (busy["models"], busy["instances"]) == ("2", "2")
    assert int(busy["pending"]) == int(busy["most_pending"]) >= 2
    assert (idle["pending"], idle["inferences"], idle["failures"]) == ("0", "3", "0")


def test_models(tmp_path: Path) -> None:
    write_repository(
        tmp_path,
        {
            "good": Toy(onnx_identity(), THREE),
            "bad": Toy(b"none"),
            "not_asked_for": Toy(onnx_identity()),
        },
    )
    with InferenceServer([tmp_path], BackendRegistry().load_backend) as server:
        server.load_model("good").result()
        with pytest.raises(TritonError):
            server.load_model("bad").result()
        server.infer(InferenceRequest("good", {"x": np.zeros((1, 4), np.float32)}))
        found = {status.name: status for status in model_statuses("n", known_models(server))}
    assert set(found) == {"n: model good", "n: model bad", "n: model not_asked_for"}
    good, bad = found["n: model good"], found["n: model bad"]
    assert (good.level, good.message) == (OK, "READY")
    counted = values(good)
    assert (counted["state"], counted["version"], counted["instances"]) == ("READY", "1", "3")
    assert (counted["inferences"], counted["executions"], counted["failures"]) == ("1", "1", "0")
    assert counted["batches_of_1"] == "1"
    assert float(counted["compute_infer_ms"]) > 0
    assert (bad.level, values(bad)["state"]) == (ERROR, "UNAVAILABLE")
    assert "model.onnx" in bad.message
    asked = found["n: model not_asked_for"]
    assert (asked.level, values(asked)["state"]) == (OK, "UNKNOWN")


def test_a_load_says_how_far_it_is(tmp_path: Path) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def on_load(name: str) -> None:
        begun.set()
        assert go_on.wait(TIMEOUT)

    with serving(tmp_path, FakeBackend(on_load=on_load), {"m": fake()}) as server:
        load = server.load_model("m")
        assert begun.wait(TIMEOUT)
        (loading,) = model_statuses("n", known_models(server))
        go_on.set()
        load.result(TIMEOUT)
        (ready,) = model_statuses("n", known_models(server))
    stage = "loading weights of version 1"
    assert (loading.level, loading.message) == (OK, f"LOADING, {stage}")
    found = values(loading)
    assert (found["state"], found["load_stage"], found["load_attempt"]) == ("LOADING", stage, "1")
    assert float(found["load_seconds"]) >= 0
    assert (ready.level, ready.message) == (OK, "READY")
    assert "load_stage" not in values(ready)


def test_requests_that_wait_and_failures_by_reason(tmp_path: Path) -> None:
    gate, outcomes, backend = Gate("m"), Outcomes(), FakeBackend()
    with serving(tmp_path, backend, {"m": fake()}) as server:
        loaded(server, "m")
        backend.on_execute = gate
        server.submit(request("m"), outcomes)
        gate.wait_entered()
        token = Cancellation()
        server.submit(request("m", deadline_ns=1), outcomes)  # long ago
        server.submit(request("m", cancellation=token), outcomes)
        server.submit(request("m"), outcomes)
        (waiting,) = model_statuses("n", known_models(server))
        token.cancel()
        gate.open()
        outcomes.wait(4)
        (done,) = model_statuses("n", known_models(server))
    assert values(waiting)["pending"] == "2"
    found = values(done)
    assert (found["pending"], found["failures"], found["inferences"]) == ("0", "2", "2")
    assert (found["failures_deadline"], found["failures_canceled"]) == ("1", "1")
    assert "failures_backend" not in found


def test_a_loaded_model_that_cannot_answer_is_an_error_with_its_counters(tmp_path: Path) -> None:
    backend = FakeBackend()
    with serving(tmp_path, backend, {"m": fake(), "broken": fake("no number")}) as server:
        loaded(server, "m")
        backend.models[0].problem = "no server answers"
        backend.models[0].counters = {"retries": 4}
        with pytest.raises(TritonError):
            loaded(server, "broken")
        broken, ill = model_statuses("n", known_models(server))
    assert (ill.level, ill.message) == (ERROR, "no server answers")
    assert (values(ill)["state"], values(ill)["backend_retries"]) == ("UNAVAILABLE", "4")
    assert broken.level == ERROR
    assert "instances" not in values(broken)


def test_each_version_that_serves_has_a_name_of_its_own(tmp_path: Path) -> None:
    policy = "version_policy { all {} }"
    toy = fake(config=policy, versions={1: 1.0, 2: 2.0})
    with serving(tmp_path, FakeBackend(), {"m": toy, "one": fake()}) as server:
        loaded(server, "m", "one")
        found = {
            status.name: values(status) for status in model_statuses("n", known_models(server))
        }
        (tmp_path / "m/config.pbtxt").write_text('backend: "fake"')
        loaded(server, "m")
        later = {
            status.name: values(status) for status in model_statuses("n", known_models(server))
        }
    assert set(found) == {"n: model m", "n: model m/1", "n: model one"}
    assert (found["n: model m"]["version"], found["n: model m/1"]["version"]) == ("2", "1")
    assert set(later) == {"n: model m", "n: model one"}
    assert later["n: model m"]["version"] == "2"


def test_memory_and_cache_are_told_where_they_are_known() -> None:
    counted = Statistics(
        cache_hit=Duration(3, 1),
        cache_miss=Duration(2, 1),
        memory_usage=(MemoryUsage("CPU", 0, 1000), MemoryUsage("GPU", 1, 5)),
        load_seconds=1.5,
    )
    interface = Interface((), ())
    model = ModelDescription("m", 1, ModelConfig("m"), interface, (), (), {}, 1, 0, counted)
    found = counters(model)
    assert (found["memory_cpu_0_bytes"], found["memory_gpu_1_bytes"]) == (1000, 5)
    assert (found["cache_hits"], found["cache_misses"]) == (3, 2)
    assert found["loaded_in_s"] == 1.5
    model = ModelDescription("m", 1, ModelConfig("m"), interface, (), (), {}, 1, 0, Statistics())
    assert not {name for name in counters(model) if name.startswith(("memory", "cache"))}
    assert not {name for name in counters(model) if name.startswith("backend_")}
    assert counters(replace(model, counters={"retries": 2}))["backend_retries"] == 2
