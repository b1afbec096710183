# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Frames: raw pixels, compressed pictures, and the serialized messages that have them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import cv2
import numpy as np

from fuzz.guarded import GuardedMemory
from fuzz.target import FindingError, Limits, Script, Target
from triton_ros.core.tensor import Array
from triton_ros.ros.image_cdr import read_compressed, read_image
from triton_ros.vision.encodings import RAW, Order
from triton_ros.vision.image import MAX_SIDE, Image

LONGEST = 1 << 14
_GUARDED = GuardedMemory(1 << 20)
_NAMES = tuple(RAW)
_FORMATS = (
    *("jpeg", "png", "rgb8; jpeg compressed bgr8", "16UC1; png compressed", "16UC1"),
    *("16UC1; compressedDepth png", "32FC1; compressedDepth png"),
    *("16UC1; compressedDepth rvl", "32FC1; compressedDepth rvl", "mono8; compressedDepth", ""),
)
_ORDERS: tuple[Order, ...] = ("rgb", "bgr", "gray")
_SMALL = 1 << 18
"""Pixels; larger pictures are decoded now and then, or a million inputs would take days."""
_SELDOM = 256
_HEADER = b"\x00\x01\x00\x00" + struct.pack("<iII", 7, 8, 4) + b"cam\x00"
_PNG = b"\x89PNG\r\n\x1a\n"


def read_pixels(image: Image, turn: int = 0) -> None:
    """Everything that is done with a frame's pixels."""
    if image.height * image.width > _SMALL and turn % _SELDOM:
        return
    base, _ = image.base()
    if base.shape[:2] != (image.height, image.width):
        raise FindingError(f"{image!r} has pixels of the shape {base.shape}")
    for order in _ORDERS:
        found = image.pixels(order)
        if found.shape[:2] != base.shape[:2] or found.dtype != np.uint8:
            raise FindingError(f"{image!r} as {order} is {found.dtype} {found.shape}")
        found.max()  # reads every pixel
    if image.height * image.width > _SMALL:
        return
    plain = np.empty(image.shape, np.uint8)
    image.write(plain)
    planes = np.empty((3, image.height, image.width), np.uint8)
    image.write(planes.transpose(1, 2, 0))
    if not np.array_equal(plain, planes.transpose(1, 2, 0)):
        raise FindingError(f"{image!r} is written in two ways")


def raw_image(data: bytes) -> None:
    """Pixels of any encoding, step and byte order, in memory that ends with them."""
    script = Script(data)
    name, flags = _NAMES[script.one_of(len(_NAMES))], script.byte()
    height, width = (script.byte() + 2) % 256, (script.byte() + 2) % 256
    if flags & 1:
        height, width = height * 257 % MAX_SIDE, width % 4
    kind = RAW[name]
    row = width * kind.channels * np.dtype(kind.dtype).itemsize
    step = script.short() if flags & 2 else row + 2 * (flags >> 6)
    pixels = script.rest()
    if not flags & 4 and row:  # as many as have to be
        rows, last = kind.rows(height), (row if flags & 16 else step)
        pixels = _stretched(pixels, min(max(rows - 1, 0) * step + last, 1 << 20))
    place = _GUARDED.at_begin if flags & 8 else _GUARDED.at_end
    read_pixels(Image.raw(place(pixels), height, width, name, step, bool(flags & 32)))


