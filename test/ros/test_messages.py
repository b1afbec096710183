# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Answers of every kind to messages: classes, attributes, points, tensors; and which topics."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import Header

from triton_ros.core.tensor import Array
from triton_ros.ros.conversions import compressed_message, map_message
from triton_ros.ros.message_detections import (
    classification_message,
    detections_message,
    keypoints_message,
    set_ids,
)
from triton_ros.ros.message_tensors import tensor_message, tensor_type
from triton_ros.ros.output_kinds import datatypes_of, output_kinds, topic_part

HEADER = Header(frame_id="lens")
HEADER.stamp.sec, HEADER.stamp.nanosec = 12, 34
BOXES = np.float32([[10, 20, 30, 60], [0, 0, 1, 2]])


def texts(*names: str) -> Array:
    found = np.empty(len(names), object)
    found[:] = names
    return found


def round_trip(message: Any) -> Any:
    """What a subscriber gets."""
    return deserialize_message(serialize_message(message), type(message))


def test_the_surest_class_is_first() -> None:
    outputs = {"LABELS": texts("cat", "dog", "owl"), "SCORES": np.float32([0.1, 0.7, 0.2])}
    message = round_trip(classification_message(HEADER, outputs))
    assert message.header == HEADER
    assert [r.class_id for r in message.results] == ["dog", "owl", "cat"]
    assert message.results[0].score == pytest.approx(0.7)
    none = classification_message(HEADER, {"LABELS": texts(), "SCORES": np.zeros(0)})
    assert not none.results


def test_attributes_are_further_hypotheses() -> None:
    outputs = {
        "BOXES": BOXES,
        "LABELS": texts("car", "person"),
        "SCORES": np.float32([0.9, 0.8]),
        "LABELS_COLOR": texts("red", ""),
        "SCORES_COLOR": np.float32([0.6, 0.0]),
    }
    first, second = round_trip(detections_message(HEADER, outputs)).detections
    told = [(r.hypothesis.class_id, round(r.hypothesis.score, 3)) for r in first.results]
    assert told == [("car", 0.9), ("color:red", 0.6)]
    assert len(second.results) == 1, "what was not looked at has no attribute"


def test_keypoints_know_their_names_and_whose_they_are() -> None:
    outputs = {
        "KEYPOINTS": np.float32([[[1, 2], [3, 4]], [[5, 6], [7, 8]]]),
        "KEYPOINT_SCORES": np.float32([[1, 0.5], [0.25, 1]]),
    }
    message = round_trip(keypoints_message(HEADER, outputs, ["nose"]))
    told = [
        (d.id, d.results[0].hypothesis.class_id, d.bbox.center.position.x, d.bbox.size_x)
        for d in message.detections
    ]
    assert told == [("0", "nose", 1, 0), ("0", "1", 3, 0), ("1", "nose", 5, 0), ("1", "1", 7, 0)]
    assert message.detections[2].results[0].hypothesis.score == 0.25
    assert all(d.header == HEADER for d in message.detections)


def test_ids_of_tracks_reach_the_points_too() -> None:
    found = detections_message(HEADER, {"BOXES": BOXES})
    outputs = {"KEYPOINTS": np.zeros((2, 1, 2), np.float32)}
    points = keypoints_message(HEADER, outputs, [])
    set_ids(found, [7, 0], points)
    assert [d.id for d in found.detections] == ["7", ""]
    assert [d.id for d in points.detections] == ["7", ""]


