# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The TensorRT backend as a user of the rig, for `planted_run`: a model and one instance of it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from numpy.typing import NDArray

from triton_ros.backends.tensorrt.backend import TensorRtBackend
from triton_ros.core.config.model_config import InstanceGroup, InstanceKind, ModelConfig
from triton_ros.core.config.optimization_config import Optimization


class User:
    """What the server does: load, make an instance, execute on a thread of its own, release."""

    def __init__(self, plan: bytes) -> None:
        group = InstanceGroup(kind=InstanceKind.KIND_GPU, gpus=(0,))
        optimization = Optimization(cuda_graphs=os.environ["SCENARIO"] == "graphs")
        config = ModelConfig(
            "toy", backend="tensorrt", instance_group=(group,), optimization=optimization
        )
        with tempfile.TemporaryDirectory() as directory:
            (Path(directory) / "model.plan").write_bytes(plan)
            backend = TensorRtBackend({"cuda-driver": _driver()})
            self.model = backend.load(config, Path(directory))
        self.instance = self.model.instance(group, 0)

    def infer(self, values: dict[str, NDArray]) -> dict[str, NDArray]:
        """As the configuration types them."""
        dtypes = {spec.name: spec.dtype for spec in self.model.signature.inputs}
        return self.instance.execute({n: v.astype(dtypes[n]) for n, v in values.items()})

    def close(self) -> None:
        """In the server's order."""
        self.instance.finalize()
        self.model.finalize()


def _driver() -> str:
    return "cuda-python" if os.environ["SCENARIO"] == "cuda-python" else "pycuda"
