# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Commands as a person runs them, on a toy repository and a bag of toy frames."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_files import Run, make_bag
from toy_models import Toy, onnx_identity, write_repository
from toy_vision import toy_detector

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def run() -> Run:
    """``run("models", ...)``: status and output of a command."""

    def command(*arguments: object, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "triton_ros.main", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=100,
            cwd=ROOT,
            env={**os.environ, **more},
            check=False,
        )

    return command


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A detector that answers by brightness, and a model of raw tensors."""
    folder = tmp_path_factory.mktemp("models")
    toys = {"bright": toy_detector(by_brightness=True), "tensors": Toy(onnx_identity())}
    write_repository(folder, toys)
    return folder


@pytest.fixture(scope="session")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bag(tmp_path_factory.mktemp("bag") / "bag")
