# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""An ONNX file as TensorRT sees it: its tensors, which of them are shapes, what shapes come out."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import onnx
from numpy.typing import NDArray

from fake_tensorrt.bindings import trt

Shape = tuple[int, ...]

_TYPES = {
    onnx.TensorProto.FLOAT: "FLOAT",
    onnx.TensorProto.FLOAT16: "HALF",
    onnx.TensorProto.BFLOAT16: "BF16",
    onnx.TensorProto.INT8: "INT8",
    onnx.TensorProto.UINT8: "UINT8",
    onnx.TensorProto.INT32: "INT32",
    onnx.TensorProto.INT64: "INT64",
    onnx.TensorProto.BOOL: "BOOL",
}
_SHAPE_OPERANDS = {
    "Reshape": (1,),
    "Expand": (1,),
    "ConstantOfShape": (0,),
    "Slice": (1, 2, 4),
    "Resize": (3,),
    "Tile": (1,),
    "Range": (0, 1, 2),
}
_PASS_ON = ("Cast", "Concat", "Gather", "Unsqueeze", "Squeeze", "Identity")


def data_type(element: int) -> object | None:
    """TensorRT's type of an ONNX element type; None for one that it has not in this release."""
    name = _TYPES.get(element, "")
    if name == "INT64" and not hasattr(trt.DataType, "INT64"):
        name = "INT32"  # 8.x casts 64-bit integers down
    return getattr(trt.DataType, name, None)


@dataclass(frozen=True)
class Tensor:
    """An input or output."""

    name: str
    is_input: bool
    element: int
    shape: Shape
    is_shape: bool
    """Its values are needed on the host, before execution."""

    @property
    def onnx_dtype(self) -> np.dtype:
        return onnx.helper.tensor_dtype_to_np_dtype(self.element)


@dataclass
class Model:
    """A parsed ONNX file."""

    data: bytes
    proto: onnx.ModelProto = field(init=False)
    tensors: dict[str, Tensor] = field(init=False)

    def __post_init__(self) -> None:
        self.proto = onnx.load_from_string(self.data)
        graph = self.proto.graph
        constants = {i.name for i in graph.initializer}
        shapes = self._shape_tensors()
        inputs = [(i, True) for i in graph.input if i.name not in constants]
        self.tensors = {
            value.name: _tensor(value, is_input, value.name in shapes)
            for value, is_input in (*inputs, *((o, False) for o in graph.output))
        }

    def inputs(self) -> list[Tensor]:
        return [t for t in self.tensors.values() if t.is_input]

    def outputs(self) -> list[Tensor]:
        return [t for t in self.tensors.values() if not t.is_input]

    def _shape_tensors(self) -> set[str]:
        """Inputs that are used as a shape, outputs that are computed from shapes alone."""
        wanted: set[str] = set()
        known: set[str] = set()
        for node in reversed(self.proto.graph.node):
            operands = _SHAPE_OPERANDS.get(node.op_type, ())
            wanted.update(node.input[i] for i in operands if i < len(node.input))
            if node.op_type in _PASS_ON and wanted & set(node.output):
                wanted.update(node.input)
        for node in self.proto.graph.node:
            passed = node.op_type in _PASS_ON and node.input and node.input[0] in known
            if node.op_type == "Shape" or passed:
                known.update(node.output)
        return (wanted & {i.name for i in self.proto.graph.input}) | known

    def output_shapes(
        self, shapes: dict[str, Shape], values: dict[str, NDArray]
    ) -> dict[str, Shape]:
        """The outputs' shapes for these inputs; -1 where they depend on the data."""
        proto = onnx.ModelProto()
        proto.CopyFrom(self.proto)
        for given in proto.graph.input:
            if given.name in shapes:
                given.type.tensor_type.ClearField("shape")
                for size in shapes[given.name]:
                    given.type.tensor_type.shape.dim.add().dim_value = size
        left = [given for given in proto.graph.input if given.name not in values]
        del proto.graph.input[:]
        proto.graph.input.extend(left)
        for name, value in values.items():
            proto.graph.initializer.append(onnx.numpy_helper.from_array(value, name))
        for output in proto.graph.output:
            output.type.tensor_type.ClearField("shape")
        inferred = onnx.shape_inference.infer_shapes(proto, data_prop=True)
        found = {o.name: _dims(o) for o in inferred.graph.output}
        return {
            t.name: found[t.name] if found[t.name] is not None else t.shape for t in self.outputs()
        }


def _tensor(value: onnx.ValueInfoProto, is_input: bool, is_shape: bool) -> Tensor:
    dims = _dims(value)
    element = value.type.tensor_type.elem_type
    return Tensor(value.name, is_input, element, dims or (), is_shape)


def _dims(value: onnx.ValueInfoProto) -> Shape | None:
    if not value.type.tensor_type.HasField("shape"):
        return None
    dims = value.type.tensor_type.shape.dim
    return tuple(d.dim_value if d.HasField("dim_value") else -1 for d in dims)
