# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Sizes from headers that encoders other than OpenCV's write."""

from __future__ import annotations

import pytest

from triton_ros.vision.compressed import probe


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body


def frame(marker: int = 0xC0, height: int = 480, width: int = 640) -> bytes:
    body = b"\x08" + height.to_bytes(2, "big") + width.to_bytes(2, "big") + b"\x03" + bytes(9)
    return segment(marker, body)


TABLES = segment(0xC4, bytes(20))
SCAN = segment(0xDA, bytes(10)) + b"\x12\x34"
END = b"\xff\xd9"


@pytest.mark.parametrize(
    "middle",
    [
        frame(),
        frame(0xC2),
        TABLES + frame(),
        segment(0xCC, bytes(8)) + segment(0xE1, bytes(5000)) + frame(),
        b"\xff\xff\xff" + frame(),
        b"\xff\x01" + frame(),
    ],
    ids=["baseline", "progressive", "tables first", "long tags", "fill bytes", "bare marker"],
)
@pytest.mark.parametrize("padding", [0, 3000])
def test_jpeg_headers(middle: bytes, padding: int) -> None:
    data = b"\xff\xd8" + middle + SCAN + END + bytes(padding)
    assert probe(data) == ("jpeg", 480, 640)
    assert probe(memoryview(data)) == ("jpeg", 480, 640)


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xd8" + frame() + SCAN,
        b"\xff\xd8" + SCAN + END,
        b"\xff\xd8" + TABLES[:-30] + END,
        b"\xff\xd8" + b"\x00" * 40 + END,
        b"\xff\xd8" + segment(0xE0, b"") * 3 + END,
        b"\x89PNG\r\n\x1a\n" + bytes(40) + b"IEND",
        b"BM" + bytes(60),
    ],
    ids=["no end", "no frame", "cut", "no marker", "tags only", "no IHDR", "a bitmap"],
)
def test_what_has_no_size(data: bytes) -> None:
    assert probe(data) is None
