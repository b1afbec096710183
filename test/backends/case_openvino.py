# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""OpenVINO's toys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import toy_openvino
from conformance_case import Case, Made, alive, missing


def _made(write: Callable[..., dict[str, bytes]]) -> Callable[..., Made]:
    def make(*arguments: Any, **keywords: Any) -> Made:
        return Made(write(*arguments, **keywords))

    return make


CASES = [
    Case(
        backend="openvino",
        filename="model.xml",
        package="openvino",
        modules=("openvino",),
        alive=alive("InferRequest", "CompiledModel"),
        thread_parameter="INFERENCE_NUM_THREADS",
        identity=_made(toy_openvino.openvino_identity),
        affine=_made(toy_openvino.openvino_affine),
        add_sub=_made(toy_openvino.openvino_add_sub),
        slow=_made(toy_openvino.openvino_slow),
        computed_as={"INT64": "INT32", "FP64": "FP32"},
        missing=missing("openvino", "make frameworks"),
    )
]
