# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A detector feeds a region model in an ensemble: which crops run, and what they see."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from onnx import helper
from toy_models import Toy, onnx_model, write_repository
from toy_vision import toy_detector

from triton_ros.backends.registry import BackendRegistry
from triton_ros.core.request import InferenceRequest
from triton_ros.core.server import InferenceServer
from triton_ros.core.tensor import Array
from triton_ros.vision.processor import load_processor

ENSEMBLE = """
platform: "ensemble"
input { name: "IMAGE" data_type: TYPE_UINT8 dims: [-1, -1, 3] }
output { name: "BOXES" data_type: TYPE_FP32 dims: [-1, 4] }
output { name: "LABELS" data_type: TYPE_STRING dims: [-1] }
output { name: "LABELS_COLOR" data_type: TYPE_STRING dims: [-1] }
output { name: "SCORES_COLOR" data_type: TYPE_FP32 dims: [-1] }
ensemble_scheduling { step [
  { model_name: "detector" model_version: -1
    input_map { key: "IMAGE" value: "IMAGE" }
    output_map { key: "BOXES" value: "BOXES" }
    output_map { key: "REGIONS" value: "regions" }
    output_map { key: "LABELS" value: "LABELS" } },
  { model_name: "color" model_version: -1
    input_map { key: "IMAGE" value: "IMAGE" }
    input_map { key: "REGIONS" value: "regions" }
    MORE
    output_map { key: "LABELS" value: "LABELS_COLOR" }
    output_map { key: "SCORES" value: "SCORES_COLOR" } }
] }
"""
BOXES = [[0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1], [0, 0.5, 0.5, 1]]
SCORES = [[0.9, 0], [0, 0.8], [0.7, 0]]


def color_model(regions: str) -> Toy:
    """The channel that is brightest in the mean of the crop."""
    node = helper.make_node("ReduceMean", ["x"], ["y"], axes=[1, 2], keepdims=0)
    data = onnx_model([node], {"x": ("FP32", ("N", 8, 8, 3))}, {"y": ("FP32", ("N", 3))})
    vision = (
        f"input: {{scale: 1/255, regions: {{{regions}}}}}\n"
        "head: {type: classification, activation: none}\nlabels: [red, green, blue]\n"
    )
    return Toy(data, "max_batch_size: 8", extra={"vision.yaml": vision})


def answer(tmp_path: Path, regions: str) -> Mapping[str, Array]:
    """Of a frame that is blue at its top left, green at its bottom right, and red elsewhere."""
    more = 'input_map { key: "LABELS" value: "LABELS" }' if "only" in regions else ""
    models = {
        "detector": toy_detector(BOXES, SCORES, ("person", "car")),
        "color": color_model(regions),
        "cascade": Toy(None, ENSEMBLE.replace("MORE", more)),
    }
    frame = np.zeros((60, 80, 3), np.uint8)
    frame[..., 0] = 255
    frame[:30, :40] = [0, 0, 255]
    frame[30:, 40:] = [0, 255, 0]
    registry = BackendRegistry()
    root = write_repository(tmp_path, models)
    with InferenceServer([root], registry.load_backend, load_processor) as server:
        for name in models:
            server.load_model(name).result(30)
        return server.infer(InferenceRequest("cascade", {"IMAGE": frame}), 30).outputs


def test_any_detector_feeds_a_region_model(tmp_path: Path) -> None:
    found = answer(tmp_path, "")
    assert found["LABELS"].tolist() == ["person", "car", "person"]
    assert found["BOXES"].tolist() == [[0, 0, 40, 30], [40, 30, 80, 60], [0, 30, 40, 60]]
    assert found["LABELS_COLOR"].tolist() == ["blue", "green", "red"]
    assert found["SCORES_COLOR"].tolist() == pytest.approx([1, 1, 1], abs=1e-5)


def test_only_some_labels_run(tmp_path: Path) -> None:
    found = answer(tmp_path, "only: person")
    assert found["LABELS"].tolist() == ["person", "car", "person"]
    assert found["LABELS_COLOR"].tolist() == ["blue", "", "red"]
    assert found["SCORES_COLOR"].tolist() == pytest.approx([1, 0, 1], abs=1e-5)


def test_none_of_the_labels_runs(tmp_path: Path) -> None:
    found = answer(tmp_path, "only: [bird]")
    assert found["LABELS_COLOR"].tolist() == ["", "", ""]


def test_a_margin_sees_the_neighbours(tmp_path: Path) -> None:
    found = answer(tmp_path, "margin: 1")
    assert found["BOXES"].tolist() == [[0, 0, 40, 30], [40, 30, 80, 60], [0, 30, 40, 60]]
    # A third of each side is its own, so that no colour fills the crop any more.
    assert (found["SCORES_COLOR"] < 0.7).all()
