# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What may change while frames flow: nothing is lost, nothing is answered by a mixture."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from rclpy.qos import QoSProfile, ReliabilityPolicy
from ros_client import Client, Launch, Traffic
from sensor_msgs.msg import Image
from std_msgs.msg import String
from toy_models import write_repository
from toy_vision import toy_detector
from vision_msgs.msg import Detection2DArray

from triton_ros.ros.stream_settings import STREAM

BEST_EFFORT = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)


@pytest.fixture(scope="module")
def client(launch: Launch, repository: Path) -> Client:
    write_repository(
        repository,
        {
            "bright": toy_detector(by_brightness=True, turns=500),
            "many": toy_detector(batch=2, turns=30_000),
        },
    )
    stream = {"reliability": "reliable", "policy": "queue:100", "depth": 100}
    parameters = {
        "model_repository": [str(repository)],
        "diagnostics_period_s": 0.1,
        "streams": {
            "front": {"topic": "front", "model": "bright", **stream},
            "one": {"topic": "one", "model": "many", **stream},
            "two": {"topic": "two", "model": "many", **stream},
        },
        "qos_overrides": {"/overridden": {"subscription": {"reliability": "best_effort"}}},
    }
    client = launch(parameters, "-r", "lens:=/overridden").client
    client.to_active()
    return client


@pytest.fixture
def traffic(client: Client) -> Iterator[Traffic]:
    answers = client.collect(Detection2DArray, "front/detections")
    camera = client.camera("/front")
    yield Traffic(client, camera, answers)
    camera.close()


def facts(answer: Detection2DArray) -> tuple[tuple[float, float], ...]:
    """Centre and score of each detection."""
    return tuple(
        (d.bbox.center.position.x, round(d.results[0].hypothesis.score, 2))
        for d in answer.detections
    )


GREY = 0.9 * 128 / 255
PLAIN = ((32.0, round(GREY, 2)),)
FILLED = ((32.0, round(0.9 * (128 * 12 + 255 * 4) / 16 / 255, 2)),)
"""With 4 of 16 rows white."""


@pytest.fixture
def as_before(client: Client) -> Iterator[None]:
    """The stream has its parameters again afterwards."""
    before = {f"streams.front.{leaf}": client.get(f"streams.front.{leaf}") for leaf in STREAM}
    yield
    assert client.set(before, atomically=True) == [""]


@pytest.mark.parametrize(
    ("changes", "after"),
    [
        ({"score_threshold": 0.9}, ()),
        ({"region": [32, 0, 32, 48]}, ((48.0, round(GREY, 2)),)),
        ({"resize": "letterbox", "fill": "255"}, FILLED),
        ({"policy": "queue:50"}, PLAIN),
        ({"deadline_ms": 60_000}, PLAIN),
        ({"in_flight": 3}, PLAIN),
        ({"tracker": "norfair"}, PLAIN),
    ],
)
def test_under_traffic(
    client: Client,
    traffic: Traffic,
    as_before: None,
    changes: dict[str, Any],
    after: tuple[Any, ...],
) -> None:
    traffic.during(lambda: traffic.answers, "answers come")
    values = {f"streams.front.{leaf}": value for leaf, value in changes.items()}
    assert client.set(values, atomically=True) == [""]
    traffic.during(lambda: facts(traffic.answers[-1]) == after, "the change shows")
    traffic.end()
    seen = [facts(answer) for answer in traffic.answers]
    steps = [b for a, b in pairwise(seen) if a != b]
    assert seen[0] == PLAIN
    assert steps == [after] * (after != PLAIN), "all before, then all after"