def _stretched(data: bytes, size: int) -> bytes:
    data = data or b"\x55"
    return (data * (size // len(data) + 1))[:size]


def _raw_seeds() -> Iterator[bytes]:
    for index in range(len(_NAMES)):
        for flags, height, width in ((0, 0, 0), (32, 4, 6), (8 | 128, 255, 2), (16 | 128, 6, 0)):
            yield bytes([index, flags, height, width]) + bytes(range(1, 40))


def compressed_image(data: bytes) -> None:
    """JPEG, PNG and both kinds of compressed depth."""
    script = Script(data)
    format, flags = _FORMATS[script.one_of(len(_FORMATS))], script.byte()
    picture = script.rest()
    if flags & 1:
        picture = with_checksums(picture)
    image = Image.compressed(_GUARDED.at_end(picture), format)
    read_pixels(image, zlib.crc32(data))


def with_checksums(data: bytes) -> bytes:
    """A PNG whose chunks have the checksums that they should have: damage gets further in."""
    begin = data.find(_PNG)
    if begin < 0:
        return data
    found, at = bytearray(data), begin + len(_PNG)
    while at + 12 <= len(found):
        (size,) = struct.unpack_from(">I", found, at)
        if at + 12 + size > len(found):
            break
        struct.pack_into(">I", found, at + 8 + size, zlib.crc32(found[at + 4 : at + 8 + size]))
        at += 12 + size
    return bytes(found)


def _pictures() -> Iterator[tuple[int, bytes]]:
    """By the index of their format."""
    color = np.arange(7 * 9 * 3, dtype=np.uint8).reshape(7, 9, 3)
    depth: Array = (np.arange(48, dtype=np.uint16) * 500).reshape(6, 8)
    for extension, pixels in ((".jpg", color), (".jpg", color[..., 0])):
        yield 0, _encoded(extension, pixels)
    yield 2, _encoded(".jpg", color, (cv2.IMWRITE_JPEG_PROGRESSIVE, 1))
    for pixels in (color, color[..., 0], np.dstack([color, color[..., :1]]), depth):
        yield 1, _encoded(".png", np.ascontiguousarray(pixels))
    yield 1, _encoded(".png", color[..., 0], (cv2.IMWRITE_PNG_BILEVEL, 1))
    for at in (3, 4):
        yield at, _encoded(".png", depth)
    head = struct.pack("<iff", 0, 400.0, 0.1)
    for at in (5, 6):
        yield at, head + _encoded(".png", depth)
    for at in (7, 8):  # 2 zeros, 6 others and their differences; 3072 zeros
        yield at, head + struct.pack("<iiI", 4, 2, 0x26222114)
        yield at, head + struct.pack("<iiI", 64, 48, 0x88860000)


def _encoded(extension: str, pixels: Array, options: tuple[int, ...] = ()) -> bytes:
    return bytes(cv2.imencode(extension, pixels, options)[1])


def _compressed_seeds() -> Iterator[bytes]:
    for at, picture in _pictures():
        yield bytes([at, 1]) + picture


def image_message(data: bytes) -> None:
    """A serialized `sensor_msgs/Image` or `CompressedImage`, which ends where memory does."""
    script = Script(data)
    flags = script.byte()
    message = script.rest()
    if flags & 2:
        message = _HEADER + message
    place = _GUARDED.at_begin if flags & 4 else _GUARDED.at_end
    view = place(message)
    read = read_compressed if flags & 1 else read_image
    header, image = read(view)  # type: ignore[arg-type]
    if header.stamp_ns != header.sec * 10**9 + header.nanosec:
        raise FindingError(f"the stamp of {header!r} is {header.stamp_ns}")
    if not flags & 1:
        _check_inside(image, view)
    read_pixels(image, zlib.crc32(data))


def _check_inside(image: Image, view: memoryview) -> None:
    """Pixels that were not converted are those of the message."""
    pixels, message = image.base()[0], np.frombuffer(view, np.uint8)
    if RAW[image.encoding].convert is None and not np.shares_memory(pixels, message):
        raise FindingError(f"{image!r} was copied")


def _message_seeds() -> Iterator[bytes]:
    for name in _NAMES:
        kind = RAW[name]
        step = 4 * kind.channels * np.dtype(kind.dtype).itemsize
        pixels = bytes(range(1, 200))[:step] * kind.rows(2)
        body = _aligned(_string(name) + b"\x00") + struct.pack("<II", step, len(pixels)) + pixels
        body = struct.pack("<II", 2, 4) + body
        yield b"\x02" + body
        yield b"\x00" + _HEADER + body
    for at, picture in _pictures():
        body = _aligned(_string(_FORMATS[at])) + struct.pack("<I", len(picture)) + picture
        yield b"\x03" + body
        yield b"\x01" + _HEADER + body


def _string(text: str) -> bytes:
    data = text.encode() + b"\x00"
    return struct.pack("<I", len(data)) + data


def _aligned(data: bytes) -> bytes:
    return data + b"\x00" * (-len(data) % 4)


FRAME = Limits(cpu_s=20.0, memory_mb=2200)
"""The largest picture that is taken has 2^27 pixels, in three orders."""
TARGETS = (
    Target("raw_image", raw_image, _raw_seeds),
    Target("compressed_image", compressed_image, _compressed_seeds, LONGEST, FRAME),
    Target("image_message", image_message, _message_seeds, LONGEST, FRAME),
)
