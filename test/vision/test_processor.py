# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The processor's side of the port: names, inputs that cannot be used, parameters."""

from __future__ import annotations

import numpy as np
import pytest

from triton_ros.core.errors import InvalidArgumentError
from triton_ros.core.processing import Processor
from triton_ros.core.tensor import Array, materialize
from triton_ros.vision.image import Image

YAML = "input: {}\nhead: {type: classification}\nlabels: [cat, dog]\n"
REGIONS_YAML = "input: {regions: {}}\nhead: {type: classification}\nlabels: [cat, dog]\n"
MODEL = {"x": ("UINT8", (48, 64, 3))}, {"y": ("FP32", (2,))}


def test_it_is_a_processor(make_processor) -> None:
    whole: Processor = make_processor(YAML, *MODEL)
    regions: Processor = make_processor(REGIONS_YAML, *MODEL)
    assert [spec.name for spec in whole.inputs] == ["IMAGE"]
    assert [spec.name for spec in regions.inputs] == ["IMAGE", "REGIONS"]
    assert [spec.name for spec in whole.outputs] == ["LABELS", "CLASS_IDS", "SCORES"]
    assert whole.labels == ("cat", "dog")


def test_prepare_touches_no_pixel(make_processor) -> None:
    data = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x40\0\0\0\x30" + bytes(13) + b"IEND" + bytes(4)
    work = make_processor(YAML, *MODEL).prepare({"IMAGE": Image.compressed(data, "png")}, {})
    with pytest.raises(InvalidArgumentError, match="64x48 image cannot be decoded"):
        materialize(work.elements[0]["x"])


class Source:
    """A tensor source that is no Image: another model's output, say."""

    shape = (48, 64, 3)
    dtype = np.dtype(np.uint8)

    def write(self, out: Array) -> None:
        out[...] = 9


@pytest.mark.parametrize("value", [np.full((48, 64, 3), 9, np.uint8), Source()])
def test_arrays_and_sources_are_images(make_processor, value) -> None:
    work = make_processor(YAML, *MODEL).prepare({"IMAGE": value}, {})
    assert (materialize(work.elements[0]["x"]) == 9).all()


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({}, "input 'IMAGE' is missing"),
        ({"IMAGE": np.zeros((1, 48, 64, 3), np.uint8)}, r"got uint8 \[1, 48, 64, 3\]"),
        ({"IMAGE": np.zeros((48, 64, 3))}, "got float64"),
    ],
)
def test_images_that_cannot_be_used(make_processor, inputs, words: str) -> None:
    with pytest.raises(InvalidArgumentError, match=words):
        make_processor(YAML, *MODEL).prepare(inputs, {})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("score_threshold", 1.5),
        ("score_threshold", -0.1),
        ("score_threshold", "0.5"),
        ("score_threshold", float("nan")),
        ("iou_threshold", 2),
        ("iou_threshold", True),
        ("max_detections", 0),
        ("max_detections", 2.5),
        ("max_detections", True),
    ],
)
def test_parameters_that_cannot_be_used(make_processor, picture: Array, name: str, value) -> None:
    with pytest.raises(InvalidArgumentError, match=rf"'{name}' must be .* got {value!r}"):
        make_processor(YAML, *MODEL).prepare({"IMAGE": picture}, {name: value})


def test_parameters_of_others_are_left_alone(make_processor, picture: Array) -> None:
    make_processor(YAML, *MODEL).prepare({"IMAGE": picture}, {"priority": 3})
