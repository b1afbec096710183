# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A real detector with the example suppression behind it, as one ensemble of two frameworks."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import pytest
from toy_models import Toy, write_model
from toy_shared_library import NO_COMPILER

from triton_ros.backends.registry import BackendRegistry
from triton_ros.backends.shared_library import build
from triton_ros.core.request import InferenceRequest
from triton_ros.core.server import InferenceServer

MADE = Path(__file__).resolve().parents[2] / "build/model_repository"
TIMEOUT = 60
NMS = """backend: "nms" max_batch_size: 8
input [ { name: "boxes" data_type: TYPE_FP32 dims: [-1, 4] },
        { name: "scores" data_type: TYPE_FP32 dims: [-1, -1] } ]
output [ { name: "indices" data_type: TYPE_INT32 dims: [-1] },
         { name: "classes" data_type: TYPE_INT32 dims: [-1] },
         { name: "kept" data_type: TYPE_FP32 dims: [-1, 4] },
         { name: "confidences" data_type: TYPE_FP32 dims: [-1] },
         { name: "count" data_type: TYPE_INT32 dims: [1] } ]
parameters { key: "score" value: { string_value: "0.5" } }
parameters { key: "max" value: { string_value: "20" } }"""
DETECT = """platform: "ensemble" max_batch_size: 4
input { name: "image" data_type: TYPE_UINT8 dims: [300, 300, 3] }
output [ { name: "classes" data_type: TYPE_INT32 dims: [-1] },
         { name: "kept" data_type: TYPE_FP32 dims: [-1, 4] },
         { name: "count" data_type: TYPE_INT32 dims: [1] } ]
ensemble_scheduling { step [
  { model_name: "coco_ssd" model_version: -1
    input_map { key: "images" value: "image" }
    output_map [ { key: "boxes" value: "b" }, { key: "scores" value: "s" } ] },
  { model_name: "nms" model_version: -1
    input_map [ { key: "boxes" value: "b" }, { key: "scores" value: "s" } ]
    output_map [ { key: "classes" value: "classes" }, { key: "kept" value: "kept" },
                 { key: "count" value: "count" } ] } ] }"""


@pytest.mark.skipif(bool(NO_COMPILER), reason=NO_COMPILER)
@pytest.mark.skipif(
    not (MADE / "coco_ssd").is_dir(), reason="no coco_ssd in build/model_repository: `make models`"
)
def test_a_detector_s_boxes_are_suppressed_in_c(tmp_path: Path) -> None:
    data = pytest.importorskip("skimage.data", reason="scikit-image has the picture")
    build.build_examples(tmp_path / "backends")
    models = tmp_path / "models"
    shutil.copytree(MADE / "coco_ssd", models / "coco_ssd")
    write_model(models / "nms", Toy(config=NMS))
    write_model(models / "detect", Toy(config=DETECT))
    registry = BackendRegistry(backend_directory=tmp_path / "backends")
    with InferenceServer([models], registry.load_backend) as server:
        for name in ("coco_ssd", "nms", "detect"):
            server.load_model(name).result(TIMEOUT)
        picture = cv2.resize(data.coffee(), (300, 300))[None]
        found = server.infer(InferenceRequest("detect", {"image": picture}), TIMEOUT).outputs
    labels = (MADE / "coco_ssd/labels.txt").read_text().splitlines()
    count = int(found["count"].item())
    assert [labels[c] for c in found["classes"][0][:count]] == ["cup", "dining table"]
    assert found["kept"][0][0].round(1).tolist() == pytest.approx([0.0, 0.3, 0.6, 0.7], abs=0.11)
