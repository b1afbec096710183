# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A server of one TensorRT model, on the GPU or on what stands for one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from cuda_rig import CudaRig
from toy_models import Toy, write_model

from triton_ros.backends.registry import BackendRegistry
from triton_ros.core.request import InferenceRequest
from triton_ros.core.server import InferenceServer
from triton_ros.core.tensor import Array

TIMEOUT = 60


class Served:
    """A server with one model, `toy`."""

    def __init__(self, server: InferenceServer, directory: Path) -> None:
        self.server = server
        self.directory = directory

    def load(self, files: Mapping[str, bytes], config: str) -> Served:
        write_model(self.directory, Toy(config=f'backend: "tensorrt"\n{config}'))
        for name, data in files.items():
            (self.directory / "1" / name).write_bytes(data)
        self.server.load_model("toy").result(TIMEOUT)
        return self

    def ask(self, **inputs: Array) -> dict[str, Any]:
        answer = self.server.infer(InferenceRequest("toy", inputs), TIMEOUT)
        return {name: np.asarray(value) for name, value in answer.outputs.items()}

    @property
    def built(self) -> tuple[str, ...]:
        return self.server.describe("toy").built


Serve = Callable[..., Served]


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "plans"


@pytest.fixture
def serve(cuda_rig: CudaRig, tmp_path: Path, cache: Path) -> Iterator[Serve]:
    """``serve({file: bytes}, config)``; raises what the load raises."""
    settings = {"tensorrt": {"plan-cache-directory": str(cache)}}
    (tmp_path / "models").mkdir()
    registry = BackendRegistry(settings)
    models = [tmp_path / "models"]
    with InferenceServer(models, registry.load_backend, gpu_count=device_count) as server:
        served = Served(server, tmp_path / "models/toy")
        yield served.load


def device_count() -> int:
    """What CUDA says: core looks where a fake driver is not seen."""
    import pycuda.driver as cuda  # noqa: PLC0415 (the rig puts its driver there first)

    cuda.init()
    return int(cuda.Device.count())


def expected(onnx: bytes, **inputs: Array) -> list[Any]:
    """What ONNX Runtime answers."""
    session = onnxruntime.InferenceSession(onnx, providers=["CPUExecutionProvider"])
    return list(session.run(None, inputs))
