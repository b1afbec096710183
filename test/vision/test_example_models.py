# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The example models' files: each vision.yaml against the dims that the real model file has."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from triton_ros.core.config.config_pbtxt import read_config
from triton_ros.core.config.model_config import InputConfig, ModelConfig, OutputConfig
from triton_ros.core.tensor import TensorSpec
from triton_ros.vision.processor import load_processor

REPOSITORY = Path(__file__).resolve().parents[2] / "config" / "model_repository"
ELEMENTS = {
    "coco_ssd": (300, 300, 3),
    "blazeface": (1, 128, 128, 3),
    "blazeface_full": (1, 192, 192, 3),
    "text_detection": (3, 480, 640),
    "text_angle": (3, 48, 192),
    "text_recognition": (3, 48, 320),
}
TFLITE = {
    "blazeface": (128, ("regressors", 896), ("classificators", 896)),
    "blazeface_full": (
        192,
        ("reshaped_regressor_face_4", 2304),
        ("reshaped_classifier_face_4", 2304),
    ),
}


def completed(name: str) -> ModelConfig:
    """The configuration with what the LiteRT files say about themselves."""
    config = read_config(REPOSITORY / name / "config.pbtxt", name)
    if name not in TFLITE:
        return config
    side, (regressors, rows), (scores, _) = TFLITE[name]
    return config.with_changes(
        input=(InputConfig(TensorSpec("input", "FP32", (1, side, side, 3))),),
        output=(
            OutputConfig(TensorSpec(regressors, "FP32", (1, rows, 16))),
            OutputConfig(TensorSpec(scores, "FP32", (1, rows, 1))),
        ),
    )


@pytest.mark.parametrize("name", sorted(ELEMENTS))
def test_example_model(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    shutil.copytree(REPOSITORY / name, folder)
    if name == "text_recognition":
        (folder / "characters.txt").write_text("\n".join("x" * 6623) + "\n", encoding="utf-8")
    processor = load_processor(completed(name), folder)
    assert processor is not None
    quads = np.array([[[0, 0], [200, 0], [200, 30], [0, 30]]], np.float32)
    inputs = {"IMAGE": np.zeros((480, 640, 3), np.uint8), "REGIONS": quads}
    (element,) = processor.prepare(inputs, {}).elements
    (source,) = element.values()
    assert source.shape == ELEMENTS[name]


def test_coco_labels() -> None:
    labels = (REPOSITORY / "coco_ssd" / "labels.txt").read_text(encoding="utf-8").splitlines()
    assert len(labels) == 90
    # COCO's own ids, which count from 1 and are known from its annotation files.
    ids = {1: "person", 3: "car", 17: "cat", 44: "bottle", 47: "cup", 67: "dining table"}
    assert {key: labels[key - 1] for key in ids} == ids
    assert labels[-1] == "toothbrush"


def test_every_model_directory_is_known() -> None:
    found = {path.parent.name for path in REPOSITORY.glob("*/vision.yaml")}
    assert found == set(ELEMENTS)


def test_the_signs_ensemble_connects() -> None:
    config = read_config(REPOSITORY / "signs" / "config.pbtxt", "signs")
    assert [step.model_name for step in config.ensemble] == [
        "text_detection",
        "text_angle",
        "text_recognition",
    ]
    known = {item.spec.name for item in config.input}
    for step in config.ensemble:
        assert set(step.input_map.values()) <= known
        known |= set(step.output_map.values())
    assert {item.spec.name for item in config.output} <= known
