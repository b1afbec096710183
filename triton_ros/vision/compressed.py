# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The size of a JPEG or PNG from its header, without decoding a pixel.

A request needs the frame's size long before its pixels, and decoding belongs on another thread.
The ends are looked at too: the decoder answers a truncated picture with gray, and detections in
gray are wrong answers.
"""

from __future__ import annotations

import cv2

from triton_ros.core.tensor import Array

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"IEND"
_JPEG = b"\xff\xd8"
_JPEG_END = b"\xff\xd9"
_TAIL = 4096
"""Some cameras pad their last packet: the end marker may be this far from the end."""
# The start-of-frame markers; C4, C8 and CC in this range mean something else.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BARE = frozenset((0x01, *range(0xD0, 0xD9)))
"""Markers without a length."""


def probe(data: bytes | memoryview) -> tuple[str, int, int] | None:
    """(`"jpeg"` or `"png"`, height, width), or None where the data is neither or was cut off."""
    if bytes(data[:8]) == _PNG:
        size = _png_size(data) if _PNG_END in bytes(data[-_TAIL:]) else None
        return size and ("png", *size)
    if bytes(data[:2]) == _JPEG:
        size = _jpeg_size(data) if _JPEG_END in bytes(data[-_TAIL:]) else None
        return size and ("jpeg", *size)
    return None


def _number(data: bytes | memoryview, at: int, length: int) -> int:
    return int.from_bytes(data[at : at + length], "big")


def _png_size(data: bytes | memoryview) -> tuple[int, int] | None:
    if len(data) < 33 or bytes(data[12:16]) != b"IHDR":
        return None
    return _number(data, 20, 4), _number(data, 16, 4)


def _jpeg_size(data: bytes | memoryview) -> tuple[int, int] | None:
    at, end = 2, len(data) - 9
    while at < end:
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
        elif marker in _FRAMES:
            return _number(data, at + 5, 2), _number(data, at + 7, 2)
        else:
            at += 2 if marker in _BARE else 2 + _number(data, at + 2, 2)
    return None


def encode_jpeg(bgr: Array, quality: int = 80) -> bytes:
    """A uint8 [height, width, 3] BGR picture as JPEG."""
    _, data = cv2.imencode(".jpg", bgr, (cv2.IMWRITE_JPEG_QUALITY, quality))
    return bytes(data)
