# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The demo's bag: what a robot's two cameras would have recorded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("skimage", reason="the photographs come from scikit-image")

from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_typestore

from demo.bag import FRONT, ROW_PADDING, SIDE, Camera, make_bag

FEW = (replace(FRONT, rate_hz=0.5), replace(SIDE, rate_hz=0.4))


@pytest.fixture(scope="module")
def messages(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, int, Any]]:
    """(topic, nanoseconds, message) of a bag of five and four frames."""
    store = get_typestore(Stores.ROS2_KILTED)
    path = tmp_path_factory.mktemp("bags") / "bag"
    assert make_bag(path, FEW) == 9
    with Reader(path) as reader:
        return [
            (connection.topic, stamp, store.deserialize_cdr(raw, connection.msgtype))
            for connection, stamp, raw in reader.messages()
        ]


def of(camera: Camera, messages: list[tuple[str, int, Any]]) -> list[Any]:
    return [message for topic, _, message in messages if topic == camera.topic]


def test_frames_carry_the_bags_time_and_the_cameras_frame(
    messages: list[tuple[str, int, Any]],
) -> None:
    assert [stamp for _, stamp, _ in messages] == sorted({stamp for _, stamp, _ in messages})
    for topic, stamp, message in messages:
        header = message.header
        assert header.stamp.sec * 1_000_000_000 + header.stamp.nanosec == stamp
        assert header.frame_id == (FRONT if topic == FRONT.topic else SIDE).frame_id


def test_front_rows_are_padded_with_what_is_no_pixel(messages: list[tuple[str, int, Any]]) -> None:
    frames = of(FRONT, messages)
    assert len(frames) == 5
    for frame in frames:
        assert (frame.width, frame.height, frame.encoding) == (640, 480, "bgr8")
        assert frame.step == 640 * 3 + ROW_PADDING
        rows = frame.data.reshape(frame.height, frame.step)
        assert (rows[:, 640 * 3 :] == 0xA5).all()
        assert rows[:, : 640 * 3].std() > 20, "no picture in it"


def test_side_frames_are_jpeg(messages: list[tuple[str, int, Any]]) -> None:
    frames = of(SIDE, messages)
    assert len(frames) == 4
    for frame in frames:
        assert frame.format == "jpeg"
        assert cv2.imdecode(frame.data, cv2.IMREAD_COLOR).shape == (480, 640, 3)


def test_the_camera_moves_within_a_scene() -> None:
    first, second = [picture for _, picture in replace(SIDE, rate_hz=0.8).frames()][:2]
    assert np.abs(first.astype(int) - second).mean() > 5


def test_a_bag_replaces_an_older_one(tmp_path: Path) -> None:
    few = (replace(SIDE, rate_hz=0.1),)
    assert [make_bag(tmp_path / "bag", few) for _ in range(2)] == [1, 1]
