# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""README's examples, run as they stand there."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from onnx import helper
from toy_models import Toy, onnx_add_sub, onnx_model, write_repository

from triton_ros.backends.registry import BackendRegistry
from triton_ros.core.request import InferenceRequest
from triton_ros.core.server import InferenceServer
from triton_ros.vision.processor import load_processor

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def block(language: str, start: str) -> str:
    """The one code block that begins so."""
    found = re.findall(rf"```{language}\n({re.escape(start)}.*?)```", README, re.DOTALL)
    assert len(found) == 1, f"{language} block '{start}': {len(found)} in README"
    return str(found[0])


def test_the_in_process_example(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_repository(tmp_path / "models", {"add_sub": Toy(onnx_add_sub())})
    monkeypatch.chdir(tmp_path)
    exec(block("python", "from pathlib import Path"), {})
    assert capsys.readouterr().out.split() == ["[[2.", *["2."] * 14, "2.]]"]


def test_the_vision_yaml_example(tmp_path: Path) -> None:
    """A model in YOLO v8's layout for two classes, [N, 4 + 2, 2048], is served by it."""
    files = {"vision.yaml": block("yaml", "# vision.yaml"), "labels.txt": "cat\ndog\n"}
    node = helper.make_node("Reshape", ["x", "shape"], ["y"])
    shape = {"shape": np.array([0, 6, 2048], np.int64)}
    tensors = {"x": ("FP32", ("N", 3, 64, 64))}, {"y": ("FP32", ("N", 6, 2048))}
    data = onnx_model([node], *tensors, shape)
    write_repository(tmp_path, {"yolo": Toy(data, extra=files)})
    with InferenceServer([tmp_path], BackendRegistry().load_backend, load_processor) as server:
        server.load_model("yolo").result(30)
        white = np.full((48, 64, 3), 255, np.uint8)
        response = server.infer(InferenceRequest("yolo", {"IMAGE": white}), 30)
    assert {"cat", "dog"} >= set(response.outputs["LABELS"])
    assert len(response.outputs["BOXES"]) == len(response.outputs["SCORES"]) > 0
