# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What cv_bridge makes of a message is what we see in it, and what we publish is what it reads."""

from __future__ import annotations

import numpy as np
import pytest
from cv_bridge import CvBridge
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image as ImageMessage
from std_msgs.msg import Header

from triton_ros.core.tensor import Array
from triton_ros.ros.conversions import image_message, map_message
from triton_ros.ros.image_cdr import read_image
from triton_ros.vision.encodings import millimetres

SHAPE = (6, 10)
KINDS = {
    "rgb8": ("u1", 3),
    "bgr8": ("u1", 3),
    "rgba8": ("u1", 4),
    "bgra8": ("u1", 4),
    "mono8": ("u1", 1),
    "8UC1": ("u1", 1),
    "8UC3": ("u1", 3),
    "mono16": ("u2", 1),
    "16UC1": ("u2", 1),
    "32FC1": ("f4", 1),
    "bayer_rggb8": ("u1", 1),
    "bayer_bggr8": ("u1", 1),
    "bayer_gbrg8": ("u1", 1),
    "bayer_grbg8": ("u1", 1),
}


def message(encoding: str, padding: int) -> tuple[ImageMessage, Array]:
    """A message with rubbish behind each row, and its values."""
    kind, channels = KINDS[encoding]
    values = np.random.default_rng(4).integers(1, 255, (*SHAPE, channels)).astype(kind)
    rows = values.view(np.uint8).reshape(SHAPE[0], -1)
    data = np.hstack([rows, np.full((SHAPE[0], padding), 0xAB, np.uint8)])
    found = ImageMessage(
        height=SHAPE[0], width=SHAPE[1], encoding=encoding, step=data.shape[1], data=data.tobytes()
    )
    return found, values.reshape(SHAPE) if channels == 1 else values


@pytest.mark.parametrize("padding", [0, 4])
@pytest.mark.parametrize("encoding", KINDS)
def test_our_view_is_cv_bridges(encoding: str, padding: int) -> None:
    sent, values = message(encoding, padding)
    theirs = values
    # PyPI's cv_bridge takes padding for pixels and 16UC1 for bytes: there, the values themselves.
    if not padding and encoding != "16UC1":
        theirs = CvBridge().imgmsg_to_cv2(sent, "passthrough")
        assert np.array_equal(theirs, values), "what cv_bridge reads is what was put in"
    _, image = read_image(serialize_message(sent))
    pixels, order = image.base()
    if order == "depth":
        metres = millimetres(theirs) if encoding == "16UC1" else theirs
        np.testing.assert_allclose(pixels, metres)
    elif encoding == "mono16":
        assert np.abs(pixels - theirs / 257).max() <= 0.5
    elif not encoding.startswith("bayer"):
        assert np.array_equal(pixels, theirs)
    else:
        assert pixels.shape == (*SHAPE, 3)


@pytest.mark.parametrize("encoding", ["rgb8", "bgr8", "rgba8", "bgra8", "mono8"])
def test_our_colours_are_cv_bridges(encoding: str) -> None:
    sent, _ = message(encoding, 0)
    try:
        theirs = CvBridge().imgmsg_to_cv2(sent, "bgr8")
    except Exception as error:  # PyPI's cv_bridge converts only with its compiled half
        pytest.skip(f"this cv_bridge does not convert: {error}")
    _, image = read_image(serialize_message(sent))
    assert np.abs(image.pixels("bgr").astype(int) - theirs).max() <= 1


def test_what_we_publish_is_read_back() -> None:
    header = Header(frame_id="cam")
    rng = np.random.default_rng(5)
    for encoding, kind in (("mono8", np.uint8), ("mono16", np.uint16), ("32FC1", np.float32)):
        values = rng.integers(0, 200, SHAPE).astype(kind)
        sent = map_message(header, values, encoding)
        assert (sent.encoding, sent.header.frame_id) == (encoding, "cam")
        assert np.array_equal(CvBridge().imgmsg_to_cv2(sent, "passthrough"), values)
    picture = rng.integers(0, 255, (*SHAPE, 3), np.uint8)
    assert np.array_equal(CvBridge().imgmsg_to_cv2(image_message(header, picture), "bgr8"), picture)
