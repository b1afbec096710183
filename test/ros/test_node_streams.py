# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Frames in, detections out: headers, boxes, pictures, broken frames, overload."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.qos import QoSProfile, ReliabilityPolicy
from ros_client import LATCHED, Client, Launch, Run, picture, stamps
from sensor_msgs.msg import CompressedImage, Image
from toy_models import write_repository
from toy_vision import toy_detector
from vision_msgs.msg import Detection2DArray, LabelInfo, VisionInfo

SLOW_TURNS = 75_000  # about 0.15 s


@pytest.fixture(scope="module")
def run(launch: Launch, repository: Path) -> Run:
    """A stream a purpose."""
    two = {"boxes": ((0.0, 0.0, 0.5, 0.5), (0.5, 0.5, 1.0, 1.0)), "labels": ("cat", "dog")}
    write_repository(
        repository,
        {
            "toy": toy_detector(scores=((0.9, 0.0), (0.0, 0.6)), **two),
            "nothing": toy_detector(scores=((0.1,),)),
            "bright": toy_detector(by_brightness=True),
            "slow": toy_detector(turns=SLOW_TURNS),
        },
    )

    def stream(topic: str, model: str, **others: object) -> dict[str, object]:
        return {"topic": topic, "model": model, "reliability": "reliable", "depth": 100, **others}

    parameters = {
        "model_repository": [str(repository)],
        "diagnostics_period_s": 0.1,
        "streams": {
            "front": stream("front", "toy", policy="queue:100"),
            "empty": stream("empty", "nothing", policy="queue:100"),
            "bright": stream("bright", "bright", policy="queue:100"),
            "jpeg": stream("jpeg", "bright", policy="queue:100", transport="compressed"),
            "slow": stream("slow", "slow"),
            "slow_too": stream("slow_too", "slow"),
            "default_topic": {"model": "toy", "reliability": "reliable"},
        },
    }
    run = launch(parameters)
    run.client.to_active()
    return run


@pytest.fixture
def on_topic(client: Client) -> Iterator[Callable[[Image], float | None]]:
    """Sends a picture to stream `bright`; the score of its detection, None if there is none."""
    answers = client.collect(Detection2DArray, "bright/detections")
    camera = client.camera("/bright")

    def send(message: Image) -> float | None:
        stamp = camera.send(message)
        client.until(lambda: stamp in stamps(answers), "the frame is answered")
        found = answers[stamps(answers).index(stamp)].detections
        return found[0].results[0].hypothesis.score if found else None

    yield send
    camera.close()


def test_header_verbatim_and_boxes_in_source_pixels(client: Client) -> None:
    answers = client.collect(Detection2DArray, "front/detections")
    message = picture(64, 48)
    message.header.stamp.sec = -5
    stamp = client.camera("/front").send(message, frame_id="camera optical/é")
    (answer,) = client.until(lambda: answers, "the frame is answered")
    for header in (answer.header, *(d.header for d in answer.detections)):
        assert (header.stamp.sec, header.stamp.nanosec) == (-5, stamp)
        assert header.frame_id == "camera optical/é"
    found = [
        (
            d.results[0].hypothesis.class_id,
            round(d.results[0].hypothesis.score, 5),
            (d.bbox.center.position.x, d.bbox.center.position.y, d.bbox.center.theta),
            (d.bbox.size_x, d.bbox.size_y),
        )
        for d in answer.detections
    ]
    assert found == [
        ("cat", 0.9, (16.0, 12.0, 0.0), (32.0, 24.0)),
        ("dog", 0.6, (48.0, 36.0, 0.0), (32.0, 24.0)),
    ]


def test_a_frame_without_detections_is_answered_too(client: Client) -> None:
    answers = client.collect(Detection2DArray, "empty/detections")
    camera = client.camera("/empty")
    sent = [camera.send() for _ in range(3)]
    client.until(lambda: len(answers) == 3, "all frames are answered")
    assert stamps(answers) == sent
    assert not any(answer.detections for answer in answers)


def test_stream_without_a_topic_listens_to_its_own_name(client: Client) -> None:
    answers = client.collect(Detection2DArray, "default_topic/detections")
    stamp = client.camera("/default_topic/image").send()
    client.until(lambda: stamps(answers) == [stamp], "the frame is answered")


def test_padding_of_rows_is_not_looked_at(on_topic: Callable[[Image], float | None]) -> None:
    assert on_topic(picture(level=204, padding=37, fill=0)) == pytest.approx(0.9 * 0.8, abs=1e-3)
    assert on_topic(picture(level=0, padding=37, fill=255)) is None


@pytest.mark.parametrize(("kind", "extension"), [("jpeg", ".jpg"), ("png", ".png")])
def test_compressed_topic(client: Client, kind: str, extension: str) -> None:
    answers = client.collect(Detection2DArray, "jpeg/detections")
    camera = client.camera("/jpeg", CompressedImage)
    data = cv2.imencode(extension, np.full((48, 64, 3), 204, np.uint8))[1].tobytes()
    stamp = camera.send(CompressedImage(format=f"rgb8; {kind} compressed bgr8", data=data))
    client.until(lambda: stamps(answers) == [stamp], "the frame is answered")
    (detection,) = answers[0].detections
    assert detection.results[0].hypothesis.score == pytest.approx(0.9 * 0.8, abs=0.01)
    assert (detection.bbox.center.position.x, detection.bbox.size_x) == (32.0, 32.0)
    camera.close()


