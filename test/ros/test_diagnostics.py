# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Levels, messages and numbers of /diagnostics, from values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from ros_client import values
from toy_models import Toy, onnx_identity, write_repository

from triton_ros.backends.registry import BackendRegistry
from triton_ros.core.errors import TritonError
from triton_ros.core.request import InferenceRequest
from triton_ros.core.server import InferenceServer
from triton_ros.ros.diagnostics import model_statuses, node_status, stream_status
from triton_ros.ros.stream_statistics import StreamSnapshot

THREE = "instance_group { count: 3 kind: KIND_CPU }"
OK, WARN, ERROR = (DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR)


def test_node() -> None:
    good = node_status("ns/n", "active", "", {})
    assert (good.name, good.level, good.message) == ("ns/n: node", OK, "active")
    assert values(good) == {"state": "active", "refused_names": "0"}
    warned = node_status("n", "active", "", {"a-b": "a_b"})
    assert (warned.level, values(warned)["refused_names"]) == (WARN, "1")
    assert warned.message == "model 'a-b' has no services: same name as 'a_b'"
    failed = node_status("n", "unconfigured", "configure: why", {"a-b": "a_b"})
    assert (failed.level, failed.message) == (ERROR, "configure: why")


def test_stream() -> None:
    snapshot = StreamSnapshot(10, 6, 12, {"superseded": 2, "bad_size": 1}, (1.0, 2.5, 3.0), {4: 6})
    status = stream_status("n", "front", "m", True, snapshot)
    assert (status.name, status.level, status.message) == ("n: stream front", OK, "active")
    assert values(status) == {
        "model": "m",
        "received": "10",
        "answered": "6",
        "waiting": "1",
        "detections": "12",
        "latency_p50_ms": "1.000",
        "latency_p95_ms": "2.500",
        "latency_max_ms": "3.000",
        "dropped_bad_size": "1",
        "dropped_superseded": "2",
        "batches_of_4": "6",
    }
    assert stream_status("n", "front", "m", False, snapshot).message == "inactive"
    failed = stream_status("n", "s", "m", True, StreamSnapshot(0, 0, 0, last_error="why"))
    assert (failed.level, failed.message) == (WARN, "why")


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
        found = {status.name: status for status in model_statuses("n", server)}
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
