# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Tiny TFLite files, built with flatbuffers from the schema that ai-edge-litert ships.

Every writer returns the file's bytes.  A dim that is ``None`` or a string is variable in the
file's shape signature.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

Dims = Sequence[int | str | None]

TFLITE_TYPES = {
    "BOOL": "BOOL",
    "UINT8": "UINT8",
    "UINT16": "UINT16",
    "UINT32": "UINT32",
    "UINT64": "UINT64",
    "INT8": "INT8",
    "INT16": "INT16",
    "INT32": "INT32",
    "INT64": "INT64",
    "FP16": "FLOAT16",
    "FP32": "FLOAT32",
    "FP64": "FLOAT64",
    "BYTES": "STRING",
    "BF16": "BFLOAT16",
}


def tflite_model(
    tensors: Sequence[Mapping[str, Any]],
    operators: Sequence[tuple[str, Sequence[int], Sequence[int], Any]],
    inputs: Sequence[int],
    outputs: Sequence[int],
    signature: Mapping[str, Mapping[str, int]] | None = None,
) -> bytes:
    """Any graph.

    `tensors` are ``{name, datatype, dims, data?, quantization?: (scale, zero point)}``;
    `operators` are ``(builtin, inputs, outputs, options or None)``, builtin may be
    ``custom:<name>``;
    `signature` is ``{"inputs": {name: index}, "outputs": {name: index}}``.
    """
    model = schema.ModelT()
    model.version = 3
    model.buffers = [schema.BufferT()]
    graph = schema.SubGraphT()
    graph.name = b"main"
    graph.tensors = [_tflite_tensor(model, tensor) for tensor in tensors]
    graph.inputs, graph.outputs = list(inputs), list(outputs)
    graph.operators, model.operatorCodes = [], []
    for builtin, op_inputs, op_outputs, options in operators:
        graph.operators.append(_tflite_operator(model, builtin, op_inputs, op_outputs, options))
    model.subgraphs = [graph]
    if signature is not None:
        model.signatureDefs = [_tflite_signature(signature)]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _tflite_tensor(model: Any, spec: Mapping[str, Any]) -> Any:
    tensor = schema.TensorT()
    tensor.name = spec["name"].encode()
    tensor.type = getattr(schema.TensorType, TFLITE_TYPES[spec.get("datatype", "FP32")])
    dims = list(spec["dims"])
    tensor.shape = [d if isinstance(d, int) else 1 for d in dims]
    if any(not isinstance(d, int) for d in dims):
        tensor.shapeSignature = [d if isinstance(d, int) else -1 for d in dims]
    tensor.buffer = 0
    if "data" in spec:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(spec["data"]).tobytes(), np.uint8)
        tensor.buffer = len(model.buffers)
        model.buffers.append(buffer)
    if "quantization" in spec:
        quantization = schema.QuantizationParametersT()
        quantization.scale = [spec["quantization"][0]]
        quantization.zeroPoint = [spec["quantization"][1]]
        tensor.quantization = quantization
    return tensor


def _tflite_operator(
    model: Any, builtin: str, inputs: Sequence[int], outputs: Sequence[int], options: Any
) -> Any:
    code = schema.OperatorCodeT()
    kind, _, custom = builtin.partition(":")
    code.builtinCode = getattr(schema.BuiltinOperator, kind.upper())
    code.customCode = custom.encode() if custom else None
    code.deprecatedBuiltinCode = min(code.builtinCode, 127)
    code.version = 1
    model.operatorCodes.append(code)
    operator = schema.OperatorT()
    operator.opcodeIndex = len(model.operatorCodes) - 1
    operator.inputs, operator.outputs = list(inputs), list(outputs)
    if options is not None:
        kind = type(options).__name__.removesuffix("T")
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
        operator.builtinOptions = options
    return operator


def _tflite_signature(signature: Mapping[str, Mapping[str, int]]) -> Any:
    def entries(names: Mapping[str, int]) -> list[Any]:
        made = []
        for name, index in names.items():
            entry = schema.TensorMapT()
            entry.name, entry.tensorIndex = name.encode(), index
            made.append(entry)
        return made

    definition = schema.SignatureDefT()
    definition.signatureKey = b"serving_default"
    definition.subgraphIndex = 0
    definition.inputs = entries(signature["inputs"])
    definition.outputs = entries(signature["outputs"])
    return definition


def tflite_identity(datatype: str = "FP32", dims: Dims = (None, 4)) -> bytes:
    """``y = x``, of any datatype: the input tensor is the output tensor."""
    tensors = [{"name": "tensor", "datatype": datatype, "dims": dims}]
    signature = {"inputs": {"x": 0}, "outputs": {"y": 0}}
    return tflite_model(tensors, [], [0], [0], signature)