@pytest.mark.parametrize(
    ("dtype", "kind"),
    [
        (np.float16, "Float32MultiArray"),
        (np.float32, "Float32MultiArray"),
        (np.float64, "Float64MultiArray"),
        (np.bool_, "UInt8MultiArray"),
        *((getattr(np, f"uint{n}"), f"UInt{n}MultiArray") for n in (8, 16, 32, 64)),
        *((getattr(np, f"int{n}"), f"Int{n}MultiArray") for n in (8, 16, 32, 64)),
    ],
)
def test_tensors_keep_values_and_layout(dtype: Any, kind: str) -> None:
    tensor = np.arange(24).reshape(2, 3, 4).astype(dtype)
    message = round_trip(tensor_message(HEADER, tensor[:, ::-1]))
    assert type(message).__name__ == kind
    assert np.array_equal(np.array(message.data).reshape(2, 3, 4), tensor[:, ::-1])
    dims = [(d.size, d.stride) for d in message.layout.dim]
    assert dims == [(2, 24), (3, 12), (4, 4)]
    assert message.layout.dim[0].label == "12.000000034 lens"


def test_tensors_without_dims_and_of_texts() -> None:
    message = tensor_message(HEADER, np.float32(3.5))
    assert (list(message.data), message.layout.dim[0].size) == ([3.5], 1)
    assert tensor_type("BYTES") is None


def test_maps() -> None:
    depth = np.float32([[1, np.nan], [2.5, 0]])
    message = round_trip(map_message(HEADER, depth, "32FC1"))
    assert (message.encoding, message.step, message.header) == ("32FC1", 8, HEADER)
    np.testing.assert_array_equal(np.frombuffer(message.data, np.float32).reshape(2, 2), depth)
    ids = map_message(HEADER, np.uint16([[1, 300]]), "mono16")
    assert np.frombuffer(ids.data, np.uint16).tolist() == [1, 300]


def test_a_jpeg_says_what_it_is() -> None:
    message = round_trip(compressed_message(HEADER, b"\xff\xd8data"))
    assert (message.format, bytes(message.data)) == ("bgr8; jpeg compressed bgr8", b"\xff\xd8data")


@pytest.mark.parametrize(
    ("names", "topics"),
    [
        (["BOXES", "REGIONS", "SCORES", "LABELS"], ["detections"]),
        (["REGIONS", "LABELS", "SCORES"], ["detections"]),
        (["LABELS", "SCORES"], ["classification"]),
        (["BOXES", "KEYPOINTS"], ["detections", "keypoints"]),
        (["KEYPOINTS"], ["keypoints"]),
        (["BOXES", "INSTANCE_MAP"], ["detections", "instance_map"]),
        (["CLASS_MAP"], ["class_map"]),
        (["DEPTH"], ["depth"]),
        (["RAW_out/put:0", "RAW_2"], ["tensors/out_put_0", "tensors/t_2"]),
        (["SCORES"], []),
    ],
)
def test_topics_follow_the_outputs(names: list[str], topics: list[str]) -> None:
    kinds = output_kinds(dict.fromkeys(names, "FP32"))
    assert [kind.topic for kind in kinds] == topics


def test_only_detections_and_classes_are_built_for_nobody() -> None:
    """Six points of a face cost as much as all else about it; diagnostics count the detections."""
    found = output_kinds(dict.fromkeys(["BOXES", "KEYPOINTS", "CLASS_MAP", "RAW_a"], "FP32"))
    assert {kind.topic for kind in found if not kind.heavy} == {"detections"}
    assert not output_kinds({"LABELS": "BYTES"})[0].heavy


def test_what_an_answer_has_says_the_same_as_its_interface() -> None:
    outputs = {"RAW_a": np.zeros(2, np.float32), "RAW_b": texts("x"), "DEPTH": np.zeros((2, 2))}
    assert datatypes_of(outputs) == {"RAW_a": "FP32", "RAW_b": "BYTES", "DEPTH": "FP64"}
    assert [k.topic for k in output_kinds(datatypes_of(outputs))] == ["depth", "tensors/a"]


def test_names_of_tensors_become_names_of_topics() -> None:
    assert [topic_part(n) for n in ("a", "a.b", "1", "_x", "a__b")] == [
        *("a", "a_b", "t_1", "t_x", "a_b")
    ]
