# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""README's examples, run as they stand there."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from frontend_server import serving
from onnx import helper
from toy_models import Toy, onnx_add_sub, onnx_affine, onnx_model, write_repository

from triton_ros.backends.registry import BackendRegistry
from triton_ros.core.config.config_schema import supported_fields
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
    exec(block("python", "import numpy as np"), {})
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


def test_the_example_with_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_repository(tmp_path / "models", {"add_sub": Toy(onnx_add_sub())})
    monkeypatch.chdir(tmp_path)
    exec(block("python", "# a server with options"), {})
    shown = capsys.readouterr().out
    for part in ("2. 2.", '"max_batch_size":4', "'inference_count': ", "READY"):
        assert part in shown


def test_the_example_with_every_framework(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    toys = {"a": Toy(onnx_affine()), "b": Toy(onnx_affine())}
    write_repository(tmp_path / "build/frameworks", toys)
    monkeypatch.chdir(tmp_path)
    exec(block("python", "# every framework"), {})
    assert capsys.readouterr().out.count("[[3. 5. 7. 9.]]") == 2


def test_every_field_of_a_configuration_is_in_the_table() -> None:
    section = README.partition("### Fields of config.pbtxt")[2].partition("## Measured")[0]
    named = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]*)`", section))))
    # the fields of a message need no row of their own where the message is named as a whole
    whole = {"version_policy.", "input.", "output.", "instance_group.rate_limiter.", "parameters."}
    whole |= {"sequence_batching.", "ensemble_scheduling.", "model_warmup."}
    missing = [
        field
        for field in supported_fields()
        if field.rpartition(".")[2] not in named
        and not any(field.startswith(place) for place in whole)
    ]
    assert missing == []


def test_the_client_example(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(tmp_path, {"add_sub": Toy(onnx_add_sub())}) as served:
        exec(block("python", "# any Triton client").replace("localhost:8000", served.http), {})
    assert capsys.readouterr().out.split() == ["[[2.", *["2."] * 14, "2.]]"]
