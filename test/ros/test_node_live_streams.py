# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Streams that come, change and go while the node runs, by nothing but its parameters."""

from __future__ import annotations

from pathlib import Path

import pytest
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from ros_client import Client, Launch, stamps
from toy_models import write_repository
from toy_vision import toy_detector
from vision_msgs.msg import Detection2DArray


@pytest.fixture(scope="module")
def client(launch: Launch, repository: Path) -> Client:
    write_repository(repository, {"toy": toy_detector(), "other": toy_detector()})
    stream = {"topic": "front", "model": "toy", "reliability": "reliable", "policy": "queue:100"}
    parameters = {
        "model_repository": [str(repository)],
        "diagnostics_period_s": 0.1,
        "streams": {"front": stream},
    }
    client = launch(parameters).client
    client.to_active()
    return client


def answers_to(client: Client, stream: str, topic: str) -> None:
    """Frames on a topic are answered by the stream."""
    answers = client.collect(Detection2DArray, f"{stream}/detections")
    camera = client.camera(topic)
    camera.until_answered(answers, f"stream {stream} answers")
    camera.close()


def gone(client: Client, stream: str, topic: str) -> bool:
    return not (
        client.node.count_subscribers(topic)
        or client.node.count_publishers(client.path(f"{stream}/detections"))
    )


def test_a_stream_comes_and_goes_with_its_model(client: Client) -> None:
    assert client.set({"streams.side.reliability": "reliable"}) == [""]
    client.until_status("triton_ros: stream side", lambda s, _: "set streams" in s.message, "waits")
    assert client.get("streams.side.tracker_iou") == pytest.approx(0.3)
    assert client.set({"streams.side.topic": "side", "streams.side.model": "other"}) == [""]
    answers_to(client, "side", "/side")
    answers_to(client, "front", "/front")
    assert client.set({"streams.side.model": None}) == [""]
    client.until(lambda: gone(client, "side", "/side"), "its topics go")
    assert client.get("streams.side.topic") is None
    answers_to(client, "front", "/front")
    assert client.set({"streams.side.model": "toy"}) == [""], "it may come again"
    answers_to(client, "side", "/side/image")
    assert client.set({"streams.side.model": None}) == [""]


def test_a_stream_that_cannot_run_is_refused(client: Client) -> None:
    (reason,) = client.set({"streams.new.model": "nobody"})
    assert "nobody" in reason
    (reason,) = client.set({"streams.new-er.model": "toy"})
    assert "accepted: letters, digits" in reason
    (reason,) = client.set({"streams.new.modle": "toy"})
    assert "is not known; accepted: topic" in reason
    assert client.get("streams.new.model") is None


def test_streams_come_and_go_in_every_state(client: Client) -> None:
    assert client.change_state("deactivate")
    assert client.set({"streams.late.topic": "late", "streams.late.model": "toy"}) == [""]
    assert client.set({"streams.late.reliability": "reliable"}) == [""]
    assert client.change_state("activate")
    answers_to(client, "late", "/late")
    client.to_unconfigured()
    assert client.set({"streams.late.model": None}) == [""]
    assert client.set({"streams.early.topic": "early", "streams.early.model": "toy"}) == [""]
    assert client.set({"streams.early.reliability": "reliable"}) == [""]
    client.to_active()
    assert gone(client, "late", "/late")
    answers_to(client, "early", "/early")
    assert client.set({"streams.early.model": None}) == [""]


def test_frames_in_flight_are_answered_when_their_stream_goes(client: Client) -> None:
    parameters = {"topic": "brief", "model": "toy", "reliability": "reliable"}
    values = {f"streams.brief.{leaf}": value for leaf, value in parameters.items()}
    assert client.set({**values, "streams.brief.policy": "queue:100", "streams.brief.depth": 100})
    answers = client.collect(Detection2DArray, "brief/detections")
    camera = client.camera("/brief")
    sent = [camera.send() for _ in range(20)]
    client.until_status(
        "triton_ros: stream brief", lambda _, v: v["received"] == "20", "all have come"
    )
    assert client.set({"streams.brief.model": None}) == [""]
    client.until(lambda: gone(client, "brief", "/brief"), "it is gone")
    found = stamps(answers)
    assert found == sent[: len(found)], "what was answered is in order and without a gap"
    camera.close()


def test_a_blocking_stream_answers_everything(client: Client) -> None:
    parameters = {"topic": "bag", "model": "toy", "policy": "block"}
    assert client.set({f"streams.bag.{leaf}": value for leaf, value in parameters.items()}) == [""]
    keeps_all = QoSProfile(
        history=HistoryPolicy.KEEP_ALL, depth=1, reliability=ReliabilityPolicy.RELIABLE
    )
    answers = client.collect(Detection2DArray, "bag/detections", keeps_all)
    camera = client.camera("/bag", qos=keeps_all)
    sent = [camera.send() for _ in range(200)]
    # The node's count: its answers' history is short, and nobody spins here while it sends.
    status = client.until_status(
        "triton_ros: stream bag", lambda _, v: v["answered"] == "200", "every frame is answered"
    )
    assert not [pair.key for pair in status.values if pair.key.startswith("dropped_")]
    client.until(lambda: answers and stamps(answers)[-1] == sent[-1], "the last one is here")
    found = stamps(answers)
    assert found == [stamp for stamp in sent if stamp in set(found)], "in their order, each once"
    assert client.set({"streams.bag.policy": "latest"}) == [""], "and back to the usual way"
    client.until(lambda: client.node.count_subscribers("/bag"), "it subscribes anew")
    camera.close()
    assert client.set({"streams.bag.model": None}) == [""]
