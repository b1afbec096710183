# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The fake builder answers what NVIDIA's does: both are asked the same by `builder_behaviour`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cuda_rig import BUILD, CHECKOUT, DEFAULT_RELEASE, RigMissing, require_bindings, require_driver

Answers = dict[str, Any]


def _asked(whom: str) -> Answers:
    program = Path(__file__).parent / "builder_behaviour.py"
    answer = subprocess.run(
        [sys.executable, "-W", "ignore", str(program), whom],
        env={"PYTHONPATH": str(CHECKOUT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert answer.returncode == 0, answer.stderr
    answers: Answers = json.loads(answer.stdout)
    return answers


@pytest.fixture(scope="module")
def fake() -> Answers:
    """The fake's answers."""
    try:
        require_driver()
        require_bindings(DEFAULT_RELEASE)
    except RigMissing as missing:
        pytest.skip(str(missing))
    return _asked("fake")


def test_the_fake_answers_as_tensorrt_rtx(fake: Answers) -> None:
    if not (BUILD / "tensorrt_rtx").is_dir():
        pytest.skip("TensorRT-RTX was not fetched: run `make gpu-rig`")
    real = _asked("rtx")
    assert len(real) > 25
    different = {k: (fake.get(k), answer) for k, answer in real.items() if fake.get(k) != answer}
    assert not different


def test_right_uses_are_built_and_wrong_ones_are_not(fake: Answers) -> None:
    """So that two builders that both fail at everything are not taken for alike."""
    for use in ("static", "dynamic", "two profiles", "unknown input", "watched"):
        assert fake[use][1] is True
    assert fake["no profile"] == [[], False, "no optimization profile has been defined"]
    assert fake["min after opt"][0] == [-1]
    assert fake["cancelled"] == [[], False, "BuildCanceled"]
