# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The example models' files: each vision.yaml against the dims that the real model file has."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from skimage import data

from triton_ros.backends.registry import BackendRegistry
from triton_ros.core.config.config_pbtxt import read_config
from triton_ros.core.config.model_config import InputConfig, ModelConfig, OutputConfig
from triton_ros.core.request import InferenceRequest
from triton_ros.core.server import InferenceServer
from triton_ros.core.tensor import TensorSpec
from triton_ros.vision.processor import load_processor

REPOSITORY = Path(__file__).resolve().parents[2] / "config" / "model_repository"
ELEMENTS = {
    "coco_ssd": (300, 300, 3),
    "blazeface": (1, 128, 128, 3),
    "blazeface_full": (1, 192, 192, 3),
    "face_landmark": (192, 192, 3),
    "person_segmentation": (256, 256, 3),
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
    if name == "face_landmark":
        return config.with_changes(
            input=(InputConfig(TensorSpec("input_1", "FP32", (192, 192, 3))),),
            output=(
                OutputConfig(TensorSpec("conv2d_20", "FP32", (1, 1, 1404))),
                OutputConfig(TensorSpec("conv2d_30", "FP32", (1, 1, 1))),
            ),
        )
    if name == "person_segmentation":
        return config.with_changes(
            input=(InputConfig(TensorSpec("input_1", "FP32", (256, 256, 3))),),
            output=(OutputConfig(TensorSpec("activation_10", "FP32", (256, 256, 1))),),
        )
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


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("signs", ["text_detection", "text_angle", "text_recognition"]),
        ("faces_mesh", ["blazeface", "face_landmark"]),
        ("person_if_face", ["blazeface", "person_segmentation"]),
    ],
)
def test_the_ensembles_connect(name: str, steps: list[str]) -> None:
    config = read_config(REPOSITORY / name / "config.pbtxt", name)
    assert [step.model_name for step in config.ensemble] == steps
    known = {item.spec.name for item in config.input}
    for step in config.ensemble:
        assert set(step.input_map.values()) <= known
        known |= set(step.output_map.values())
    assert {item.spec.name for item in config.output} <= known


MADE = Path(__file__).resolve().parents[2] / "build" / "model_repository"


@pytest.mark.skipif(
    not (MADE / "faces_mesh").is_dir(), reason="no build/model_repository: run `make models`"
)
def test_the_mesh_sits_on_the_face() -> None:
    """The mesh's eyes, nose and mouth are where the detector's own six points are."""
    picture = data.astronaut()
    with InferenceServer([MADE], BackendRegistry().load_backend, load_processor) as server:
        server.load_model("faces_mesh").result()
        found = server.infer(InferenceRequest("faces_mesh", {"IMAGE": picture})).outputs
        six = server.infer(InferenceRequest("blazeface", {"IMAGE": picture})).outputs
    (mesh,), (points,), (box,) = found["KEYPOINTS"], six["KEYPOINTS"], found["BOXES"]
    assert found["KEYPOINT_SCORES"].min() > 0.9
    assert mesh.shape == (468, 2)
    # MediaPipe's numbers: corners of the eyes, tip of the nose, lips.
    eyes = mesh[[33, 133]].mean(axis=0), mesh[[263, 362]].mean(axis=0)
    own = np.array([*eyes, mesh[1], mesh[[13, 14]].mean(axis=0)])
    assert np.linalg.norm(own - points[:4], axis=1).max() < 0.12 * (box[2] - box[0])


@pytest.mark.skipif(
    not (MADE / "person_if_face").is_dir(),
    reason="no person_if_face in build/model_repository: run `make models` (needs npm)",
)
def test_people_are_outlined_where_there_is_a_face() -> None:
    """Hair, face and suit are hers, flag and shuttle are not; a cat is no reason to look."""
    picture = data.astronaut()
    # Cut through her face: its box begins at 0, which is no reason not to look.
    pictures = (picture, np.ascontiguousarray(picture[:, 205:]), data.cat())
    with InferenceServer([MADE], BackendRegistry().load_backend, load_processor) as server:
        server.load_model("person_if_face").result()
        assert server.describe("person_if_face").labels == ("background", "person")
        whole, cut, cat = (
            server.infer(InferenceRequest("person_if_face", {"IMAGE": image})).outputs
            for image in pictures
        )
    person = whole["CLASS_MAP"]
    assert person.shape == picture.shape[:2]
    assert person[30:170, 190:270].mean() > 0.9
    assert person[330:500, 150:300].mean() > 0.95
    assert not person[:180, :80].any()
    assert not person[:200, 400:].any()
    assert cut["BOXES"][0, 0] == 0
    assert (cut["CLASS_MAP"] == person[:, 205:]).mean() > 0.9
    assert set(cat) == {"BOXES", "SCORES", "LABELS"}
    assert cat["BOXES"].shape == (0, 4)
