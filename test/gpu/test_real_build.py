# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the backend makes of ONNX files with NVIDIA's own parser and builder (see `real_build`)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cuda_rig import BUILD, CHECKOUT

BUILDER = CHECKOUT / "triton_ros/backends/tensorrt/builder.py"
Answers = dict[str, list[Any]]


@pytest.fixture(scope="module")
def built() -> Answers:
    """What came of each case."""
    if not BUILDER.is_file():
        pytest.skip("the TensorRT backend builds nothing in this checkout")
    if not (BUILD / "tensorrt_rtx").is_dir():
        pytest.skip("TensorRT-RTX was not fetched: run `make gpu-rig`")
    answer = subprocess.run(
        [sys.executable, "-W", "ignore", str(Path(__file__).parent / "real_build.py")],
        env={"PYTHONPATH": str(CHECKOUT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert answer.returncode == 0, answer.stderr
    answers: Answers = json.loads(answer.stdout)
    return answers


@pytest.mark.parametrize(
    "case",
    [
        *("static", "dynamic", "two profiles", "shape input", "workspace and level"),
        "damaged timings",
    ],
)
def test_a_plan_is_built(built: Answers, case: str) -> None:
    size, stages = built[case]
    assert isinstance(size, int), stages
    assert size > 10_000
    assert stages[0] == "building a plan of model.onnx"
    assert any("Building engine 1 of" in stage for stage in stages)


def test_a_second_profile_is_in_the_plan(built: Answers) -> None:
    assert built["two profiles"][0] > 1.5 * built["dynamic"][0]


@pytest.mark.parametrize(
    ("case", "kind", "words"),
    [
        ("second profile is wrong", "InvalidArgumentError", "MIN<=OPT<=MAX"),
        ("unknown operator", "InvalidArgumentError", "operator: Foo"),
        ("no onnx", "InvalidArgumentError", "Failed to parse the ONNX model"),
        ("empty", "InvalidArgumentError", "must have at least one output"),
        ("precision", "UnsupportedError", "precision_mode FP16"),
        ("stopped", "Stopped", ""),
    ],
)
def test_the_error_says_what_tensorrt_said(
    built: Answers, case: str, kind: str, words: str
) -> None:
    assert built[case][0] == kind
    assert words in built[case][1]
