# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Tiny OpenVINO IR files, made with openvino itself: the text of the graph and its weights."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from toy_models import Dims

TYPES = {
    "BOOL": "boolean",
    "UINT8": "u8",
    "UINT16": "u16",
    "UINT32": "u32",
    "UINT64": "u64",
    "INT8": "i8",
    "INT16": "i16",
    "INT32": "i32",
    "INT64": "i64",
    "FP16": "f16",
    "FP32": "f32",
    "FP64": "f64",
    "BYTES": "string",
    "BF16": "bf16",
}


def openvino_files(
    graph: Callable[..., Mapping[str, Any]], inputs: Mapping[str, tuple[str, Dims]]
) -> dict[str, bytes]:
    """``model.xml`` and ``model.bin`` of a graph: named inputs to named outputs."""
    import openvino  # noqa: PLC0415 (an optional runtime)
    from openvino import opset13  # noqa: PLC0415

    parameters = []
    for name, (datatype, dims) in inputs.items():
        shape = openvino.PartialShape([d if isinstance(d, int) else -1 for d in dims])
        parameter = opset13.parameter(shape, getattr(openvino.Type, TYPES[datatype]), name=name)
        parameters.append(parameter)
    outputs = graph(opset13, *parameters)
    results = [opset13.result(node, name=name) for name, node in outputs.items()]
    model = openvino.Model(results, parameters, "toy")
    # an input that is the output, too, is one tensor of two names: so give it a node between
    for port, name in zip(model.inputs, inputs, strict=True):
        port.get_tensor().set_names({name})
    for port, name in zip(model.outputs, outputs, strict=True):
        port.get_tensor().set_names({name})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.xml"
        openvino.save_model(model, path, compress_to_fp16=False)
        return {file.name: file.read_bytes() for file in sorted(Path(folder).iterdir())}


def openvino_identity(datatype: str = "FP32", dims: Dims = ("N", 4)) -> dict[str, bytes]:
    """``y = x``, of any datatype."""

    def graph(ops: Any, x: Any) -> dict[str, Any]:
        shape = np.array([0, 4], np.int64)
        return {"y": ops.reshape(x, shape, special_zero=True)}

    return openvino_files(graph, {"x": (datatype, dims)})


def openvino_affine(
    scale: float = 2.0, offset: float = 1.0, dims: Dims = ("N", 4)
) -> dict[str, bytes]:
    """``y = scale * x + offset``, FP32."""

    def graph(ops: Any, x: Any) -> dict[str, Any]:
        return {"y": ops.add(ops.multiply(x, np.float32([scale])), np.float32([offset]))}

    return openvino_files(graph, {"x": ("FP32", dims)})


def openvino_add_sub(dims: Dims = ("N", 16)) -> dict[str, bytes]:
    """Triton's `simple`."""

    def graph(ops: Any, a: Any, b: Any) -> dict[str, Any]:
        return {"OUTPUT0": ops.add(a, b), "OUTPUT1": ops.subtract(a, b)}

    return openvino_files(graph, {"INPUT0": ("FP32", dims), "INPUT1": ("FP32", dims)})


def openvino_slow(turns: int = 6, width: int = 1200) -> dict[str, bytes]:
    """[N,4] -> [N,4]: so many products of large matrices, a number of which is added to x."""
    large = (np.random.default_rng(0).normal(size=(width, width)) / width).astype(np.float32)

    def graph(ops: Any, x: Any) -> dict[str, Any]:
        both = np.int64([0, 1])
        last = ops.add(ops.constant(large), ops.reduce_max(x, both, keep_dims=True))
        for _ in range(turns):
            last = ops.matmul(last, large, False, False)
        return {"y": ops.add(x, ops.reduce_max(last, both, keep_dims=True))}

    return openvino_files(graph, {"x": ("FP32", ("N", 4))})


def openvino_baked_batch() -> dict[str, bytes]:
    """[1,4] -> [1,2,2] by a Reshape whose shape is baked in: a batch of 2 would answer [1,4,2]."""

    def graph(ops: Any, x: Any) -> dict[str, Any]:
        return {"y": ops.reshape(x, np.array([1, -1, 2], np.int64), special_zero=False)}

    return openvino_files(graph, {"x": ("FP32", (1, 4))})