BROKEN = {
    "bad_size": (picture(data=bytes(100)), "100 bytes of data", "expected 9216"),
    "bad_step": (picture(step=5), "step 5", "must be 192 or more"),
    "unsupported_encoding": (picture(encoding="banana"), "'banana'", "rgb8, bgr8"),
    "empty": (picture(0, 0), "0x0", "accepted: 1 to"),
}


@pytest.mark.parametrize("reason", BROKEN)
def test_a_broken_frame_is_counted_and_reported_once(
    client: Client, run: Run, on_topic: Callable[[Image], float | None], reason: str
) -> None:
    message, wrong, accepted = BROKEN[reason]
    camera = client.camera("/bright")
    for _ in range(5):
        camera.send(message)
    assert on_topic(picture(level=255)) == pytest.approx(0.9)  # and the stream goes on
    status = client.until_status(
        "triton_ros: stream bright",
        lambda _, values: values.get(f"dropped_{reason}") == "5" and values["waiting"] == "0",
        f"5 frames are dropped for {reason}",
    )
    assert status.level == DiagnosticStatus.WARN
    lines = [line for line in run.node.log.splitlines() if wrong in line]
    assert len(lines) == 1
    assert "stream 'bright', topic '/bright'" in lines[0]
    assert accepted in lines[0]
    assert wrong in status.message
    assert client.state() == "active"
    camera.close()


def test_garbage_in_a_compressed_topic(client: Client, run: Run) -> None:
    answers = client.collect(Detection2DArray, "jpeg/detections")
    camera = client.camera("/jpeg", CompressedImage)
    good = cv2.imencode(".jpg", np.full((48, 64, 3), 204, np.uint8))[1].tobytes()
    middle = len(good) // 2
    garbage = [b"garbage", good[:middle], b""]
    for data in garbage:
        camera.send(CompressedImage(format="jpeg", data=data))
    stamp = camera.send(CompressedImage(format="jpeg", data=good))
    client.until(lambda: stamps(answers) == [stamp], "the good frame is answered")
    client.until_status(
        "triton_ros: stream jpeg",
        lambda _, v: v.get("dropped_undecodable") == "2" and v.get("dropped_empty") == "1",
        "the bad ones are counted",
    )
    assert "neither a whole JPEG nor a whole PNG (7 bytes" in run.node.log
    camera.close()


def test_annotated_pictures_only_for_who_listens(client: Client, run: Run) -> None:
    detections = client.collect(Detection2DArray, "front/detections")
    camera = client.camera("/front")
    camera.send()
    client.until(lambda: detections, "answered while nobody wants pictures")
    pictures = client.collect(Image, "front/annotated")
    topic = client.path("front/annotated")
    client.until(
        lambda: client.node.get_subscriptions_info_by_topic(topic), "we are known as a listener"
    )
    sent: list[int] = []

    def seen() -> list[Image]:  # until the node, too, knows of us
        sent.append(camera.send(picture(level=0), frame_id="lens"))
        return [found for found in pictures if found.header.frame_id == "lens"]

    (first, *_) = client.until(seen, "a picture comes")
    assert first.header.stamp.nanosec in sent
    assert first.header.frame_id == "lens"
    assert (first.width, first.height, first.encoding) == (64, 48, "bgr8")
    assert max(first.data) > 0, "something is drawn on the black picture"
    assert "annotated image:" not in run.node.log
    camera.close()


def test_newest_wins_and_every_frame_is_counted(client: Client) -> None:
    """Two streams share a slow model with one instance; most of what they send is dropped."""
    before = {s: client.values(f"triton_ros: stream {s}") for s in ("slow", "slow_too")}
    answers = {s: client.collect(Detection2DArray, f"{s}/detections") for s in before}
    cameras = {s: client.camera(f"/{s}") for s in before}
    sent: dict[str, list[int]] = {s: [] for s in before}
    for _ in range(15):
        for name, camera in cameras.items():
            sent[name].append(camera.send())
    for name in before:
        last = sent[name][-1]
        client.until(lambda name=name, last=last: last in stamps(answers[name]), "newest answered")
        status = client.until_status(
            f"triton_ros: stream {name}",
            lambda _, v, name=name: (
                v["waiting"] == "0" and int(v["received"]) == int(before[name]["received"]) + 15
            ),
            "all frames are accounted for",
        )
        counted = {pair.key: pair.value for pair in status.values}
        answered = stamps(answers[name])
        assert answered == sorted(set(answered))
        assert int(counted["answered"]) == len(answered) < 15
        assert int(counted["dropped_superseded"]) == 15 - len(answered)
        assert status.level == DiagnosticStatus.OK, "newest wins is no fault"
        assert status.message == "active"
    for camera in cameras.values():
        camera.close()


def test_label_info_and_vision_info_wait_for_late_listeners(client: Client) -> None:
    labels = client.collect(LabelInfo, "front/label_info", LATCHED)
    info = client.collect(VisionInfo, "front/vision_info", LATCHED)
    client.until(lambda: labels and info, "both are latched")
    assert [(c.class_id, c.class_name) for c in labels[-1].class_map] == [(0, "cat"), (1, "dog")]
    assert info[-1].method == "toy/1"
    assert info[-1].database_location == "/triton_ros/front/label_info"
    assert info[-1].database_version == 1


def test_incompatible_quality_of_service_is_said(client: Client, run: Run) -> None:
    best_effort = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    publisher = client.node.create_publisher(Image, "/empty", best_effort)
    status = client.until_status(
        "triton_ros: stream empty", lambda s, _: s.level == DiagnosticStatus.WARN, "warns"
    )
    assert "'/empty' offers another quality of service than reliable" in status.message
    assert "set streams.empty.reliability" in run.node.log
    client.node.destroy_publisher(publisher)
