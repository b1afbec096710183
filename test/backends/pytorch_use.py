# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""PyTorch's models in use, for the tests of their backend."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from toy_models import Toy, write_model

from triton_ros.backends.pytorch import PyTorchBackend, PyTorchModel
from triton_ros.core.config.config_pbtxt import parse_config
from triton_ros.core.config.model_config import InstanceGroup
from triton_ros.core.tensor import Array

X = np.arange(8, dtype=np.float32).reshape(2, 4)
XY = "max_batch_size: 8 " + "".join(
    f'{side} {{ name: "{name}" data_type: TYPE_FP32 dims: [ 4 ] }}'
    for side, name in (("input", "x"), ("output", "y"))
)


def load(directory: Path, data: bytes, config: str = "", name: str = "model.pt") -> PyTorchModel:
    write_model(directory, Toy(data, filename=name))
    parsed = parse_config(f'backend: "pytorch" {config}', "toy")
    return PyTorchBackend().load(parsed, directory / "1")


def run(model: PyTorchModel, **inputs: Array) -> dict[str, Array]:
    return model.instance(InstanceGroup(), 0).execute(inputs)


def tensors(side: str, *names: str, kind: str = "FP32", dims: str = "[ 4 ]") -> str:
    return " ".join(f'{side} {{ name: "{n}" data_type: TYPE_{kind} dims: {dims} }}' for n in names)


def parameter(name: str, value: str) -> str:
    return f' parameters {{ key: "{name}" value {{ string_value: "{value}" }} }}'
