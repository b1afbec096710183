# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""TensorRT's toys: plans, built by its own builder on the GPU, or on what stands for one."""

from __future__ import annotations

import gc

import pytest
import toy_models
from conformance_case import Case, Made
from cuda_rig import CudaRig, Profile
from toy_models import Dims

_FILE = "model.plan"
_BATCHES = (1, 2, 8)


def _plan(onnx: bytes, profile: Profile) -> Made:
    return Made({_FILE: CudaRig(None).make_plan(onnx, [profile])})


def _profile(dims: Dims, *names: str) -> Profile:
    """Batches of 1 to 8; any other variable dim from 1 to 8, too."""
    shapes = [tuple(d if isinstance(d, int) else size for d in dims) for size in _BATCHES]
    return {name: (shapes[0], shapes[1], shapes[2]) for name in names}


def _identity(datatype: str = "FP32") -> Made:
    import tensorrt  # noqa: PLC0415 (the rig puts it there)

    if datatype == "INT64" and not hasattr(tensorrt.DataType, "INT64"):
        pytest.skip(f"TensorRT {tensorrt.__version__} has no INT64")
    return _plan(toy_models.onnx_identity(datatype), _profile(("N", 4), "x"))


def _affine(scale: float = 2.0, offset: float = 1.0, dims: Dims = ("N", 4)) -> Made:
    return _plan(toy_models.onnx_affine(scale, offset, dims), _profile(dims, "x"))


def _add_sub() -> Made:
    return _plan(toy_models.onnx_add_sub(), _profile(("N", 16), "INPUT0", "INPUT1"))


def _alive() -> int:
    """Engines and contexts, by who holds them: TensorRT's own objects are not to be found."""
    gc.collect()
    held = [thing for thing in gc.get_objects() if type(thing).__name__ in ("_Loaded", "_Context")]
    return sum(getattr(thing, "engine", thing) is not None for thing in held)


CASES = [
    Case(
        backend="tensorrt",
        filename=_FILE,
        package="tensorrt",
        modules=("tensorrt",),
        alive=_alive,
        identity=_identity,
        affine=_affine,
        add_sub=_add_sub,
        datatypes=("BOOL", "UINT8", "INT8", "INT32", "INT64", "FP16", "FP32"),
        has_bf16=False,
        runs_on=("KIND_AUTO", "KIND_GPU"),
        refuses_gpu=False,
        fixture="cuda_rig",
    )
]
