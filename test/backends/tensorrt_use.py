# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Plans in use, for the tests of the TensorRT backend."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import toy_onnx
from cuda_rig import Profile
from numpy.typing import NDArray

from triton_ros.core.config.model_config import InstanceGroup, ModelConfig

RNG = np.random.default_rng(0)
IMAGES: Profile = {"images": ((1, 3, 16, 16), (2, 3, 32, 32), (8, 3, 64, 64))}
SMALL: Profile = {"images": ((1, 3, 16, 16), (1, 3, 16, 16), (2, 3, 32, 32))}
LARGE: Profile = {"images": ((1, 3, 32, 32), (8, 3, 64, 64), (8, 3, 128, 128))}
Array = NDArray[Any]


def images(*shape: int) -> Array:
    return RNG.standard_normal(shape).astype(np.float32)


def expected(onnx: bytes, **values: Array) -> list[Array]:
    session = onnxruntime.InferenceSession(onnx, providers=["CPUExecutionProvider"])
    results: list[Array] = session.run(None, values)
    return results


class Use:
    """Loads plans, and releases what a test has made."""

    def __init__(self, directory: Path, driver: str) -> None:
        from triton_ros.backends.tensorrt.backend import TensorRtBackend  # noqa: PLC0415

        self.directory = directory
        self.backend = TensorRtBackend({"cuda-driver": driver})
        self._open: list[Any] = []

    def model(self, plan: bytes, **fields: Any) -> Any:
        (self.directory / "model.plan").write_bytes(plan)
        model = self.backend.load(ModelConfig("toy", **fields), self.directory)
        self._open.insert(0, model)
        return model

    def instance(self, model: Any, group: InstanceGroup | None = None, device: int = 0) -> Any:
        made = model.instance(group or InstanceGroup(), device)
        self._open.insert(0, made)
        return made

    def of(self, plan: bytes, **fields: Any) -> Any:
        """A model's only instance."""
        group = (fields.get("instance_group") or (InstanceGroup(),))[0]
        return self.instance(self.model(plan, **fields), group)

    def close(self) -> None:
        for thing in sorted(self._open, key=lambda thing: not hasattr(thing, "execute")):
            thing.finalize()


def check(instance: Any, *shapes: tuple[int, ...]) -> None:
    onnx = toy_onnx.convolution()
    for shape in shapes:
        value = images(*shape)
        got = instance.execute({"images": value})["logits"]
        want = expected(onnx, images=value)[0]
        np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-4)
