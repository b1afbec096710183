# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The serialized bytes of `sensor_msgs/Image` and `CompressedImage`, read in place.

A raw subscription hands over the middleware's bytes; turning them into a Python message would copy
the pixels.  The few fields in front of the pixels are parsed here (CDR as OMG's DDS-XTYPES has
it: little or big endian, 4-byte alignment counted from byte 4) and the pixels stay where they are.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from triton_ros.vision.image import Image, ImageError

_BIG_ENDIAN, _LITTLE_ENDIAN = (0, 0), (0, 1)


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """`std_msgs/Header` as a value; copied verbatim to everything that answers the frame."""

    sec: int
    nanosec: int
    frame_id: str

    @property
    def stamp_ns(self) -> int:
        return self.sec * 1_000_000_000 + self.nanosec


class _Reader:
    """Walks over the fields in order."""

    def __init__(self, raw: bytes) -> None:
        if len(raw) < 4:
            raise ImageError(f"a serialized message of {len(raw)} bytes", "undecodable")
        encapsulation = raw[0], raw[1]
        if encapsulation not in (_LITTLE_ENDIAN, _BIG_ENDIAN):
            raise ImageError(
                f"serialization {raw[0]:02x}{raw[1]:02x} is not plain CDR", "undecodable"
            )
        self._raw = raw
        self._at = 4
        self._order = "<" if encapsulation == _LITTLE_ENDIAN else ">"

    def byte(self) -> int:
        self._at += 1
        return self._raw[self._at - 1]

    def uint32(self) -> int:
        return self._number("I")

    def int32(self) -> int:
        return self._number("i")

    def _number(self, kind: str) -> int:
        self._at += -self._at % 4  # byte 4 is aligned itself, so its offset does not matter
        (value,) = struct.unpack_from(self._order + kind, self._raw, self._at)
        self._at += 4
        return int(value)

    def string(self) -> str:
        length = self.uint32()
        text = self._take(length)
        return bytes(text).rstrip(b"\0").decode("utf-8", "replace")

    def octets(self) -> memoryview:
        return self._take(self.uint32())

    def header(self) -> FrameHeader:
        return FrameHeader(self.int32(), self.uint32(), self.string())

    def _take(self, length: int) -> memoryview:
        if self._at + length > len(self._raw):
            raise ImageError(
                f"a field of {length} bytes in a message of {len(self._raw)}", "undecodable"
            )
        self._at += length
        return memoryview(self._raw)[self._at - length : self._at]


def read_image(raw: bytes) -> tuple[FrameHeader, Image]:
    """A serialized `sensor_msgs/Image`; the pixels stay in `raw`.  Raises `ImageError`."""
    try:
        reader = _Reader(raw)
        header = reader.header()
        height, width = reader.uint32(), reader.uint32()
        encoding = reader.string()
        is_bigendian = bool(reader.byte())
        step = reader.uint32()
        pixels = reader.octets()
    except (struct.error, IndexError) as error:
        raise ImageError(f"not a sensor_msgs/Image: {error}", "undecodable") from None
    return header, Image.raw(pixels, height, width, encoding, step, is_bigendian)


def read_compressed(raw: bytes) -> tuple[FrameHeader, Image]:
    """A serialized `sensor_msgs/CompressedImage`; decoded later.  Raises `ImageError`."""
    try:
        reader = _Reader(raw)
        header = reader.header()
        kind = reader.string()
        data = reader.octets()
    except (struct.error, IndexError) as error:
        raise ImageError(f"not a sensor_msgs/CompressedImage: {error}", "undecodable") from None
    return header, Image.compressed(data, kind)
