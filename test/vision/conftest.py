# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the vision tests share: processors made from a few lines of vision.yaml."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from triton_ros.core.config.model_config import InputConfig, ModelConfig, OutputConfig
from triton_ros.core.tensor import Array, TensorSpec
from triton_ros.vision.processor import VisionProcessor, load_processor

Dims = tuple[int, ...]
MakeProcessor = Callable[..., VisionProcessor]


@pytest.fixture
def make_processor(tmp_path: Path) -> MakeProcessor:
    """Write vision.yaml (and other files) into a model directory and load its processor.

    `inputs` and `outputs` map names to (datatype, dims).
    """

    def make(
        yaml: str,
        inputs: Mapping[str, tuple[str, Dims]],
        outputs: Mapping[str, tuple[str, Dims]],
        max_batch_size: int = 1,
        files: Mapping[str, str] | None = None,
        label_filename: str = "",
    ) -> VisionProcessor:
        for name, text in {"vision.yaml": yaml, **(files or {})}.items():
            (tmp_path / name).write_text(text, encoding="utf-8")
        config = ModelConfig(
            "toy",
            max_batch_size=max_batch_size,
            input=tuple(InputConfig(TensorSpec(n, *spec)) for n, spec in inputs.items()),
            output=tuple(
                OutputConfig(TensorSpec(n, *spec), label_filename) for n, spec in outputs.items()
            ),
        )
        processor = load_processor(config, tmp_path)
        assert processor is not None
        return processor

    return make


@pytest.fixture
def picture() -> Array:
    """A smooth RGB picture, 48 x 64, in which no two channels are alike."""
    y, x = np.mgrid[0:48, 0:64].astype(np.float64)
    channels = (x * 4, y * 5, 255 - (x + y) * 2)
    return np.stack(channels, axis=-1).clip(0, 255).astype(np.uint8)
