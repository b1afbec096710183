# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Class numbers of models: offsets, lists, COCO's holes, and numbers that mean nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from triton_ros.vision.heads.class_ids import COCO_91

LABELS = Path(__file__).resolve().parents[3] / "config" / "model_repository" / "coco_ssd"
FRAME = np.zeros((64, 64, 3), np.uint8)


def classes(make_processor, fields: str, labels: str, numbers: list[float]) -> list[int]:
    yaml = (
        "input: {}\n"
        f"head: {{type: detections, format: tflite, boxes: b, scores: s, classes: c{fields}}}\n"
        f"{labels}"
    )
    count = len(numbers)
    processor = make_processor(
        yaml,
        {"x": ("UINT8", (64, 64, 3))},
        {"b": ("FP32", (count, 4)), "s": ("FP32", (count,)), "c": ("FP32", (count,))},
    )
    work = processor.prepare({"IMAGE": FRAME}, {})
    raw = {
        "b": np.tile(np.float32([0, 0, 1, 1]), (count, 1)),
        "s": np.linspace(0.9, 0.5, count, dtype=np.float32),
        "c": np.array(numbers, np.float32),
    }
    found: list[int] = processor.finish(work, [raw])["CLASS_IDS"].tolist()
    return found


STRANGE = [float("nan"), float("inf"), -float("inf"), 3.4e38]


def test_offsets(make_processor) -> None:
    assert classes(make_processor, "", "", [0, 1, 5, -1]) == [0, 1, 5]
    assert classes(make_processor, ", label_offset: 1", "", [0, 1, 5.0001, -1]) == [0, 5 - 1]


def test_a_list_of_ids(make_processor) -> None:
    fields, labels = ", label_ids: [7, 3]", "labels: [cat, dog]\n"
    assert classes(make_processor, fields, labels, [3, 7, 5, 0, 8, 9, -1]) == [1, 0]


def test_ids_of_coco(make_processor) -> None:
    numbers = [1, 12, 13, 90, 91, 0]
    assert classes(make_processor, ", label_ids: coco_91", "", numbers) == [0, 11, 79]


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [("", [1, 100_000]), (", label_ids: [1, 2]", [0]), (", label_ids: [2]", [])],
)
def test_numbers_that_are_none(make_processor, fields: str, wanted: list[int]) -> None:
    with np.errstate(all="raise"):
        assert classes(make_processor, fields, "", [1, *STRANGE]) == wanted


def test_the_holes_are_what_coco_left_out() -> None:
    names = (LABELS / "labels.txt").read_text(encoding="utf-8").splitlines()
    assert len(COCO_91) == 80
    holes = [name for number, name in enumerate(names, 1) if number not in COCO_91]
    assert holes == [
        "street sign", "hat", "shoe", "eye glasses", "plate", "mirror", "window", "desk", "door",
        "blender",
    ]  # fmt: skip
