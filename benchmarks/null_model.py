# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A model that does nothing, so that only the server's own cost is left.

`NullBackend` serves ``x`` FP32 [-1, 4] as ``y``; a model may be told to take some milliseconds, in
which it sleeps (as a GPU would: no core is used), and it counts the batches that it gets.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from triton_ros.core.backend import Signature
from triton_ros.core.config.model_config import InstanceGroup, ModelConfig
from triton_ros.core.server import InferenceServer
from triton_ros.core.tensor import Array, TensorSpec

NAME = "null"


class NullInstance:
    """Answers its input."""

    def __init__(self, model: NullModel) -> None:
        self._model = model

    def execute(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        x = inputs["x"]
        if self._model.seconds:
            self._model.batches.append(len(x))
            time.sleep(self._model.seconds)
        return {"y": x}

    def finalize(self) -> None:
        """Nothing to release."""


class NullModel:
    """Any number of instances that share nothing."""

    signature = Signature(
        (TensorSpec("x", "FP32", (-1, 4)),), (TensorSpec("y", "FP32", (-1, 4)),), batchable=True
    )

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.batches: list[int] = []

    def instance(self, group: InstanceGroup, device: int) -> NullInstance:
        return NullInstance(self)

    def finalize(self) -> None:
        """Nothing to release."""


class NullBackend:
    """Its model takes ``parameters.seconds``."""

    def __init__(self) -> None:
        self.models: list[NullModel] = []

    def load(self, config: ModelConfig, version_dir: Path) -> NullModel:
        self.models.append(NullModel(float(config.parameters.get("seconds", "0"))))
        return self.models[-1]


@contextmanager
def null_server(config: str, seconds: float = 0.0) -> Iterator[tuple[InferenceServer, NullModel]]:
    """A server of one null model with that configuration."""
    with TemporaryDirectory() as root:
        directory = Path(root) / NAME
        (directory / "1").mkdir(parents=True)
        text = f'parameters {{ key: "seconds" value {{ string_value: "{seconds}" }} }}'
        (directory / "config.pbtxt").write_text(f'backend: "null" {config} {text}')
        backend = NullBackend()
        with InferenceServer([Path(root)], lambda name: backend) as server:
            server.load_model(NAME).result()
            model = backend.models[-1]
            model.batches.clear()  # of the warm-up
            yield server, model
