# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""LiteRT's toys."""

from __future__ import annotations

import toy_tflite
from conformance_case import Case, alive, one_file

_FILE = "model.tflite"

CASES = [
    Case(
        backend="tflite",
        filename=_FILE,
        package="ai-edge-litert",
        modules=("ai_edge_litert", "ai_edge_litert.interpreter"),
        alive=alive("Interpreter"),
        thread_parameter="num_threads",
        identity=one_file(_FILE, toy_tflite.tflite_identity),
        affine=one_file(_FILE, toy_tflite.tflite_affine),
        slow=one_file(_FILE, toy_tflite.tflite_slow),
        add_sub=one_file(_FILE, toy_tflite.tflite_add_sub),
    )
]
