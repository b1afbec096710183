# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Bags without playback: the `rosbags` library reads and writes rosbag2, sqlite3 and mcap."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ament_index_python.packages import get_package_share_directory
from rclpy.serialization import serialize_message

from triton_ros.core.errors import InvalidArgumentError, UnavailableError

IMAGES = {"sensor_msgs/msg/Image": "raw", "sensor_msgs/msg/CompressedImage": "compressed"}
"""Message types of frames, and the transport that reads them."""
_PACKAGES = ("vision_msgs",)
"""Of the messages that are written, those that the library does not know."""


def library() -> Any:
    """The module; raises `UnavailableError` naming what to install."""
    try:
        import rosbags.rosbag2 as found  # noqa: PLC0415 (only bags need it)
    except ImportError as error:
        raise UnavailableError(
            "bags need the Python package rosbags, which is not installed: pip install rosbags tqdm"
        ) from error
    return found


class BagReader:
    """A bag's image topics; raises `InvalidArgumentError` for what is no bag."""

    def __init__(self, path: Path) -> None:
        rosbag2 = library()
        self.path = path
        if not path.exists():
            raise InvalidArgumentError(f"there is no bag {path}")
        try:
            self._reader = rosbag2.Reader(path)
            self._reader.open()
        except Exception as error:  # of whatever kind the file's damage makes
            raise InvalidArgumentError(f"{path} is no rosbag2 that can be read: {error}") from error
        self.connections = self._reader.connections
        self.topics = {c.topic: c.msgtype for c in self.connections}
        self.count = self._reader.message_count

    def close(self) -> None:
        self._reader.close()

    def messages(self) -> Iterator[tuple[Any, int, bytes]]:
        """(connection, log time in nanoseconds, serialized message) in the bag's order."""
        try:
            for connection, time_ns, raw in self._reader.messages():
                yield connection, time_ns, bytes(raw)
        except InvalidArgumentError:
            raise
        except Exception as error:
            raise InvalidArgumentError(f"{self.path} breaks off: {error}") from error


class BagWriter:
    """A new bag (mcap); `write` is for any thread."""

    def __init__(self, path: Path) -> None:
        rosbag2 = library()
        if path.exists():
            raise InvalidArgumentError(f"{path} is there already: name a folder that is not")
        self._store = _typestore()
        self._lock = threading.Lock()
        self._connections: dict[str, Any] = {}
        self._writer = rosbag2.Writer(path, version=9, storage_plugin=rosbag2.StoragePlugin.MCAP)
        self._writer.open()

    def write(self, topic: str, message: Any, time_ns: int) -> None:
        """A message of rclpy."""
        package, _, name = type(message).__module__.partition(".msg")[0], "", type(message).__name__
        self.write_raw(topic, f"{package}/msg/{name}", serialize_message(message), time_ns)

    def write_raw(self, topic: str, kind: str, raw: bytes, time_ns: int) -> None:
        """A serialized message."""
        with self._lock:
            if topic not in self._connections:
                self._connections[topic] = self._writer.add_connection(
                    topic, kind, typestore=self._store
                )
            self._writer.write(self._connections[topic], time_ns, raw)

    def knows(self, kind: str) -> bool:
        """Whether messages of a type can be written."""
        return kind in self._store.types

    def close(self) -> None:
        with self._lock:
            self._writer.close()


def _typestore() -> Any:
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore  # noqa: PLC0415

    store = get_typestore(Stores.ROS2_KILTED)
    for package in _PACKAGES:
        found: dict[str, Any] = {}
        for path in sorted(Path(get_package_share_directory(package), "msg").glob("*.msg")):
            text = path.read_text(encoding="utf-8")
            found |= get_types_from_msg(text, f"{package}/msg/{path.stem}")
        store.register({name: kind for name, kind in found.items() if name not in store.types})
    return store
