# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A detector in a Python worker that fails as the brightness of its frame says."""

from __future__ import annotations

from enum import IntEnum

from toy_models import Toy
from toy_vision import VISION


class Level(IntEnum):
    """What a grey frame of this level does; any other is answered with one box."""

    RAISE = 1
    HANG = 2
    WRONG_SHAPE = 3
    MISSING_OUTPUT = 4
    MEMORY = 5
    SEGFAULT = 6
    LEAVE = 7
    SLOW = 8


def fragile_detector(batch: int = 1, *, initialize_s: float = 0.0, **parameters: str) -> Toy:
    """The model; `parameters` are those of its configuration."""
    entries = [
        f'parameters {{ key: "{key}" value: {{ string_value: "{value}" }} }}'
        for key, value in parameters.items()
    ]
    return Toy(
        _MODEL.format(
            initialize_s=initialize_s, **{level.name: int(level) for level in Level}
        ).encode(),
        "\n".join([_CONFIG.format(batch=batch), *entries]),
        filename="model.py",
        extra={"vision.yaml": VISION, "labels.txt": "thing\n"},
    )


_MODEL = """\
import ctypes, os, signal, time
import numpy as np
import triton_python_backend_utils as pb_utils


def work(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


class TritonPythonModel:
    def initialize(self, args):
        work({initialize_s})

    def execute(self, requests):
        return [self._one(request.inputs()[0].as_numpy()) for request in requests]

    def _one(self, images):
        level = int(images.max())
        boxes = np.float32([[[0.25, 0.25, 0.75, 0.75]]] * len(images))
        scores = np.full((len(images), 1, 1), 0.9, np.float32)
        if level == {RAISE}:
            raise RuntimeError("a frame that it does not like")
        if level == {HANG}:
            signal.pause()
        if level == {WRONG_SHAPE}:
            boxes = boxes[:, :, :3]
        if level == {MEMORY}:
            self.kept = np.ones(1 << 34, np.uint8)
        if level == {SEGFAULT}:
            ctypes.string_at(0)
        if level == {LEAVE}:
            os._exit(7)
        if level == {SLOW}:
            work(0.2)
        tensors = [pb_utils.Tensor("boxes", boxes)]
        if level != {MISSING_OUTPUT}:
            tensors.append(pb_utils.Tensor("scores", scores))
        return pb_utils.InferenceResponse(tensors)
"""
_CONFIG = """\
backend: "python"
max_batch_size: {batch}
instance_group {{ count: 1 kind: KIND_CPU }}
input {{ name: "images" data_type: TYPE_UINT8 dims: [16, 16, 3] }}
output {{ name: "boxes" data_type: TYPE_FP32 dims: [1, 4] }}
output {{ name: "scores" data_type: TYPE_FP32 dims: [1, 1] label_filename: "labels.txt" }}
"""
