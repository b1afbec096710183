# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""PyTorch's toys: TorchScript, whose configuration says what its tensors are, and packages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import toy_pytorch
from conformance_case import Case, Made, alive, missing, one_file
from toy_models import Dims

from triton_ros.core.config.model_config import InputConfig, OutputConfig
from triton_ros.core.tensor import DATATYPES, TensorSpec

_WHY = missing("torch", "make frameworks")
_NUMBERS = tuple(datatype for datatype in DATATYPES if datatype != "BYTES")


def _fields(
    inputs: Mapping[str, tuple[str, Dims]], outputs: Mapping[str, tuple[str, Dims]]
) -> Mapping[str, Any]:
    def spec(name: str, kind: str, dims: Dims) -> TensorSpec:
        return TensorSpec(name, kind, tuple(d if isinstance(d, int) else -1 for d in dims))

    return {
        "max_batch_size": 8,
        "stated": frozenset({"max_batch_size"}),
        "input": tuple(InputConfig(spec(n, *tensor)) for n, tensor in inputs.items()),
        "output": tuple(OutputConfig(spec(n, *tensor)) for n, tensor in outputs.items()),
    }


def _made(write: Callable[[], bytes], datatype: str = "FP32", dims: Dims = (4,)) -> Made:
    tensor = (datatype, dims)
    return Made({"model.pt": write()}, _fields({"x": tensor}, {"y": tensor}))


def _script_identity(datatype: str = "FP32") -> Made:
    return _made(toy_pytorch.script_identity, datatype)


def _script_affine(scale: float = 2.0, offset: float = 1.0, dims: Dims = ("N", 4)) -> Made:
    return _made(lambda: toy_pytorch.script_affine(scale, offset), dims=dims[1:])


def _script_add_sub() -> Made:
    tensor = ("FP32", (16,))
    return Made(
        {"model.pt": toy_pytorch.script_add_sub()},
        _fields({"INPUT0": tensor, "INPUT1": tensor}, {"OUTPUT0": tensor, "OUTPUT1": tensor}),
    )


def _script_failing() -> Made:
    return Made(
        {"model.pt": toy_pytorch.script_failing()},
        _fields({"x": ("INT64", (1,))}, {"y": ("FP32", (1,))}),
    )


CASES = [
    Case(
        name="torchscript",
        backend="pytorch",
        filename="model.pt",
        package="torch",
        modules=("torch",),
        alive=alive("RecursiveScriptModule"),
        thread_parameter="INTRA_OP_THREAD_COUNT",
        identity=_script_identity,
        affine=_script_affine,
        slow=lambda: _made(toy_pytorch.script_slow),
        failing=_script_failing,
        add_sub=_script_add_sub,
        datatypes=_NUMBERS,
        has_bf16=False,
        missing=_WHY,
    ),
    Case(
        name="torch_export",
        backend="pytorch",
        filename="model.pt2",
        package="torch",
        modules=("torch",),
        alive=alive("GraphModule"),
        thread_parameter="INTRA_OP_THREAD_COUNT",
        identity=one_file("model.pt2", toy_pytorch.package_identity),
        affine=one_file("model.pt2", toy_pytorch.package_affine),
        slow=one_file("model.pt2", toy_pytorch.package_slow),
        failing=one_file("model.pt2", toy_pytorch.package_failing),
        add_sub=one_file("model.pt2", toy_pytorch.package_add_sub),
        datatypes=_NUMBERS,
        missing=_WHY,
    ),
]
