# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The environment's vision_msgs, built from underlay/ or not, is the one that robots have.

Equal type hashes mean equal fields, types and order in a message and in all that it contains, so
a bag or a subscriber made with the real package understands ours.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ament_index_python.packages import get_package_share_directory
from rclpy.serialization import deserialize_message, serialize_message
from vision_msgs.msg import Detection2D, Detection2DArray, ObjectHypothesisWithPose

DATA = Path(__file__).parent / "data/vision_msgs_type_hashes.json"
RECORDED: dict[str, str] = json.loads(DATA.read_text())["type_hashes"]
UNDERLAY = Path(__file__).parent.parent / "underlay/vision_msgs/msg"


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_type_hash_is_the_real_packages(name: str) -> None:
    package, _, message = name.partition("/")
    description = Path(get_package_share_directory(package), f"{message}.json")
    if not description.exists():
        pytest.skip("this ROS 2 is older than type hashes (Iron)")
    hashes = json.loads(description.read_text())["type_hashes"]
    found = {entry["type_name"]: entry["hash_string"] for entry in hashes}
    assert found[name] == RECORDED[name]


def test_every_message_of_the_underlay_is_recorded() -> None:
    written = {f"vision_msgs/msg/{path.stem}" for path in UNDERLAY.glob("*.msg")}
    assert written == set(RECORDED)


def test_messages_can_be_serialized() -> None:
    """Imports and type support: the compiled parts are there and found."""
    detection = Detection2D(results=[ObjectHypothesisWithPose()])
    detection.bbox.center.position.x = 12.5
    detection.results[0].hypothesis.class_id = "person"
    sent = Detection2DArray(detections=[detection])
    assert deserialize_message(serialize_message(sent), Detection2DArray) == sent
