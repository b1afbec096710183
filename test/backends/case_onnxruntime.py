# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime's toys."""

from __future__ import annotations

import toy_models
from conformance_case import Case, alive, one_file

_FILE = "model.onnx"

CASES = [
    Case(
        backend="onnxruntime",
        filename=_FILE,
        package="onnxruntime",
        modules=("onnxruntime",),
        alive=alive("InferenceSession"),
        thread_parameter="intra_op_thread_count",
        identity=one_file(_FILE, toy_models.onnx_identity),
        affine=one_file(_FILE, toy_models.onnx_affine),
        add_sub=one_file(_FILE, toy_models.onnx_add_sub),
        slow=one_file(_FILE, lambda: toy_models.onnx_slow(200_000)),
        failing=one_file(_FILE, toy_models.onnx_failing),
    )
]
