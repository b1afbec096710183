# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Outputs of a model -> messages.  Free functions; nothing here subscribes or publishes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from builtin_interfaces.msg import Time
from cv_bridge import CvBridge
from sensor_msgs.msg import Image as ImageMessage
from std_msgs.msg import Header
from vision_msgs.msg import (
    Detection2D,
    Detection2DArray,
    LabelInfo,
    ObjectHypothesisWithPose,
    VisionClass,
    VisionInfo,
)

from triton_ros.core.errors import InvalidArgumentError, TritonError
from triton_ros.core.model import Interface
from triton_ros.core.request import InferenceResponse
from triton_ros.core.tensor import Array
from triton_ros.ros.image_cdr import FrameHeader

_PLACES = ("BOXES", "REGIONS")


def check_interface(model: str, interface: Interface) -> None:
    """Whether a stream can use a model; raises `InvalidArgumentError` with what is missing."""
    inputs = [spec.name for spec in interface.inputs]
    outputs = [spec.name for spec in interface.outputs]
    if inputs != ["IMAGE"]:
        raise InvalidArgumentError(
            f"model '{model}' takes {', '.join(inputs)}; a stream needs a model that takes IMAGE"
            " alone: give it a vision.yaml"
        )
    if not set(_PLACES) & set(outputs):
        raise InvalidArgumentError(
            f"model '{model}' answers {', '.join(outputs)}; a stream publishes detections, which"
            f" need {' or '.join(_PLACES)}"
        )


def header_message(header: FrameHeader) -> Header:
    """The frame's header, verbatim."""
    return Header(stamp=Time(sec=header.sec, nanosec=header.nanosec), frame_id=header.frame_id)


def detections_message(header: Header, outputs: Mapping[str, Array]) -> Detection2DArray:
    """From BOXES [n,4] or REGIONS [n,4,2], SCORES [n], LABELS [n] or CLASS_IDS [n].

    Source pixels all the way.  Raises `KeyError`, `ValueError` or `TypeError` for outputs that do
    not fit: the message itself would take anything, and fail when it is published.
    """
    message = Detection2DArray(header=header)
    places = _boxes(outputs["BOXES"]) if "BOXES" in outputs else _quads(outputs["REGIONS"])
    names = _class_names(outputs, len(places))
    scores = outputs["SCORES"].tolist() if "SCORES" in outputs else [1.0] * len(places)
    message.detections = [
        _detection(header, place, name, float(score))
        for place, name, score in zip(places, names, scores, strict=True)
    ]
    return message


def unfit(response: InferenceResponse, error: Exception) -> TritonError:
    """What `detections_message` raised, for people."""
    return TritonError(f"model '{response.model_name}': its answer cannot be published: {error!r}")


def _boxes(boxes: Array) -> list[tuple[float, float, float, float, float]]:
    """(x, y, width, height, theta) with x, y the centre."""
    return [
        ((x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0, 0.0)
        for x0, y0, x1, y1 in boxes.astype(np.float64).tolist()
    ]


def _quads(quads: Array) -> list[tuple[float, float, float, float, float]]:
    """The same for four corners in reading order; theta is the direction of reading."""
    rows = []
    for quad in quads.astype(np.float64):
        centre, along, down = quad.mean(0), quad[1] - quad[0], quad[3] - quad[0]
        theta = math.atan2(along[1], along[0])
        rows.append((centre[0], centre[1], math.hypot(*along), math.hypot(*down), theta))
    return rows


def _class_names(outputs: Mapping[str, Array], count: int) -> list[str]:
    if "LABELS" in outputs:
        return [label if isinstance(label, str) else str(label) for label in outputs["LABELS"]]
    if "CLASS_IDS" in outputs:
        return [str(index) for index in outputs["CLASS_IDS"].tolist()]
    return [""] * count


def _detection(
    header: Header, place: tuple[float, float, float, float, float], name: str, score: float
) -> Detection2D:
    hypothesis = ObjectHypothesisWithPose()
    hypothesis.hypothesis.class_id = name
    hypothesis.hypothesis.score = score
    detection = Detection2D(header=header, results=[hypothesis])
    box = detection.bbox
    box.center.position.x, box.center.position.y, box.size_x, box.size_y, box.center.theta = place
    return detection


def label_info_message(header: Header, labels: Sequence[str], threshold: float) -> LabelInfo:
    """Class names by index; empty for a model without classes."""
    classes = [VisionClass(class_id=index, class_name=name) for index, name in enumerate(labels)]
    return LabelInfo(header=header, class_map=classes, threshold=threshold)


def vision_info_message(header: Header, method: str, location: str, version: int) -> VisionInfo:
    """Which model answers a stream; `version` grows at every change."""
    return VisionInfo(
        header=header, method=method, database_location=location, database_version=version
    )


def image_message(header: Header, bgr: Array) -> ImageMessage:
    """uint8 [height, width, 3] BGR as a message."""
    message: ImageMessage = CvBridge().cv2_to_imgmsg(bgr, "bgr8")
    message.header = header
    return message
