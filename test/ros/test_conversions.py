# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Outputs of models to messages: source pixels, headers and names."""

from __future__ import annotations

import math

import numpy as np
import pytest
from rclpy.serialization import serialize_message
from std_msgs.msg import Header

from triton_ros.core.errors import InvalidArgumentError
from triton_ros.core.model import Interface
from triton_ros.core.tensor import TensorSpec
from triton_ros.ros import conversions
from triton_ros.ros.image_cdr import FrameHeader
from triton_ros.ros.message_detections import detections_message
from triton_ros.ros.output_kinds import check_interface

HEADER = conversions.header_message(FrameHeader(-7, 8, "lens"))
BOXES = np.float32([[10, 20, 30, 60], [0, 0, 1, 2]])


def spec(name: str) -> TensorSpec:
    return TensorSpec(name, "FP32", (-1, 4))


def test_header() -> None:
    assert (HEADER.stamp.sec, HEADER.stamp.nanosec, HEADER.frame_id) == (-7, 8, "lens")


def test_boxes() -> None:
    outputs = {
        "BOXES": BOXES,
        "SCORES": np.float32([0.5, 0.25]),
        "LABELS": np.array(["cat", "Äpfel"], object),
        "CLASS_IDS": np.int32([3, 4]),
    }
    message = detections_message(HEADER, outputs)
    assert message.header == HEADER
    first, second = message.detections
    assert first.header == second.header == HEADER
    box = first.bbox
    assert (box.center.position.x, box.center.position.y) == (20.0, 40.0)
    assert (box.size_x, box.size_y, box.center.theta) == (20.0, 40.0, 0.0)
    assert first.results[0].hypothesis.class_id == "cat"
    assert first.results[0].hypothesis.score == 0.5
    assert second.results[0].hypothesis.class_id == "Äpfel"


@pytest.mark.parametrize("degrees", [0, 30, 90, 180, -45])
def test_regions_are_turned_boxes(degrees: float) -> None:
    angle = math.radians(degrees)
    along = np.array([math.cos(angle), math.sin(angle)]) * 8
    down = np.array([-math.sin(angle), math.cos(angle)]) * 2
    corner = np.array([100.0, 50.0])
    quad = np.stack([corner, corner + along, corner + along + down, corner + down])
    outputs = {"REGIONS": quad[None].astype(np.float32), "LABELS": np.array(["text"], object)}
    (detection,) = detections_message(HEADER, outputs).detections
    box = detection.bbox
    centre = corner + along / 2 + down / 2
    assert (box.center.position.x, box.center.position.y) == pytest.approx(centre, abs=1e-4)
    assert (box.size_x, box.size_y) == pytest.approx((8, 2), abs=1e-4)
    assert math.cos(box.center.theta - angle) == pytest.approx(1)
    assert detection.results[0].hypothesis.score == 1.0, "a model without scores is sure"


def test_boxes_go_before_regions() -> None:
    outputs = {"BOXES": BOXES[:1], "REGIONS": np.zeros((1, 4, 2), np.float32)}
    (detection,) = detections_message(HEADER, outputs).detections
    assert detection.bbox.size_x == 20.0
    assert detection.results[0].hypothesis.class_id == ""


def test_class_ids_without_labels() -> None:
    outputs = {"BOXES": BOXES, "CLASS_IDS": np.int32([3, 4])}
    message = detections_message(HEADER, outputs)
    assert [d.results[0].hypothesis.class_id for d in message.detections] == ["3", "4"]


def test_nothing_found() -> None:
    outputs = {"BOXES": np.empty((0, 4), np.float32), "SCORES": np.empty(0, np.float32)}
    message = detections_message(HEADER, outputs)
    assert message.header == HEADER
    assert not message.detections


def test_outputs_that_do_not_fit_are_not_cut_to_fit() -> None:
    with pytest.raises(ValueError, match="zip"):
        detections_message(HEADER, {"BOXES": BOXES, "SCORES": np.float32([1])})
    with pytest.raises(KeyError):
        detections_message(HEADER, {"SCORES": np.float32([1])})


def test_whole_numbers_become_what_the_message_needs() -> None:
    outputs = {"BOXES": np.int64([[1, 2, 3, 5]]), "SCORES": np.int64([1])}
    (detection,) = detections_message(HEADER, outputs).detections
    serialize_message(detection)
    assert (detection.bbox.size_y, detection.results[0].hypothesis.score) == (3.0, 1.0)
    with pytest.raises(TypeError):
        detections_message(HEADER, {"BOXES": BOXES, "SCORES": np.ones((2, 1))})


def test_infos() -> None:
    labels = conversions.label_info_message(HEADER, ["a", "b"], 0.25)
    assert [(c.class_id, c.class_name) for c in labels.class_map] == [(0, "a"), (1, "b")]
    assert labels.threshold == 0.25
    info = conversions.vision_info_message(HEADER, "m/3", "/n/s/label_info", 5)
    assert (info.method, info.database_location, info.database_version) == (
        "m/3",
        "/n/s/label_info",
        5,
    )


def test_a_picture() -> None:
    bgr = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    message = conversions.image_message(HEADER, bgr)
    assert message.header == HEADER
    assert (message.height, message.width, message.step, message.encoding) == (2, 3, 9, "bgr8")
    assert bytes(message.data) == bgr.tobytes()


@pytest.mark.parametrize(
    ("inputs", "outputs", "reason"),
    [
        (["INPUT0", "INPUT1"], ["OUTPUT0"], "takes INPUT0, INPUT1; a stream needs"),
        (["IMAGE", "REGIONS"], ["LABELS"], "takes IMAGE, REGIONS; a stream needs"),
        (["IMAGE"], ["SCORES"], "answers SCORES; a stream publishes BOXES, CLASS_IDS"),
    ],
)
def test_models_that_no_stream_can_use(inputs: list[str], outputs: list[str], reason: str) -> None:
    interface = Interface(tuple(map(spec, inputs)), tuple(map(spec, outputs)))
    with pytest.raises(InvalidArgumentError, match=reason):
        check_interface("m", interface)


@pytest.mark.parametrize("place", ["BOXES", "REGIONS", "LABELS", "CLASS_MAP", "DEPTH", "RAW_x"])
def test_models_that_a_stream_can_use(place: str) -> None:
    check_interface("m", Interface((spec("IMAGE"),), (spec(place),)))


def test_header_is_shared_not_changed() -> None:
    header = Header(frame_id="x")
    detections_message(header, {"BOXES": BOXES})
    assert header == Header(frame_id="x")
