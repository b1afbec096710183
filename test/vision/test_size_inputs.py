# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Inputs that tell a model the picture's size: values, orders, shapes, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from triton_ros.core.errors import ConfigError
from triton_ros.core.tensor import Array

YAML = "input: {{tensor: x, resize: {resize}, size_inputs: {{s: {meaning}}}}}\n"
HEAD = "head: {type: classification}\n"
OUT = {"y": ("FP32", (2,))}
PICTURE = np.zeros((50, 100, 3), np.uint8)


def tensor(make_processor, meaning: str, kind: str, dims, resize: str = "stretch") -> Array:
    side = (1, 40, 80, 3) if len(dims) == 2 else (40, 80, 3)
    processor = make_processor(
        YAML.format(meaning=meaning, resize=resize) + HEAD,
        {"x": ("UINT8", side), "s": (kind, dims)},
        OUT,
        max_batch_size=0 if len(dims) == 2 else 4,
    )
    (element,) = processor.prepare({"IMAGE": PICTURE}, {}).elements
    assert set(element) == {"x", "s"}
    found = element["s"]
    assert isinstance(found, np.ndarray)
    return found


@pytest.mark.parametrize(
    ("meaning", "kind", "wanted"),
    [
        ("source_wh", "INT64", [100, 50]),
        ("source_hw", "INT32", [50, 100]),
        ("input_wh", "FP32", [80, 40]),
        ("input_hw", "INT64", [40, 80]),
        ("scale_wh", "FP32", [0.8, 0.8]),
        ("scale_hw", "FP32", [0.8, 0.8]),
    ],
)
def test_meanings(make_processor, meaning: str, kind: str, wanted: list[float]) -> None:
    found = tensor(make_processor, meaning, kind, (2,))
    assert found.tolist() == pytest.approx(wanted)
    assert found.dtype == np.dtype({"INT64": "i8", "INT32": "i4", "FP32": "f4"}[kind])
    assert tensor(make_processor, meaning, kind, (1, 2)).shape == (1, 2)


def test_the_order_of_a_scale(make_processor) -> None:
    yaml = "input: {tensor: x, size_inputs: {s: scale_hw, t: scale_wh}}\n" + HEAD
    inputs = {"x": ("UINT8", (25, 80, 3)), "s": ("FP32", (2,)), "t": ("FP32", (2,))}
    (element,) = make_processor(yaml, inputs, OUT).prepare({"IMAGE": PICTURE}, {}).elements
    assert element["s"].tolist() == pytest.approx([0.5, 0.8])
    assert element["t"].tolist() == pytest.approx([0.8, 0.5])


@pytest.mark.parametrize(
    ("section", "spec", "words"),
    [
        ("{s: source}", ("INT64", (2,)), "input.size_inputs.s must be one of source_wh, source_hw"),
        ("{t: source_wh}", ("INT64", (2,)), "size_inputs.t is no input of the model; .* x, s"),
        ("{s: source_wh}", ("INT64", (4,)), r"s must have dims \[2\], the input has \[4\]"),
        ("{s: source_wh}", ("INT64", (3, 2)), r"s must have dims \[2\], the input has \[3, 2\]"),
        ("{s: source_wh}", ("BYTES", (2,)), "s must be of numbers, the input is BYTES"),
        ("{s: scale_wh}", ("INT64", (2,)), "s is scale_wh, a fraction, but the input is INT64"),
        ("{x: input_wh, s: input_wh}", ("INT64", (2,)), "x must have dims"),
    ],
)
def test_what_is_refused(make_processor, section: str, spec, words: str) -> None:
    yaml = f"input:\n  tensor: x\n  size_inputs: {section}\n" + HEAD
    with pytest.raises(ConfigError, match=r"vision.yaml:3: .*" + words):
        make_processor(yaml, {"x": ("UINT8", (8, 8, 3)), "s": spec}, OUT)


def test_regions_have_none(make_processor) -> None:
    yaml = "input:\n  tensor: x\n  regions: {}\n  size_inputs: {s: source_wh}\n" + HEAD
    with pytest.raises(ConfigError, match=r"yaml:4: input.size_inputs is for models that look at"):
        make_processor(yaml, {"x": ("UINT8", (8, 8, 3)), "s": ("INT64", (2,))}, OUT)
