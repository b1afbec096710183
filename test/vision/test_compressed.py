# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Sizes from headers that encoders other than OpenCV's write."""

from __future__ import annotations

import io
import struct
import tracemalloc

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from triton_ros.vision.compressed import probe
from triton_ros.vision.image import MAX_PIXELS, Image, ImageError


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body


def frame(marker: int = 0xC0, height: int = 48, width: int = 64) -> bytes:
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
    assert probe(data) == ("jpeg", 48, 64)
    assert probe(memoryview(data)) == ("jpeg", 48, 64)


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xd8" + frame() + SCAN,
        b"\xff\xd8" + SCAN + END,
        b"\xff\xd8" + TABLES[:-30] + END,
        b"\xff\xd8" + b"\x00" * 40 + END,
        b"\xff\xd8" + segment(0xE0, b"") * 3 + END,
        b"\xff\xd8" + frame(height=480, width=640) + SCAN + END,
        b"\xff\xd8" + frame(0xC2) + SCAN * 101 + END,
        b"\x89PNG\r\n\x1a\n" + bytes(40) + b"IEND",
        b"BM" + bytes(60),
    ],
    ids=[
        "no end",
        "no frame",
        "cut",
        "no marker",
        "tags only",
        "gray",
        "scans",
        "no IHDR",
        "a bitmap",
    ],
)
def test_what_has_no_size(data: bytes) -> None:
    assert probe(data) is None


@pytest.mark.parametrize(
    ("kind", "mode", "options"),
    [
        *(("png", mode, {}) for mode in ("1", "L", "RGB")),
        *(("jpeg", mode, {"progressive": p}) for mode in ("L", "RGB") for p in (False, True)),
    ],
)
def test_pictures_that_pack_best_are_whole(kind: str, mode: str, options: dict[str, bool]) -> None:
    """Nothing but black, as small as it gets."""
    file = io.BytesIO()
    Pillow.new(mode, (2000, 1500)).save(file, kind, quality=1, optimize=True, **options)
    assert probe(file.getvalue()) == (kind, 1500, 2000)


def resized(extension: str, height: int, width: int) -> bytes:
    """A picture of 8x8 pixels that says it has others."""
    data = bytearray(cv2.imencode(extension, np.zeros((8, 8, 3), np.uint8))[1].tobytes())
    if extension == ".jpg":
        struct.pack_into(">HH", data, data.find(b"\xff\xc0") + 5, height, width)
    else:
        struct.pack_into(">II", data, 16, width, height)
    return bytes(data)


@pytest.mark.parametrize("extension", [".jpg", ".png"])
def test_a_few_bytes_do_not_become_gigabytes(extension: str) -> None:
    """600 bytes took 2.3 GB and 5 s: the decoder makes what is missing gray."""
    data = resized(extension, 20000, 20000)
    tracemalloc.start()
    try:
        with pytest.raises(ImageError) as caught:
            Image.compressed(data, "jpeg").base()
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    assert caught.value.reason == "undecodable"


@pytest.mark.parametrize("kind", [b"IDAT", b"IEND"])
def test_no_room_is_made_for_a_chunk_that_is_not_there(kind: bytes) -> None:
    """OpenCV's reader believed the length: 160 bytes took 4 GB."""
    data = bytearray(cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes())
    probed = probe(bytes(data))
    at = data.find(kind) - 4
    data[at : at + 4] = b"\x3e\x00\x00\x00"
    assert (probed, probe(bytes(data))) == (("png", 8, 8), None)


def test_what_a_picture_becomes_is_limited() -> None:
    header, zeros = bytes(12), b"\x00\x00\x00\x00"
    with pytest.raises(ImageError, match=f"30000x30000 pixels; accepted: {MAX_PIXELS}") as caught:
        data = header + struct.pack("<ii", 30000, 30000) + zeros
        Image.compressed(data, "16UC1; compressedDepth rvl")
    assert caught.value.reason == "bad_size"
