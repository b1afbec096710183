# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Depth images: metres whatever they came as, for models of depth and for models of pixels."""

from __future__ import annotations

import contextlib
import struct

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from triton_ros.core.tensor import Array, materialize
from triton_ros.vision.compressed_depth import rvl_decode
from triton_ros.vision.encodings import depth_to_gray
from triton_ros.vision.image import Image, ImageError

CLASSIFY = "head: {type: classification, activation: none}\n"
OUT = {"out": ("FP32", (3,))}
MM = np.array([[0, 300, 1000], [2500, 10_000, 65_535]], np.uint16)
METRES = np.array([[np.nan, 0.3, 1.0], [2.5, 10.0, 65.535]], np.float32)


def rvl_encode(values: Array) -> bytes:
    """As the paper writes it: one nibble after the other."""
    nibbles: list[int] = []

    def put(number: int) -> None:
        while True:
            low, number = number & 7, number >> 3
            nibbles.append(low | (8 if number else 0))
            if not number:
                return

    flat, at, last = values.reshape(-1).tolist(), 0, 0
    while at < len(flat):
        begin = at
        while at < len(flat) and flat[at] == 0:
            at += 1
        zeros, begin = at - begin, at
        while at < len(flat) and flat[at] != 0:
            at += 1
        put(zeros)
        put(at - begin)
        for value in flat[begin:at]:
            step, last = value - last, value
            put((step << 1) ^ (step >> 31))
    nibbles += [0] * (-len(nibbles) % 8)
    words = []
    for start in range(0, len(nibbles), 8):
        word = 0
        for nibble in nibbles[start : start + 8]:
            word = word << 4 | nibble
        words.append(word)
    return struct.pack(f"<{len(words)}I", *words)


def same(found: Array, expected: Array) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("padding", [0, 4])
def test_raw_millimetres_and_metres(padding: int, big: bool) -> None:
    for encoding, values in (("16UC1", MM), ("32FC1", METRES)):
        stored = values.astype(values.dtype.newbyteorder(">" if big else "<"))
        rows = stored.view(np.uint8).reshape(2, -1)
        data = np.hstack([rows, np.full((2, padding), 0xAB, np.uint8)])
        image = Image.raw(data, 2, 3, encoding, data.shape[1], big)
        pixels, order = image.base()
        assert order == "depth"
        same(pixels, METRES)


def test_what_is_no_distance_is_nan() -> None:
    odd = np.array([[np.inf, -np.inf, -1.0, 0.0, np.nan, 2.0]], np.float32)
    pixels, _ = Image.raw(odd, 1, 6, "32FC1").base()
    assert np.isnan(pixels[0, :5]).all()
    assert pixels[0, 5] == 2.0
    assert np.isinf(odd[0, 0]), "the message's bytes stay as they are"


def test_png_of_a_depth_camera() -> None:
    data = cv2.imencode(".png", MM)[1].tobytes()
    pixels, order = Image.compressed(data, "16UC1; png compressed ").base()
    assert order == "depth"
    same(pixels, METRES)
    gray, _ = Image.compressed(data, "mono16; png compressed ").base()
    assert gray.dtype == np.uint8, "of a picture with 16 bits the high ones are seen"
    colour = cv2.imencode(".png", np.zeros((2, 3, 3), np.uint8))[1].tobytes()
    with pytest.raises(ImageError, match="no 16-bit depth"):
        Image.compressed(colour, "16UC1; png compressed ").base()


@pytest.mark.parametrize("codec", ["png", "rvl", ""])
def test_compressed_depth(codec: str) -> None:
    a, b = 100.0, 0.5
    header = struct.pack("<iff", 0, a, b)
    if codec == "rvl":
        body = struct.pack("<ii", 3, 2) + rvl_encode(MM)
    else:
        body = cv2.imencode(".png", MM)[1].tobytes()
    whole = Image.compressed(header + body, f"16UC1; compressedDepth {codec}".strip())
    assert (whole.height, whole.width) == (2, 3)
    same(whole.base()[0], METRES)
    quantised = Image.compressed(header + body, f"32FC1; compressedDepth {codec}".strip())
    expected = a / (MM.astype(np.float64) - b)
    expected[MM == 0] = np.nan
    same(quantised.base()[0], expected.astype(np.float32))


@given(arrays(np.uint16, st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_rvl_round_trip(values: Array) -> None:
    assert np.array_equal(rvl_decode(rvl_encode(values), *values.shape), values)


def test_rvl_of_a_smooth_scene_with_holes() -> None:
    y, x = np.mgrid[0:120, 0:160]
    values = (800 + 3 * x + 2 * y).astype(np.uint16)
    values[(x // 7 + y // 5) % 3 == 0] = 0
    assert np.array_equal(rvl_decode(rvl_encode(values), 120, 160), values)


@given(st.binary(max_size=400), st.integers(1, 20), st.integers(1, 20))
def test_rubbish_is_refused_or_decoded(data: bytes, height: int, width: int) -> None:
    with contextlib.suppress(ImageError):
        assert rvl_decode(data, height, width).shape == (height, width)


@given(
    st.binary(max_size=200), st.sampled_from(["16UC1", "32FC1"]), st.sampled_from(["png", "rvl"])
)
def test_no_bytes_break_the_reader(data: bytes, encoding: str, codec: str) -> None:
    with contextlib.suppress(ImageError):
        image = Image.compressed(data, f"{encoding}; compressedDepth {codec}")
        if image.height * image.width < 1 << 20:
            image.base()


def test_a_picture_of_depth() -> None:
    gray = depth_to_gray(np.array([[np.nan, 0.1, 0.3, 10.0, 20.0, 5.15]], np.float32), 0.3, 10.0)
    assert gray.tolist() == [[0, 255, 255, 1, 1, 128]]
    frame = Image.raw(MM, 2, 3, "16UC1")
    assert np.array_equal(frame.pixels("gray"), depth_to_gray(METRES, 0.3, 10.0))
    assert frame.pixels("bgr").shape == (2, 3, 3)


def test_a_model_of_pixels_sees_its_own_range(make_processor) -> None:
    yaml = "input: {color: gray, depth: [1, 3]}\n" + CLASSIFY
    processor = make_processor(yaml, {"x": ("UINT8", (1, 2, 3))}, OUT)
    (element,) = processor.prepare({"IMAGE": Image.raw(MM, 2, 3, "16UC1")}, {}).elements
    assert np.array_equal(materialize(element["x"])[0], depth_to_gray(METRES, 1, 3))


def test_a_model_of_depth_gets_metres_and_no_edge_is_blurred(make_processor) -> None:
    yaml = "input: {color: depth, layout: nchw, scale: 2, mean: 1}\n" + CLASSIFY
    processor = make_processor(yaml, {"x": ("FP32", (1, 4, 6))}, OUT)
    (element,) = processor.prepare({"IMAGE": Image.raw(MM, 2, 3, "16UC1")}, {}).elements
    found = materialize(element["x"])[0]
    expected = np.nan_to_num(METRES * 2 - 1).repeat(2, 0).repeat(2, 1)
    same(found, expected)


def test_a_model_of_depth_refuses_a_colour_frame(make_processor, picture: Array) -> None:
    yaml = "input: {color: depth, layout: nchw}\n" + CLASSIFY
    processor = make_processor(yaml, {"x": ("FP32", (1, 4, 6))}, OUT)
    (element,) = processor.prepare({"IMAGE": picture}, {}).elements
    with pytest.raises(ImageError, match="the frame has none") as caught:
        materialize(element["x"])
    assert caught.value.reason == "unsupported_encoding"
