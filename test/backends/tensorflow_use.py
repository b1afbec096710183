# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""TensorFlow's models in use, for the tests of their backend."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from conformance_case import Made
from toy_models import Toy, write_model
from toy_tensorflow import Build, graph_def

from triton_ros.backends.tensorflow import TensorFlowBackend, TensorFlowModel
from triton_ros.core.config.config_pbtxt import parse_config
from triton_ros.core.config.model_config import InstanceGroup
from triton_ros.core.tensor import Array

X = np.arange(8, dtype=np.float32).reshape(2, 4)
GRAPH = "model.graphdef"


def load(
    backend: TensorFlowBackend, directory: Path, files: Mapping[str, bytes], config: str = ""
) -> TensorFlowModel:
    write_model(directory, Toy())
    Made(files).write(directory / "1")
    parsed = parse_config(f'backend: "tensorflow" {config}', "toy")
    return backend.load(parsed, directory / "1")


def run(model: TensorFlowModel, **inputs: Array) -> dict[str, Array]:
    return model.instance(InstanceGroup(), 0).execute(inputs)


def frozen(build: Build) -> dict[str, bytes]:
    return {GRAPH: graph_def(build)}


def tensors(side: str, *names: str, kind: str = "FP32", dims: str = "[ 4 ]") -> str:
    return " ".join(f'{side} {{ name: "{n}" data_type: TYPE_{kind} dims: {dims} }}' for n in names)


def parameter(name: str, value: str) -> str:
    return f' parameters {{ key: "{name}" value {{ string_value: "{value}" }} }}'
