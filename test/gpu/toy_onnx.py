# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""ONNX files to build engines from: one for each thing that is particular to TensorRT."""

from __future__ import annotations

import functools

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, numpy_helper
from onnx.helper import make_graph, make_model, make_node, make_opsetid, make_tensor_value_info

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
Dims = list[int | str]
Values = list[tuple[str, int, Dims]]


@functools.cache
def convolution(static: bool = False) -> bytes:
    """``images`` [N, 3, H, W] to ``logits`` [N, 4]; static: [1, 3, 32, 32]."""
    rng = np.random.default_rng(0)
    weights = (rng.standard_normal((8, 3, 3, 3)) * 0.1).astype(np.float32)
    matrix = rng.standard_normal((8, 4)).astype(np.float32)
    nodes = [
        make_node("Conv", ["images", "w"], ["c"], pads=[1, 1, 1, 1], name="conv"),
        make_node("Relu", ["c"], ["r"], name="relu"),
        make_node("GlobalAveragePool", ["r"], ["g"], name="pool"),
        make_node("Flatten", ["g"], ["f"], name="flatten"),
        make_node("MatMul", ["f", "m"], ["logits"], name="matmul"),
    ]
    inputs: Dims = [1, 3, 32, 32] if static else ["N", 3, "H", "W"]
    outputs: Dims = [1 if static else "N", 4]
    constants = {"w": weights, "m": matrix}
    return _onnx(nodes, [("images", FLOAT, inputs)], [("logits", FLOAT, outputs)], constants)


@functools.cache
def non_zero() -> bytes:
    """``x`` [N] to ``where`` [1, K]: K is not known before it was executed."""
    nodes = [make_node("NonZero", ["x"], ["where"], name="nonzero")]
    return _onnx(nodes, [("x", FLOAT, ["N"])], [("where", INT64, [1, "K"])])


@functools.cache
def reshape() -> bytes:
    """``x`` [N, 4] and a shape tensor ``shape`` [2] to ``y`` of that shape."""
    nodes = [make_node("Reshape", ["x", "shape"], ["y"], name="reshape")]
    inputs: Values = [("x", FLOAT, ["N", 4]), ("shape", INT64, [2])]
    return _onnx(nodes, inputs, [("y", FLOAT, ["A", "B"])])


@functools.cache
def several() -> bytes:
    """``a``, ``b`` [N, 4] to their ``sum`` as FP32 and ``greater`` as BOOL."""
    nodes = [make_node("Add", ["a", "b"], ["sum"]), make_node("Greater", ["a", "b"], ["greater"])]
    inputs: Values = [("a", FLOAT, ["N", 4]), ("b", FLOAT, ["N", 4])]
    return _onnx(nodes, inputs, [("sum", FLOAT, ["N", 4]), ("greater", BOOL, ["N", 4])])


@functools.cache
def foreign() -> bytes:
    """An operator of a domain that nobody knows."""
    nodes = [make_node("Foo", ["x"], ["y"], name="foo", domain="nobodys")]
    return _onnx(nodes, [("x", FLOAT, [1])], [("y", FLOAT, [1])])


def _onnx(
    nodes: list[NodeProto],
    inputs: Values,
    outputs: Values,
    constants: dict[str, np.ndarray] | None = None,
) -> bytes:
    graph: GraphProto = make_graph(
        nodes,
        "toy",
        [make_tensor_value_info(*each) for each in inputs],
        [make_tensor_value_info(*each) for each in outputs],
        [numpy_helper.from_array(value, name) for name, value in (constants or {}).items()],
    )
    opsets = [make_opsetid("", 17), make_opsetid("nobodys", 1)]
    model: ModelProto = make_model(graph, opset_imports=opsets, ir_version=8)
    return model.SerializeToString()
