# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A detector far away behind the robot's own vision.yaml: pictures in, boxes out, as from here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from kserve_server import Remote
from toy_models import Toy, write_repository
from toy_vision import toy_detector

from triton_ros.backends.registry import BackendRegistry
from triton_ros.core.request import InferenceRequest
from triton_ros.core.server import InferenceServer
from triton_ros.vision.processor import load_processor

TIMEOUT = 30
PICTURE = np.full((48, 64, 3), 100, np.uint8)
CONFIG = """backend: "kserve" max_batch_size: 8
parameters { key: "url" value: { string_value: "URL" } }
parameters { key: "protocol" value: { string_value: "PROTOCOL" } }
output { name: "boxes" data_type: TYPE_FP32 dims: [1, 4] }
output { name: "scores" data_type: TYPE_FP32 dims: [1, 1] label_filename: "labels.txt" }
model_warmup { name: "w" batch_size: 1 inputs {
  key: "images" value { data_type: TYPE_UINT8 dims: [16, 16, 3] zero_data: true }
} }
"""
"""Class names are the robot's own, for V2 does not carry them."""


def test_a_remote_detector_answers_as_the_local_one(tmp_path: Path, protocol: str) -> None:
    toy = toy_detector(boxes=((0.25, 0.25, 0.75, 0.5),), scores=((0.9,),))
    load_backend = BackendRegistry().load_backend
    write_repository(tmp_path / "far", {"detector": toy})
    write_repository(tmp_path / "near", {"local": toy})
    with InferenceServer([tmp_path / "far"], load_backend) as far, Remote(far, protocol) as remote:
        far.load_model("detector").result(TIMEOUT)
        near_config = CONFIG.replace("URL", remote.url).replace("PROTOCOL", protocol)
        write_repository(tmp_path / "near", {"detector": Toy(config=near_config, extra=toy.extra)})
        with InferenceServer([tmp_path / "near"], load_backend, load_processor) as near:
            answers = []
            for name in ("local", "detector"):
                near.load_model(name).result(TIMEOUT)
                request = InferenceRequest(name, {"IMAGE": PICTURE})
                answers.append(near.infer(request, TIMEOUT).outputs)
        assert len(remote.seen) == 5, "four instances are warmed up"
    for key, value in answers[0].items():
        np.testing.assert_array_equal(answers[1][key], value, key)
    assert answers[1]["BOXES"].shape == (1, 4)
