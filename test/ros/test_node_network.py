# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The network servers in the node's process: on the same models and scheduler as the cameras."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
from http_client import ask
from ros_client import Client, Launch, Run, values
from toy_models import write_repository
from toy_vision import toy_detector
from vision_msgs.msg import Detection2DArray

NODE = "triton_ros: node"
PORTS = {f"{protocol}_port": 0 for protocol in ("http", "grpc", "metrics")}


@pytest.fixture(scope="module")
def run(launch: Launch, repository: Path) -> Run:
    write_repository(repository, {"toy": toy_detector()})
    parameters = {
        "model_repository": [str(repository)],
        "diagnostics_period_s": 0.1,
        "allow_http": True,
        "allow_grpc": True,
        "allow_metrics": True,
        **PORTS,
        "streams": {"front": {"topic": "images", "model": "toy", "reliability": "reliable"}},
    }
    return launch(parameters)


def addresses(client: Client) -> dict[str, str]:
    """Where it says that it listens."""
    status = client.until_status(NODE, lambda _, v: "metrics" in v, "listens")
    return values(status)


def test_frames_and_requests_meet_the_same_model(client: Client) -> None:
    client.to_active()
    where = addresses(client)
    assert all(where[each].startswith("127.0.0.1:") for each in ("http", "grpc", "metrics"))
    detections = client.collect(Detection2DArray, "front/detections")
    camera = client.camera("/images")
    camera.send()
    client.until(lambda: len(detections) == 1, "the frame is answered")
    http = tritonclient.http.InferenceServerClient(where["http"])
    grpc = tritonclient.grpc.InferenceServerClient(where["grpc"])
    picture = np.full((48, 64, 3), 255, np.uint8)
    for module, each in ((tritonclient.http, http), (tritonclient.grpc, grpc)):
        tensor = module.InferInput("IMAGE", picture.shape, "UINT8")
        tensor.set_data_from_numpy(picture)
        boxes = each.infer("toy", [tensor]).as_numpy("BOXES")
        assert boxes.shape[1] == 4 and len(boxes) == len(detections[0].detections)
    (row,) = http.get_inference_statistics("toy")["model_stats"]
    assert row["inference_stats"]["success"]["count"] == 3, "the camera's and the clients'"
    text = ask(where["metrics"], "GET", "/metrics").body.decode()
    assert 'nv_inference_request_success{model="toy",version="1"} 3.0' in text
    assert 'triton_ros_stream_frames_published_total{stream="front"} 1.0' in text
    camera.close()
    http.close()
    grpc.close()


def test_ros_loads_what_the_network_may_not(client: Client) -> None:
    client.to_unconfigured()
    assert client.set({"allow_model_control": False}) == [""]
    assert client.change_state("configure")
    where = addresses(client)
    refused = ask(where["http"], "POST", "/v2/repository/models/toy/unload")
    assert "allow_model_control is false" in refused.error
    assert client.trigger("models/toy/unload")[0]
    assert ask(where["http"], "GET", "/v2/models/toy/ready").status in (400, 404, 503)
    assert client.trigger("models/toy/load")[0]
    assert ask(where["http"], "GET", "/v2/models/toy/ready").status == 200
    client.to_unconfigured()
    assert client.set({"allow_model_control": True}) == [""]


def test_ports_open_and_close_with_the_node_and_a_wrong_one_is_named(client: Client) -> None:
    client.to_unconfigured()
    assert client.change_state("configure")
    where = addresses(client)
    assert ask(where["http"], "GET", "/v2/health/live").status == 200
    client.to_unconfigured()
    with pytest.raises(ConnectionRefusedError):
        ask(where["http"], "GET", "/v2/health/live")
    assert client.set({"http_address": "203.0.113.1"}) == [""]
    assert not client.change_state("configure")
    reason = "http_address '203.0.113.1', http_port 0: "
    client.until_status(NODE, lambda s, _: reason in s.message, reason)
    assert client.set({"http_address": "127.0.0.1", "server_cert": "/nowhere"}) == [""]
    assert not client.change_state("configure")
    client.until_status(NODE, lambda s, _: "go together" in s.message, "names the files")
    assert client.set({"server_cert": "", "allow_http": False}) == [""]
    assert client.change_state("configure")
    assert "http" not in addresses(client)
    (reason,) = client.set({"http_port": 70000})
    assert reason == "parameter 'http_port' is 70000; accepted: integer 0 .. 65535"
    client.to_unconfigured()
    assert client.set({"allow_http": True}) == [""]
