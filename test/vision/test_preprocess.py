# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Frames written into slots: values, places, every layout and dtype, nothing beside the slot."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from triton_ros.core.tensor import Array, TensorSource, materialize
from triton_ros.vision.image import Image

CLASSIFY = "head: {type: classification, activation: none}\n"
OUT = {"out": ("FP32", (3,))}
ENCODERS = {
    "rgb8": None,
    "bgr8": cv2.COLOR_RGB2BGR,
    "rgba8": cv2.COLOR_RGB2RGBA,
    "bgra8": cv2.COLOR_RGB2BGRA,
    "mono8": cv2.COLOR_RGB2GRAY,
}


def frame(picture: Array, encoding: str) -> Image:
    code = ENCODERS[encoding]
    stored = picture if code is None else cv2.cvtColor(picture, code)
    return Image.raw(stored.tobytes(), *picture.shape[:2], encoding)


def expected(image: Image, color: str, values: tuple[float, float, float]) -> Array:
    """[h, w, c] float64 by the documented formula."""
    scale, mean, std = values
    pixels = image.pixels(color)  # type: ignore[arg-type]
    flat = pixels.reshape(*pixels.shape[:2], -1).astype(np.float64)
    return (flat * scale - mean) / std


@pytest.mark.parametrize("encoding", sorted(ENCODERS))
@pytest.mark.parametrize("color", ["rgb", "bgr", "gray"])
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("datatype", ["UINT8", "INT8", "FP16", "FP32", "FP64"])
def test_layout_colour_and_type(
    make_processor, picture: Array, encoding: str, color: str, first: bool, datatype: str
) -> None:
    channels = 1 if color == "gray" else 3
    dims = (channels, 48, 64) if first else (48, 64, channels)
    values = {"UINT8": (1, 0, 1), "INT8": (1, 128, 1)}.get(datatype, (1 / 255, 0.5, 0.25))
    yaml = (
        f"input: {{color: {color}, scale: {values[0]}, mean: {values[1]}, std: {values[2]}}}\n"
        + CLASSIFY
    )
    processor = make_processor(yaml, {"x": (datatype, dims)}, OUT)
    image = frame(picture, encoding)
    (element,) = processor.prepare({"IMAGE": image}, {}).elements
    source = element["x"]
    assert isinstance(source, TensorSource)
    assert source.shape == dims
    batch = np.full((3, *dims), 77, source.dtype)
    source.write(batch[1])
    found = batch[1].transpose(1, 2, 0) if first else batch[1]
    tolerance = {"FP16": 2e-3, "FP32": 1e-6}.get(datatype, 0)
    assert np.abs(found.astype(np.float64) - expected(image, color, values)).max() <= tolerance
    assert (batch[[0, 2]] == 77).all()


@pytest.mark.parametrize("first", [True, False])
def test_one_mean_and_std_a_channel(make_processor, picture: Array, first: bool) -> None:
    yaml = (
        "input: {scale: 1/255, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]}\n"
        + CLASSIFY
    )
    dims = (3, 48, 64) if first else (48, 64, 3)
    processor = make_processor(yaml, {"x": ("FP32", dims)}, OUT)
    work = processor.prepare({"IMAGE": frame(picture, "bgr8")}, {})
    found = materialize(work.elements[0]["x"])
    found = found.transpose(1, 2, 0) if first else found
    wanted = (picture / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    assert np.abs(found - wanted).max() < 1e-6


@pytest.mark.parametrize("encoding", ["rgb8", "bgr8"])
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("datatype", ["UINT8", "FP32"])
@pytest.mark.parametrize(
    ("resize", "top"), [("letterbox", 16), ("letterbox_top_left", 0), ("stretch", None)]
)
def test_resizing_and_bars(
    make_processor,
    picture: Array,
    encoding: str,
    first: bool,
    datatype: str,
    resize: str,
    top: int | None,
) -> None:
    yaml = f"input: {{resize: {resize}, fill: [114, 7, 9]}}\n" + CLASSIFY
    dims = (3, 128, 128) if first else (128, 128, 3)
    processor = make_processor(yaml, {"x": (datatype, dims)}, OUT)
    work = processor.prepare({"IMAGE": frame(picture, encoding)}, {})
    found = materialize(work.elements[0]["x"])
    found = found.transpose(1, 2, 0) if first else found
    if top is None:
        assert np.array_equal(found, cv2.resize(picture, (128, 128)))
        return
    assert np.array_equal(found[top : top + 96], cv2.resize(picture, (128, 96)))
    bars = np.concatenate([found[:top], found[top + 96 :]])
    assert len(bars) == 32
    assert (bars == (114, 7, 9)).all()


def test_narrow_frames_have_bars_left_and_right(make_processor, picture: Array) -> None:
    yaml = "input: {resize: letterbox, fill: 3}\n" + CLASSIFY
    processor = make_processor(yaml, {"x": ("UINT8", (48, 128, 3))}, OUT)
    found = materialize(processor.prepare({"IMAGE": picture}, {}).elements[0]["x"])
    assert np.array_equal(found[:, 32:96], picture)
    assert (found[:, :32] == 3).all()
    assert (found[:, 96:] == 3).all()


def test_variable_dims_take_the_size_or_the_frames_own(make_processor, picture: Array) -> None:
    dims = ("UINT8", (-1, -1, 3))
    fixed = make_processor("input: {size: [20, 30]}\n" + CLASSIFY, {"x": dims}, OUT)
    assert fixed.prepare({"IMAGE": picture}, {}).elements[0]["x"].shape == (20, 30, 3)
    free = make_processor("input: {multiple_of: 32, longest: 40}\n" + CLASSIFY, {"x": dims}, OUT)
    assert free.prepare({"IMAGE": picture}, {}).elements[0]["x"].shape == (32, 32, 3)
    large = make_processor("input: {multiple_of: 32, shortest: 96}\n" + CLASSIFY, {"x": dims}, OUT)
    assert large.prepare({"IMAGE": picture}, {}).elements[0]["x"].shape == (96, 128, 3)


@pytest.mark.parametrize("shape", [(1, 96, 128, 3), (1, 3, 96, 128)])
def test_a_model_without_batch_dim_keeps_its_leading_one(
    make_processor, picture: Array, shape: tuple[int, ...]
) -> None:
    processor = make_processor(
        "input: {scale: 0.5}\n" + CLASSIFY,
        {"x": ("FP32", shape)},
        {"out": ("FP32", (1, 3))},
        max_batch_size=0,
    )
    work = processor.prepare({"IMAGE": picture}, {})
    found = materialize(work.elements[0]["x"])
    assert found.shape == shape
    found = found[0] if shape[3] == 3 else found[0].transpose(1, 2, 0)
    assert np.array_equal(found, cv2.resize(picture, (128, 96)) * np.float32(0.5))
    answer = processor.finish(work, [{"out": np.array([[0.1, 0.7, 0.2]], np.float32)}])
    assert answer["CLASS_IDS"].tolist() == [1]