@pytest.mark.parametrize(
    ("leaf", "value", "reason"),
    [
        ("region", [0.0, 0.0, 10.0], "4 doubles"),
        ("region", [5.0, 0.0, 0.0, 4.0], "in pixels of the frame"),
        ("resize", "squeeze", "letterbox"),
        ("color", "pink", "rgb"),
        ("policy", "queue:0", "latest | queue:<1 .. 999> | block"),
        ("tracker", "sort", "norfair"),
    ],
)
def test_a_refused_change_says_why_and_leaves_the_old(
    client: Client, traffic: Traffic, leaf: str, value: object, reason: str
) -> None:
    name = f"streams.front.{leaf}"
    before = client.get(name)
    (refusal,) = client.set({name: value})
    assert reason in refusal
    assert leaf in refusal
    assert client.get(name) == before
    traffic.during(lambda: len(traffic.answers) > 2, "it answers as before", frames=5)
    traffic.end()
    assert {facts(answer) for answer in traffic.answers} == {PLAIN}


def test_a_stream_comes_in_one_piece(client: Client) -> None:
    values = {"model": "bright", "topic": "whole", "reliability": "reliable", "scale": "1"}
    stream = {f"streams.whole.{leaf}": value for leaf, value in values.items()}
    bad = {**stream, "streams.whole.policy": "always"}
    assert "accepted: latest" in client.set(bad, atomically=True)[0]
    assert client.get("streams.whole.model") is None, "nothing of it is there"
    assert client.set(stream, atomically=True) == [""]
    answers = client.collect(Detection2DArray, "whole/detections")
    camera = client.camera("/whole")
    camera.until_answered(answers, "it answers")
    camera.close()
    assert client.set({"streams.whole.model": None}, atomically=True) == [""]
    assert client.get("streams.whole.topic") is None


def test_frames_of_streams_that_share_a_model_run_together(client: Client) -> None:
    cameras = [client.camera("/one"), client.camera("/two")]

    def together() -> bool:
        for camera in cameras:
            camera.send()
        status = client.status("triton_ros: stream one")
        return any(v.key == "batches_of_2" for v in status.values) if status else False

    client.until(together, "a batch has a frame of each")
    counts = client.until_status(
        "triton_ros: stream two", lambda _, v: v["waiting"] == "0", "all are answered"
    )
    assert {v.key for v in counts.values} >= {"batches_of_2"}
    for camera in cameras:
        camera.close()


def reliability_of(client: Client, topic: str) -> list[str]:
    found = client.node.get_subscriptions_info_by_topic(topic)
    return [info.qos_profile.reliability.name for info in found]


def test_overrides_of_quality_of_service(client: Client) -> None:
    """ROS's own: from the parameter file for a topic as it is remapped, and later by hand."""
    values = {"topic": "lens", "model": "bright", "reliability": "reliable"}
    assert client.set({f"streams.lens.{leaf}": v for leaf, v in values.items()}) == [""]
    client.until(lambda: reliability_of(client, "/overridden") == ["BEST_EFFORT"], "overridden")
    answers = client.collect(Detection2DArray, "lens/detections")
    camera = client.camera("/overridden", Image, BEST_EFFORT)
    camera.until_answered(answers, "a best-effort camera is heard")
    override = "qos_overrides./overridden.subscription."
    (refusal,) = client.set({f"{override}reliability": "banana"})
    assert refusal.endswith("accepted: best_effort | reliable | best_available")
    (refusal,) = client.set({f"{override}colour": "red"})
    assert refusal.endswith("accepted: history, depth, reliability")
    assert client.set({f"{override}reliability": "reliable"}) == [""]
    client.until(lambda: reliability_of(client, "/overridden") == ["RELIABLE"], "as set")
    camera.close()
    assert client.set({"streams.lens.model": None}) == [""]


def test_a_topic_of_another_type_is_named(client: Client) -> None:
    words = client.node.create_publisher(String, "/words", 1)
    values = {"topic": "words", "model": "bright"}
    assert client.set({f"streams.words.{leaf}": v for leaf, v in values.items()}) == [""]
    client.until_status(
        "triton_ros: stream words",
        lambda s, _: "std_msgs/msg/String" in s.message,
        "says what comes there",
    )
    assert client.set({"streams.words.model": None}) == [""]
    client.node.destroy_publisher(words)
