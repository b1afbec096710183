# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A rosbag2 (mcap) of three cameras; what `ros2 bag play` would play too.

The front camera is raw with padded rows, as drivers that align rows send it; the side camera is
JPEG; both look at `scenes`.  The cabin camera is a recorded video.  Stamps are the bag's times, so
the same call always makes the same frames.
"""

from __future__ import annotations

import heapq
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from demo import video
from demo.scenes import FRONT_SCENES, SIDE_SCENES, Picture, Scene, look

SECONDS = 10.0
START_NS = 1_700_000_000_000_000_000
ROW_PADDING = 64
"""Bytes behind the pixels of every row of the front camera."""
_STORE = get_typestore(Stores.ROS2_KILTED)
_TYPES: dict[str, Any] = dict(_STORE.types)


@dataclass(frozen=True, slots=True)
class Camera:
    """One image topic of the bag."""

    topic: str
    frame_id: str
    kind: str
    rate_hz: float
    scenes: tuple[Scene, ...] = ()
    video: str = ""
    """Of `build/media`, instead of scenes."""
    step: int = 1
    """Of the video, each so many-th frame."""

    def frames(self) -> Iterator[tuple[int, Picture]]:
        """(nanoseconds, RGB [height, width, 3]) of `SECONDS`."""
        for index, picture in enumerate(self._pictures(round(SECONDS * self.rate_hz))):
            yield START_NS + round((index + 0.5) / self.rate_hz * 1e9), picture

    def _pictures(self, count: int) -> Iterator[Picture]:
        if self.video:
            yield from video.frames(video.MEDIA / self.video, count, step=self.step)
            return
        painted = [scene.paint() for scene in self.scenes]
        for index in range(count):
            at = (index + 0.5) / count * len(self.scenes)
            number = int(at)
            yield look(painted[number], self.scenes[number], at - number)


FRONT = Camera(
    topic="/camera/front/image_raw",
    frame_id="camera_front",
    kind="sensor_msgs/msg/Image",
    rate_hz=8.0,
    scenes=FRONT_SCENES,
)
SIDE = Camera(
    topic="/camera/side/image/compressed",
    frame_id="camera_side",
    kind="sensor_msgs/msg/CompressedImage",
    rate_hz=3.0,
    scenes=SIDE_SCENES,
)
CABIN = Camera(
    topic="/camera/cabin/image_raw",
    frame_id="camera_cabin",
    kind="sensor_msgs/msg/Image",
    rate_hz=8.0,
    video="cabin.mp4",
)


def make_bag(path: Path, cameras: tuple[Camera, ...] = (FRONT, SIDE, CABIN)) -> int:
    """Write the bag, over an older one; returns the number of frames."""
    shutil.rmtree(path, ignore_errors=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connections = {
            camera.topic: writer.add_connection(camera.topic, camera.kind, typestore=_STORE)
            for camera in cameras
        }
        for stamp, camera, picture in heapq.merge(*map(_frames, cameras), key=lambda f: f[0]):
            message = _MESSAGES[camera.kind](_header(stamp, camera.frame_id), picture)
            raw = _STORE.serialize_cdr(message, camera.kind)
            writer.write(connections[camera.topic], stamp, raw)
            count += 1
    return count


def _frames(camera: Camera) -> Iterator[tuple[int, Camera, Picture]]:
    for stamp, picture in camera.frames():
        yield stamp, camera, picture


def _header(stamp: int, frame_id: str) -> Any:
    time = _TYPES["builtin_interfaces/msg/Time"](*divmod(stamp, 1_000_000_000))
    return _TYPES["std_msgs/msg/Header"](stamp=time, frame_id=frame_id)


def _raw(header: Any, picture: Picture) -> Any:
    height, width = picture.shape[:2]
    step = width * 3 + ROW_PADDING
    # What stands in the padding must not matter: not zeros.
    rows = np.full((height, step), 0xA5, np.uint8)
    rows[:, : width * 3] = picture[..., ::-1].reshape(height, width * 3)
    return _TYPES["sensor_msgs/msg/Image"](
        header=header,
        height=height,
        width=width,
        encoding="bgr8",
        is_bigendian=0,
        step=step,
        data=rows.ravel(),
    )


def _jpeg(header: Any, picture: Picture) -> Any:
    _, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
    return _TYPES["sensor_msgs/msg/CompressedImage"](header=header, format="jpeg", data=data)


_MESSAGES: dict[str, Callable[[Any, Picture], Any]] = {FRONT.kind: _raw, SIDE.kind: _jpeg}
