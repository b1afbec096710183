# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A bag of toy frames, and the type of the fixture that runs commands."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

Run = Callable[..., "subprocess.CompletedProcess[str]"]
FRAMES = 12


def make_bag(path: Path, plugin: StoragePlugin = StoragePlugin.MCAP) -> Path:
    """Frames of growing brightness on /front, one that is broken in the end, and a text."""
    store = get_typestore(Stores.ROS2_KILTED)
    types: dict[str, Any] = dict(store.types)
    with Writer(path, version=9, storage_plugin=plugin) as writer:
        images = writer.add_connection("/front", "sensor_msgs/msg/Image", typestore=store)
        texts = writer.add_connection("/text", "std_msgs/msg/String", typestore=store)
        for number in range(FRAMES + 1):
            stamp = 1_000_000_000 * (number + 1)
            time = types["builtin_interfaces/msg/Time"](*divmod(stamp, 10**9))
            header = types["std_msgs/msg/Header"](stamp=time, frame_id="lens")
            level = 255 * number // FRAMES
            image = types["sensor_msgs/msg/Image"](
                header=header,
                height=48,
                width=64,
                encoding="rgb8" if number < FRAMES else "yuv999",
                is_bigendian=0,
                step=192,
                data=np.full(48 * 192, level, np.uint8),
            )
            raw = store.serialize_cdr(image, "sensor_msgs/msg/Image")
            writer.write(images, stamp + 5, raw)
        text = types["std_msgs/msg/String"](data="hello")
        writer.write(texts, stamp + 9, store.serialize_cdr(text, "std_msgs/msg/String"))
    return path
