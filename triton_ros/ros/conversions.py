# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Values -> messages: headers, pictures, facts about a model.  Nothing here publishes."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np
from builtin_interfaces.msg import Time
from cv_bridge import CvBridge
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image as ImageMessage
from std_msgs.msg import Header
from vision_msgs.msg import LabelInfo, VisionClass, VisionInfo

from triton_ros.core.errors import TritonError
from triton_ros.core.request import InferenceResponse
from triton_ros.core.tensor import Array
from triton_ros.ros.image_cdr import FrameHeader

_MAP_TYPES = {"mono8": np.uint8, "mono16": np.uint16, "32FC1": np.float32}


def header_message(header: FrameHeader) -> Header:
    """The frame's header, verbatim."""
    return Header(stamp=Time(sec=header.sec, nanosec=header.nanosec), frame_id=header.frame_id)


def time_message(nanoseconds: int) -> Time:
    """A time of the ROS clock."""
    sec, nanosec = divmod(nanoseconds, 1_000_000_000)
    return Time(sec=sec, nanosec=nanosec)


def unfit(response: InferenceResponse, error: Exception) -> TritonError:
    """What the building of a message raised, for people."""
    return TritonError(f"model '{response.model_name}': its answer cannot be published: {error!r}")


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


def map_message(header: Header, values: Array, encoding: str) -> ImageMessage:
    """[height, width] of mono8, mono16 or 32FC1 as a message."""
    plain = np.ascontiguousarray(values, _MAP_TYPES[encoding])
    message: ImageMessage = CvBridge().cv2_to_imgmsg(plain, encoding)
    message.header = header
    return message


def compressed_message(header: Header, jpeg: bytes) -> CompressedImage:
    """A JPEG of a BGR picture, as image_transport says it."""
    data = array("B")
    data.frombytes(jpeg)
    return CompressedImage(header=header, format="bgr8; jpeg compressed bgr8", data=data)
