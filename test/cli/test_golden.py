# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Small differences are none, all others are; and a file is read as it was written."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from triton_ros.cli.golden import (
    NOWHERE,
    Answer,
    Found,
    Tolerance,
    differences,
    golden_line,
    iou,
    read_golden,
)
from triton_ros.core.errors import InvalidArgumentError

BOX = (100.0, 80.0, 60.0, 40.0, 0.0)
CAT = Found("cat", 0.9, BOX)
CUP = Found("cup", 0.7, (300.0, 200.0, 50.0, 50.0, 0.0))
GOOD = Answer(5, "cam", (CAT, CUP))


def different(golden: list[Answer], actual: list[Answer], **limits: Any) -> list[str]:
    return list(differences({"s": golden}, {"s": actual}, Tolerance(**limits)))


def test_small_differences_are_none() -> None:
    moved = replace(CAT, score=0.86, box=(101.0, 80.5, 61.0, 40.0, 0.02))
    weak = Found("spoon", 0.5, BOX)
    assert not different([GOOD], [replace(GOOD, found=(CUP, moved, weak))])


@pytest.mark.parametrize(
    "change",
    [
        {"class_id": "dog"},
        {"score": 0.7},
        {"box": (106.0, 80.0, 60.0, 40.0, 0.0)},
        {"box": (100.0, 80.0, 60.0, 40.0, math.pi)},
    ],
)
def test_a_changed_detection_is_a_difference(change: dict[str, Any]) -> None:
    changed = replace(GOOD, found=(replace(CAT, **change), CUP))
    missing, unexpected = different([GOOD], [changed])
    assert missing == "stream s: frame 5: missing 'cat' 0.90 at 100 80 60 40"
    assert "unexpected" in unexpected


def test_frames_are_compared_by_stamp() -> None:
    assert different([GOOD], []) == ["stream s: frame 5: not answered"]
    assert different([], [GOOD]) == ["stream s: frame 5: not in the golden file"]
    assert different([GOOD], [GOOD, GOOD]) == ["stream s: answered twice: [5]"]
    assert different([GOOD], [replace(GOOD, frame_id="x")]) == [
        "stream s: frame 5: frame_id 'x', golden 'cam'"
    ]
    assert list(differences({"s": [GOOD]}, {"t": [GOOD]}, Tolerance()))
    assert different([GOOD], [replace(GOOD, found=(CAT,))])
    assert different([GOOD], [replace(GOOD, found=(*GOOD.found, CAT))])


def test_tolerances_are_what_the_command_line_says() -> None:
    moved = replace(GOOD, found=(replace(CAT, box=(106.0, 80.0, 60.0, 40.0, 0.0)), CUP))
    assert not different([GOOD], [moved], iou=0.8)
    unsure = replace(GOOD, found=(replace(CAT, score=0.7), CUP))
    assert not different([GOOD], [unsure], score=0.3)
    assert not different([GOOD], [replace(GOOD, found=(CAT,))], least_score=0.75)


def test_overlap() -> None:
    assert iou(BOX, BOX) == pytest.approx(1)
    assert iou(BOX, (100.0, 80.0, 30.0, 40.0, 0.0)) == pytest.approx(0.5)
    assert iou(BOX, (400.0, 80.0, 60.0, 40.0, 0.0)) == 0
    assert iou(BOX, (100.0, 80.0, 40.0, 60.0, math.pi / 2)) == pytest.approx(1)
    assert iou(NOWHERE, NOWHERE) == 1, "a class without a place"


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "golden.jsonl"
    lines = [golden_line("s", GOOD), golden_line("t", Answer(6, "é", ()))]
    path.write_text("\n".join([lines[0], "", lines[1]]) + "\n", encoding="utf-8")
    assert read_golden(path) == {"s": [GOOD], "t": [Answer(6, "é", ())]}
    path.write_text(lines[0] + '\n{"stream": "s"}\n')
    with pytest.raises(InvalidArgumentError, match=r"golden.jsonl:2: not a line of stream"):
        read_golden(path)
    with pytest.raises(InvalidArgumentError, match="cannot be read"):
        read_golden(tmp_path / "none")
