# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Depth cameras, raw and compressed, and a blocking stream, for a node in a namespace."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from ros_client import Client, Launch, stamps
from sensor_msgs.msg import CompressedImage, Image
from toy_models import write_repository
from toy_vision import toy_detector
from vision_msgs.msg import Detection2DArray

NAME = "/robot/triton_ros"
NEAR, FAR = 500, 9500
"""Millimetres; what is near is bright, which is what the model's score says."""


@pytest.fixture(scope="module")
def client(launch: Launch, repository: Path) -> Client:
    write_repository(repository, {"bright": toy_detector(by_brightness=True)})
    common = {"model": "bright", "reliability": "reliable", "depth": 100}
    parameters = {
        "model_repository": [str(repository)],
        "diagnostics_period_s": 0.1,
        "streams": {
            "raw": {**common, "topic": "depth", "policy": "queue:9"},
            "packed": {**common, "topic": "packed", "transport": "compressed", "policy": "block"},
        },
    }
    client = launch(parameters, "-r", "__ns:=/robot", name=NAME).client
    client.to_active()
    return client


def scores(answers: list[Detection2DArray]) -> list[float]:
    return [answer.detections[0].results[0].hypothesis.score for answer in answers]


@pytest.mark.parametrize("encoding", ["16UC1", "32FC1"])
def test_raw_depth(client: Client, encoding: str) -> None:
    answers = client.collect(Detection2DArray, "raw/detections")
    camera = client.camera("/robot/depth")
    sent = []
    for millimetres in (NEAR, FAR - 3000):
        values = np.full((48, 64), millimetres, np.uint16)
        if encoding == "32FC1":
            values = values.astype(np.float32) / 1000
        step = values.strides[0]
        message = Image(height=48, width=64, encoding=encoding, step=step, data=values.tobytes())
        sent.append(camera.send(message))
    client.until(lambda: len(answers) == 2, "both are answered")
    assert stamps(answers) == sent
    near, far = scores(answers)
    assert near > 0.8
    assert near > far + 0.3
    camera.close()


def test_compressed_depth_of_a_blocking_stream(client: Client) -> None:
    answers = client.collect(Detection2DArray, "packed/detections")
    camera = client.camera("/robot/packed", CompressedImage)
    sent = []
    for millimetres in (NEAR, FAR - 3000):
        png = cv2.imencode(".png", np.full((48, 64), millimetres, np.uint16))[1].tobytes()
        data = struct.pack("<iff", 0, 0.0, 0.0) + png
        sent.append(camera.send(CompressedImage(format="16UC1; compressedDepth png", data=data)))
    client.until(lambda: len(answers) == 2, "both are answered")
    assert stamps(answers) == sent
    near, far = scores(answers)
    assert near > far + 0.3
    camera.send(CompressedImage(format="8UC1; compressedDepth png", data=data))
    client.until_status(
        "robot/triton_ros: stream packed",
        lambda s, v: v.get("dropped_unsupported_encoding") == "1" and "16UC1 or 32FC1" in s.message,
        "the broken one is counted and named",
    )
    camera.close()


def test_a_region_that_the_frame_does_not_have_is_counted(client: Client) -> None:
    assert client.set({"streams.raw.region": [1000, 0, 10, 10]}) == [""]
    camera = client.camera("/robot/depth")
    values = np.full((48, 64), NEAR, np.uint16)
    camera.send(Image(height=48, width=64, encoding="16UC1", step=128, data=values.tobytes()))
    client.until_status(
        "robot/triton_ros: stream raw",
        lambda s, v: v.get("dropped_bad_region") == "1" and "64x48" in s.message,
        "the frame is counted",
    )
    assert client.set({"streams.raw.region": [0, 0, 0, 0]}) == [""]
    camera.close()