def tflite_affine(
    scale: float = 2.0, offset: float = 1.0, dims: Dims = (1, 4), *, signature: bool = True
) -> bytes:
    """``y = scale * x + offset``, FP32.

    Without a signature the names are those of the tensors, ``x_tensor`` and ``y_tensor``.
    """
    tensors: list[dict[str, Any]] = [
        {"name": "x_tensor", "dims": dims},
        {"name": "k", "dims": (1,), "data": np.float32([scale])},
        {"name": "b", "dims": (1,), "data": np.float32([offset])},
        {"name": "m", "dims": dims},
        {"name": "y_tensor", "dims": dims},
    ]
    operators = [
        ("MUL", [0, 1], [3], schema.MulOptionsT()),
        ("ADD", [3, 2], [4], schema.AddOptionsT()),
    ]
    names = {"inputs": {"x": 0}, "outputs": {"y": 4}} if signature else None
    return tflite_model(tensors, operators, [0], [4], names)


def tflite_add_sub(dims: Dims = (1, 16)) -> bytes:
    """Triton's `simple`: OUTPUT0 is the sum and OUTPUT1 the difference of INPUT0 and INPUT1."""
    names = ("INPUT0", "INPUT1", "OUTPUT0", "OUTPUT1")
    operators = [
        ("ADD", [0, 1], [2], schema.AddOptionsT()),
        ("SUB", [0, 1], [3], schema.SubOptionsT()),
    ]
    return tflite_model([{"name": n, "dims": dims} for n in names], operators, [0, 1], [2, 3])


def tflite_baked_batch() -> bytes:
    """[1,4] -> [1,2,2] by a Reshape whose shape is baked in: it cannot be batched.

    The shape ``[1, -1, 2]`` lets a batch of 2 run and answer [1,4,2]: no error, and no batch.
    """
    options = schema.ReshapeOptionsT()
    options.newShape = [1, -1, 2]
    tensors: list[dict[str, Any]] = [
        {"name": "x", "dims": (1, 4)},
        {"name": "shape", "datatype": "INT32", "dims": (3,), "data": np.int32([1, -1, 2])},
        {"name": "y", "dims": (1, 2, 2)},
    ]
    return tflite_model(tensors, [("RESHAPE", [0, 1], [2], options)], [0], [2])


def tflite_quantized() -> bytes:
    """INT8 ``y = x``, scale 0.5 and zero point 3: quantised numbers pass through untouched."""
    tensors = [{"name": "x", "datatype": "INT8", "dims": (1, 4), "quantization": (0.5, 3)}]
    return tflite_model(tensors, [], [0], [0], {"inputs": {"x": 0}, "outputs": {"y": 0}})


def tflite_cumulative() -> bytes:
    """[1,4] -> [1,4], running sums over the *batch*: right shapes, but rows that are not alone."""
    options = schema.CumsumOptionsT()
    tensors: list[dict[str, Any]] = [
        {"name": "x", "dims": (1, 4)},
        {"name": "axis", "datatype": "INT32", "dims": (), "data": np.int32(0)},
        {"name": "y", "dims": (1, 4)},
    ]
    return tflite_model(tensors, [("CUMSUM", [0, 1], [2], options)], [0], [2])


def tflite_custom(name: str) -> bytes:
    """A file with a custom operator that no runtime has."""
    tensors = [{"name": "x", "dims": (1, 4)}, {"name": "y", "dims": (1, 4)}]
    return tflite_model(tensors, [(f"custom:{name}", [0], [1], None)], [0], [1])


def tflite_slow(turns: int = 60, width: int = 50_000) -> bytes:
    """[1,4] -> [1,4]: so many sines of so many copies of x, and the greatest of them."""
    wide = (width, 1, 4)
    reducer = schema.ReducerOptionsT()
    tensors: list[dict[str, Any]] = [
        {"name": "x", "dims": (1, 4)},
        {"name": "y", "dims": (1, 4)},
        {"name": "zeros", "dims": (width, 1, 1), "data": np.zeros((width, 1, 1), np.float32)},
        {"name": "axis", "datatype": "INT32", "dims": (1,), "data": np.int32([0])},
        *({"name": f"t{turn}", "dims": wide} for turn in range(turns + 1)),
    ]
    operators = [
        ("ADD", [0, 2], [4], schema.AddOptionsT()),
        *(("SIN", [4 + turn], [5 + turn], None) for turn in range(turns)),
        ("REDUCE_MAX", [4 + turns, 3], [1], reducer),
    ]
    return tflite_model(tensors, operators, [0], [1])
