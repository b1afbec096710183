# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a stream publishes, from outside: topics that follow the model, ids, timings, pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from ros_client import Client, Launch, Traffic, picture, stamps
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Float32MultiArray, Float64
from toy_models import Toy, write_repository
from toy_vision import toy_detector
from vision_msgs.msg import Classification, Detection2DArray

from triton_ros.ros.stream_timing import STAGES


def with_head(toy: Toy, head: str) -> Toy:
    """The same model, understood otherwise."""
    text = f"input: {{}}\nhead: {{{head}}}\n"
    return replace(toy, extra={**toy.extra, "vision.yaml": text})


@pytest.fixture(scope="module")
def client(launch: Launch, repository: Path) -> Client:
    two = {"boxes": ((0.0, 0.0, 0.5, 0.5), (0.5, 0.5, 1.0, 1.0)), "labels": ("cat", "dog")}
    detector = toy_detector(scores=((0.9, 0.0), (0.0, 0.6)), **two)
    models = {
        "detector": detector,
        "raw": with_head(detector, "type: raw"),
        "classes": with_head(
            toy_detector(scores=((0.2, 0.7),), labels=("cat", "dog")),
            "type: classification, output: scores, activation: none, max_detections: 2",
        ),
    }
    write_repository(repository, models)
    stream = {"topic": "cam", "model": "detector", "reliability": "reliable", "policy": "queue:99"}
    parameters = {
        "model_repository": [str(repository)],
        "diagnostics_period_s": 0.1,
        "streams": {"front": {**stream, "depth": 100}},
    }
    client = launch(parameters).client
    client.to_active()
    return client


def swap(client: Client, model: str) -> None:
    assert client.set({"streams.front.model": model}) == [""]


def test_raw_tensors(client: Client) -> None:
    swap(client, "raw")
    boxes = client.collect(Float32MultiArray, "front/tensors/boxes")
    camera = client.camera("/cam")
    stamp = camera.send(frame_id="lens")
    client.until(lambda: boxes, "the tensor comes")
    assert boxes[0].layout.dim[0].label == f"0.{stamp:09d} lens"
    assert [d.size for d in boxes[0].layout.dim] == [2, 4]
    camera.close()
    swap(client, "detector")


def test_classes(client: Client) -> None:
    swap(client, "classes")
    found = client.collect(Classification, "front/classification")
    camera = client.camera("/cam")
    stamp = camera.send()
    client.until(lambda: found, "the classes come")
    assert [r.class_id for r in found[0].results] == ["dog", "cat"]
    assert stamps(found) == [stamp]
    camera.close()
    swap(client, "detector")


def test_a_swap_to_another_kind_answers_each_frame_once(client: Client) -> None:
    """Also those that ran on the model before, whose topic is no longer the stream's."""
    detections = client.collect(Detection2DArray, "front/detections")
    camera = client.camera("/cam")
    before = int(client.values("triton_ros: stream front")["answered"])
    sent = [camera.send() for _ in range(10)]
    swap(client, "classes")
    client.until_status(
        "triton_ros: stream front", lambda _, v: int(v["answered"]) == before + 10, "all answered"
    )
    classes = client.collect(Classification, "front/classification")
    client.until(lambda: stamps(detections) == sent[: len(detections)], "in their order")
    later = [camera.send() for _ in range(10)]
    client.until(lambda: stamps(classes)[-10:] == later, "the other topic has the rest")
    there = client.node.count_publishers
    topic = client.path("front/detections")
    client.until(lambda: not there(topic), "the topic that nobody fills goes")
    camera.close()
    swap(client, "detector")
    client.until(lambda: there(topic), "and comes again")


def test_tracks_have_ids(client: Client) -> None:
    assert client.set({"streams.front.tracker": "norfair"}) == [""]
    answers = client.collect(Detection2DArray, "front/detections")
    camera = client.camera("/cam")
    for _ in range(4):
        camera.send()
    client.until(lambda: len(answers) == 4, "all are answered")
    ids = [[d.id for d in answer.detections] for answer in answers]
    assert ids[0] == ["", ""], "seen once"
    assert ids[1] == ids[3]
    assert len({*ids[1]} - {""}) == 2
    assert client.set({"streams.front.tracker": ""}) == [""]
    camera.send()
    client.until(lambda: len(answers) == 5, "answered")
    assert [d.id for d in answers[-1].detections] == ["", ""]
    camera.close()


def test_timings_are_published_for_who_listens(client: Client) -> None:
    heard = {stage: client.collect(Float64, f"front/timing/{stage}_ms") for stage in STAGES}
    camera = client.camera("/cam")
    traffic = Traffic(client, camera, client.collect(Detection2DArray, "front/detections"))
    # who listens is asked ten times a second only
    traffic.during(lambda: all(heard.values()), "every stage is told", 1)
    traffic.end()
    values = {stage: found[0].data for stage, found in heard.items()}
    assert 0 < values["inference"] <= values["total"]
    assert values["preprocess"] > 0
    assert values["postprocess"] > 0
    assert values["age"] > 1e9, "the stamp is of 1970"
    camera.close()


def test_one_drawing_for_both_topics(client: Client) -> None:
    raw = client.collect(Image, "front/annotated")
    jpeg = client.collect(CompressedImage, "front/annotated/compressed")
    camera = client.camera("/cam")
    stamp = camera.send(picture(64, 48))
    client.until(lambda: raw and jpeg, "both come")
    assert raw[0].header == jpeg[0].header
    assert raw[0].header.stamp.nanosec == stamp
    drawn = np.frombuffer(raw[0].data, np.uint8).reshape(48, 64, 3)
    decoded = cv2.imdecode(np.frombuffer(jpeg[0].data, np.uint8), cv2.IMREAD_COLOR)
    assert np.abs(decoded.astype(int) - drawn).mean() < 12
    assert drawn.max() > 128, "something is drawn"
    camera.close()
