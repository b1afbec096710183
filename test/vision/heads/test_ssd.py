# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Separate boxes and scores: formats, units, activations, background columns."""

from __future__ import annotations

import numpy as np
import pytest

from triton_ros.core.errors import ConfigError
from triton_ros.core.tensor import Array

HEAD = """
input: {{resize: letterbox}}
head:
  type: ssd
  boxes: b
  scores: s
  box_format: {box_format}
  units: {units}
  activation: {activation}
  background: {background}
labels: [cat, dog]
"""
FRAME = np.zeros((50, 100, 3), np.uint8)
TRUTH = np.array([[10, 5, 40, 45], [60, 10, 90, 30]], np.float32)
PICKS = {
    "xyxy": lambda b: b,
    "yxyx": lambda b: b[:, [1, 0, 3, 2]],
    "xywh": lambda b: np.hstack([b[:, :2], b[:, 2:] - b[:, :2]]),
    "cxcywh": lambda b: np.hstack([(b[:, :2] + b[:, 2:]) / 2, b[:, 2:] - b[:, :2]]),
}


def make(make_processor, columns: int = 2, rows: int = 6, **fields: str):
    defaults = {
        "box_format": "yxyx",
        "units": "normalized",
        "activation": "none",
        "background": "none",
    }
    return make_processor(
        HEAD.format(**{**defaults, **fields}),
        {"x": ("UINT8", (64, 64, 3))},
        {"b": ("FP32", (rows, 4)), "s": ("FP32", (6, columns))},
    )


def boxes_tensor(geometry, box_format: str = "yxyx", units: str = "normalized") -> Array:
    moved = geometry.to_model(TRUTH.reshape(-1, 2, 2)).reshape(-1, 4)
    found = np.zeros((6, 4), np.float32)
    found[[4, 1]] = PICKS[box_format](moved / (64 if units == "normalized" else 1))
    return found


@pytest.mark.parametrize("box_format", sorted(PICKS))
@pytest.mark.parametrize("units", ["normalized", "pixels"])
def test_box_formats_and_units(make_processor, box_format: str, units: str) -> None:
    processor = make(make_processor, box_format=box_format, units=units)
    work = processor.prepare({"IMAGE": FRAME}, {})
    scores = np.zeros((6, 2), np.float32)
    scores[4], scores[1] = [0.1, 0.7], [0.9, 0.2]
    raw = {"b": boxes_tensor(work.context.geometry, box_format, units), "s": scores}
    answer = processor.finish(work, [raw])
    assert answer["LABELS"].tolist() == ["cat", "dog"]
    assert answer["SCORES"].tolist() == pytest.approx([0.9, 0.7])
    assert np.abs(answer["BOXES"] - TRUTH[::-1]).max() < 1e-3


@pytest.mark.parametrize(
    ("activation", "background", "nothing", "dog"),
    [
        ("sigmoid", "none", [-9, -9], [-9, 2]),
        ("sigmoid", "first", [9, -9, -9], [-9, -9, 2]),
        ("sigmoid", "last", [-9, -9, 9], [-9, 2, -9]),
        ("softmax", "first", [9, -9, -9], [1, -9, 3]),
        ("softmax", "last", [-9, -9, 9], [-9, 3, 1]),
    ],
)
def test_activation_and_background(
    make_processor, activation: str, background: str, nothing: list[float], dog: list[float]
) -> None:
    processor = make(make_processor, len(dog), background=background, activation=activation)
    work = processor.prepare({"IMAGE": FRAME}, {})
    scores = np.tile(np.array(nothing, np.float32), (6, 1))
    scores[4] = dog
    raw = {"b": boxes_tensor(work.context.geometry), "s": scores}
    answer = processor.finish(work, [raw])
    # Both are the logistic function of 2: a score, or the lead over the background.
    assert answer["SCORES"].tolist() == pytest.approx([1 / (1 + np.exp(-2))], abs=1e-4)
    assert answer["LABELS"].tolist() == ["dog"]
    assert np.abs(answer["BOXES"] - TRUTH[0]).max() < 1e-3


@pytest.mark.parametrize(
    ("columns", "rows", "fields", "words"),
    [
        (3, 6, {}, r"head.scores makes 3 classes of output 's' .* labels has 2 labels"),
        (2, 6, {"background": "last"}, "makes 1 classes"),
        (2, 7, {}, r"as many rows: 's' has \[6, 2\], read as \[n, classes\], 'b' \[7, 4\]"),
        (
            2,
            6,
            {"box_format": "xyyx"},
            "must be one of xyxy, yxyx, xywh, cxcywh, cycxhw, got 'xyyx'",
        ),
        (2, 6, {"units": "metres"}, "must be one of pixels, normalized, source"),
    ],
)
def test_what_does_not_fit(make_processor, columns, rows, fields, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make(make_processor, columns, rows, **fields)
