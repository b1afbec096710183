# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The bytes of image messages against rclpy's own, and bytes that are none."""

from __future__ import annotations

import struct

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CompressedImage, Image

from triton_ros.ros.image_cdr import FrameHeader, read_compressed, read_image
from triton_ros.vision.image import REASONS, ImageError

# What DDS strings can hold: no NUL.  Lengths of all remainders by 4.
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=9)
SECONDS = st.integers(-(2**31), 2**31 - 1)
NANOSECONDS = st.integers(0, 2**32 - 1)
PIXELS = {"mono8": 1, "rgb8": 3, "bgra8": 4, "8UC3": 3}


def image(encoding: str, width: int, height: int, padding: int) -> Image:
    message = Image(width=width, height=height, encoding=encoding)
    message.step = width * PIXELS[encoding] + padding
    message.data = bytes(i * 7 % 251 for i in range(message.step * height))
    return message


@given(
    TEXT,
    SECONDS,
    NANOSECONDS,
    st.sampled_from(sorted(PIXELS)),
    st.integers(1, 5),
    st.integers(1, 5),
    st.integers(0, 3),
)
def test_an_image_as_rclpy_serializes_it(
    frame_id: str, sec: int, nanosec: int, encoding: str, width: int, height: int, padding: int
) -> None:
    message = image(encoding, width, height, padding)
    message.header.frame_id = frame_id
    message.header.stamp.sec, message.header.stamp.nanosec = sec, nanosec
    header, found = read_image(serialize_message(message))
    assert header == FrameHeader(sec, nanosec, frame_id)
    assert header.stamp_ns == sec * 10**9 + nanosec
    assert (found.height, found.width, found.encoding) == (height, width, encoding)
    rows = np.frombuffer(message.data, np.uint8).reshape(height, message.step)
    expected = rows[:, : width * PIXELS[encoding]].reshape(height, width, -1)
    pixels, _ = found.base()
    np.testing.assert_array_equal(pixels.reshape(expected.shape), expected)


@given(TEXT, SECONDS, NANOSECONDS, TEXT)
def test_a_compressed_image_as_rclpy_serializes_it(
    frame_id: str, sec: int, nanosec: int, kind: str
) -> None:
    data = cv2.imencode(".png", np.full((3, 5, 3), 77, np.uint8))[1].tobytes()
    message = CompressedImage(format=kind, data=data)
    message.header.frame_id = frame_id
    message.header.stamp.sec, message.header.stamp.nanosec = sec, nanosec
    header, found = read_compressed(serialize_message(message))
    assert header == FrameHeader(sec, nanosec, frame_id)
    assert (found.height, found.width) == (3, 5)
    assert (found.pixels("rgb") == 77).all()


def test_pixels_are_not_copied() -> None:
    raw = serialize_message(image("mono8", 100, 100, 0))
    _, found = read_image(raw)
    assert np.shares_memory(found.base()[0], np.frombuffer(raw, np.uint8))


def test_big_endian() -> None:
    def text(value: bytes) -> bytes:
        return struct.pack(">I", len(value) + 1) + value + b"\0"

    fields = [
        struct.pack(">iI", -1, 5),
        text(b"cam"),  # ends at a multiple of 4
        struct.pack(">II", 1, 2),
        text(b"mono8"),
        b"\1" + b"\xaa",  # is_bigendian, and padding to the next multiple of 4
        struct.pack(">I", 2),
        struct.pack(">I", 2) + b"\x10\x20",
    ]
    body = b"".join(fields)
    header, found = read_image(b"\0\0\0\0" + body)
    assert header == FrameHeader(-1, 5, "cam")
    assert found.base()[0].tolist() == [[16, 32]]


READERS = [read_image, read_compressed]
MESSAGES = [
    serialize_message(image("rgb8", 4, 3, 1)),
    serialize_message(
        CompressedImage(
            format="jpeg", data=cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
        )
    ),
]


def refused_or_read(kind: int, raw: bytes) -> None:
    """Never anything but an `ImageError` with a reason that can be counted."""
    try:
        _, found = READERS[kind](raw)
        found.pixels("rgb")
    except ImageError as error:
        assert error.reason in REASONS
        assert str(error)


@pytest.mark.parametrize("kind", [0, 1])
def test_truncated_messages(kind: int) -> None:
    whole = MESSAGES[kind]
    READERS[kind](whole)
    for length in range(len(whole) - 12):  # the row padding and the JPEG's tail may be missing
        with pytest.raises(ImageError) as error:
            READERS[kind](whole[:length])
        assert error.value.reason in REASONS


@given(st.sampled_from([0, 1]), st.binary(max_size=100))
def test_garbage(kind: int, raw: bytes) -> None:
    refused_or_read(kind, raw)
    refused_or_read(kind, b"\0\1\0\0" + raw)


@given(
    st.sampled_from([0, 1]),
    st.lists(st.tuples(st.integers(0, 90), st.binary(min_size=1, max_size=4)), max_size=4),
)
def test_damaged_messages(kind: int, damages: list[tuple[int, bytes]]) -> None:
    raw = bytearray(MESSAGES[kind])
    for place, damage in damages:
        raw[place : place + len(damage)] = damage
    refused_or_read(kind, bytes(raw))


def test_another_serialization_is_named() -> None:
    with pytest.raises(ImageError, match="serialization 0007 is not plain CDR"):
        read_image(b"\0\7\0\0" + MESSAGES[0][4:])
