# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The size of a JPEG or PNG from its header, without decoding a pixel.

A request needs the frame's size long before its pixels, and decoding belongs on another thread.
The ends are looked at too, and whether there are as many bytes as so many pixels need at least: the
decoder answers a truncated picture with gray (gigabytes of it, if a few hundred bytes say so), and
detections in gray are wrong answers.
"""

from __future__ import annotations

import cv2

from triton_ros.core.tensor import Array

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"IEND"
_CHUNK = 12
"""Bytes of an empty one: its length, kind and checksum."""
_JPEG = b"\xff\xd8"
_JPEG_END = b"\xff\xd9"
_TAIL = 4096
"""Some cameras pad their last packet: the end marker may be this far from the end."""
# The start-of-frame markers; C4, C8 and CC in this range mean something else.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BARE = frozenset((0x01, *range(0xD0, 0xD9)))
"""Markers without a length."""
_HUFFMAN = 0xC8
"""The frames below this marker are Huffman coded."""
_PIXELS_PER_BYTE = 512
"""Of them at most: each block of 8x8 brightnesses has a bit of its own at least."""
_PROGRESSIVE = frozenset((0xC2, 0xC6, 0xCA, 0xCE))
_SCAN, _MOST_SCANS = b"\xff\xda", 100
"""Each goes over the whole picture, and a dozen bytes are one; encoders make about ten."""
_DEFLATE = 1032
"""No more bytes than that come out of one."""
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Of a PNG's color types."""


def probe(data: bytes | memoryview) -> tuple[str, int, int] | None:
    """(`"jpeg"` or `"png"`, height, width), or None where the data is neither or was cut off."""
    if bytes(data[:8]) == _PNG:
        size = _png_size(data) if _has_end(data) else None
        return size and ("png", *size)
    if bytes(data[:2]) == _JPEG:
        size = _jpeg_size(data) if _JPEG_END in bytes(data[-_TAIL:]) else None
        return size and ("jpeg", *size)
    return None


def _number(data: bytes | memoryview, at: int, length: int) -> int:
    return int.from_bytes(data[at : at + length], "big")


def _has_end(data: bytes | memoryview) -> bool:
    """Whether every chunk of a PNG is there, up to the last.

    The decoder makes room for what a chunk says that it has.
    """
    at = len(_PNG)
    while at + _CHUNK <= len(data):
        kind, at = bytes(data[at + 4 : at + 8]), at + _CHUNK + _number(data, at, 4)
        if kind == _PNG_END:
            return at <= len(data)
    return False


def _png_size(data: bytes | memoryview) -> tuple[int, int] | None:
    if len(data) < 33 or bytes(data[12:16]) != b"IHDR":
        return None
    width, height = _number(data, 16, 4), _number(data, 20, 4)
    row = 1 + width * data[24] * _CHANNELS.get(data[25], 1) // 8
    return (height, width) if row * height <= _DEFLATE * len(data) else None


def _jpeg_size(data: bytes | memoryview) -> tuple[int, int] | None:
    at, end = 2, len(data) - 9
    while at < end:
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
        elif marker in _FRAMES:
            height, width = _number(data, at + 5, 2), _number(data, at + 7, 2)
            cut_off = marker < _HUFFMAN and height * width > _PIXELS_PER_BYTE * len(data)
            endless = marker in _PROGRESSIVE and bytes(data).count(_SCAN) > _MOST_SCANS
            return None if cut_off or endless else (height, width)
        else:
            at += 2 if marker in _BARE else 2 + _number(data, at + 2, 2)
    return None


def encode_jpeg(bgr: Array, quality: int = 80) -> bytes:
    """A uint8 [height, width, 3] BGR picture as JPEG."""
    _, data = cv2.imencode(".jpg", bgr, (cv2.IMWRITE_JPEG_QUALITY, quality))
    return bytes(data)
