# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The backend's builder half on NVIDIA's code: plans by TensorRT-RTX, which builds without a GPU.

Prints, as JSON, what came of each case: the size of the plan and the stages that were told, or the
kind of the error and its text.  A process of its own, for it is another TensorRT.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import toy_onnx
from cuda_rig import BUILD

GOOD = ((1, 3, 16, 16), (2, 3, 32, 32), (8, 3, 64, 64))
SHAPES = {"x": ((1, 4), (2, 4), (8, 4)), "shape": ((1, 4), (2, 4), (8, 4))}


class Stopped(Exception):
    """The load must not go on."""


def run(trt: Any) -> dict[str, Any]:
    """By case."""
    package = "triton_ros.backends.tensorrt"
    builder = importlib.import_module(f"{package}.builder")
    options_of = importlib.import_module(f"{package}.build_options").BuildOptions
    log = importlib.import_module(f"{package}.engine").Log(trt)

    def build(
        onnx: bytes, *profiles: Any, stop_after: int = 1000, timings: bytes = b"", **options: Any
    ) -> list[Any]:
        stages: list[str] = []

        def stage(text: str) -> None:
            stages.append(text)
            if len(stages) > stop_after:
                raise Stopped

        if profiles:
            options["profiles"] = profiles
        source = builder.Source("toy", Path("model.onnx"), onnx, options_of(**options))
        try:
            plan, _ = builder.build_plan(trt, log, source, None, timings, stage)
        except Exception as error:
            return [type(error).__name__, str(error)]
        return [len(plan), stages]

    dynamic, static = toy_onnx.convolution(), toy_onnx.convolution(static=True)
    return {
        "static": build(static),
        "dynamic": build(dynamic, {"images": GOOD}),
        "two profiles": build(dynamic, {"images": GOOD}, {"images": GOOD}),
        "shape input": build(toy_onnx.reshape(), SHAPES),
        "workspace and level": build(static, workspace=1 << 26, level=1),
        "damaged timings": build(static, timings=b"damaged " * 9),
        "second profile is wrong": build(dynamic, {"images": GOOD}, {"images": GOOD[::-1]}),
        "unknown operator": build(toy_onnx.foreign()),
        "no onnx": build(b"garbage"),
        "empty": build(b""),
        "precision": build(static, precision="FP16"),
        "stopped": build(static, stop_after=3),
    }


if __name__ == "__main__":
    sys.path.insert(0, str(BUILD / "tensorrt_rtx"))
    print(json.dumps(run(importlib.import_module("tensorrt_rtx_bindings"))))
