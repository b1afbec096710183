# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""COCO-SSD (SSDLite MobileNet v2) from a TensorFlow.js graph model to ONNX, without TensorFlow.

The graph model is a JSON list of TensorFlow nodes and files of raw weights.  Only the network is
taken over: from the preprocessed image (node ``Preprocessor/sub``) to the box and the class head
(``concat`` and ``concat_1``).  What surrounds it in the original, a loop over the images and a
resize in front, decoding with tensor lists behind, is written anew in a few batched nodes:

    in   images  UINT8 [N,S,S,3]  RGB, S = 300, scaled to -1..1 here
    out  boxes   FP32  [N,A,4]    ymin, xmin, ymax, xmax of the A = 1917 anchors, 0..1
    out  scores  FP32  [N,A,C]    C = 90 classes (COCO's 91 ids minus 1), sigmoid; background cut

TensorFlow computes in NHWC and ONNX in NCHW, so images are transposed once in front, the heads
once behind, and weights when they are read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Array = NDArray[Any]

IMAGE_SIZE = 300
_IMAGE = "Preprocessor/sub"
_BOXES, _CLASSES = "concat", "concat_1"
_ANCHORS = "Postprocessor/ExpandDims"
_CENTRE_VARIANCE, _SIZE_VARIANCE = 0.1, 0.2
_DTYPES = {"float32": np.dtype("<f4"), "int32": np.dtype("<i4"), "bool": np.dtype("?")}


class ConversionError(Exception):
    """The graph model is not the one that this converter knows."""


@dataclass(frozen=True)
class TfjsModel:
    """Nodes and weights by name."""

    nodes: Mapping[str, Mapping[str, Any]]
    weights: Mapping[str, Array]


def load_tfjs(read: Callable[[str], bytes]) -> TfjsModel:
    """Read ``model.json`` and the weight files it lists; `read` gives a file's bytes by name."""
    document = json.loads(read("model.json"))
    weights: dict[str, Array] = {}
    for group in document["weightsManifest"]:
        data = b"".join(read(path) for path in group["paths"])
        weights.update(_group_weights(group["weights"], data))
    nodes = {node["name"]: node for node in document["modelTopology"]["node"]}
    return TfjsModel(nodes, weights)


def _group_weights(entries: list[dict[str, Any]], data: bytes) -> Iterator[tuple[str, Array]]:
    offset = 0
    for entry in entries:
        name, dtype = entry["name"], _DTYPES.get(entry["dtype"])
        if dtype is None or "quantization" in entry:
            raise ConversionError(f"weight '{name}' is quantised or {entry['dtype']}")
        count = int(np.prod(entry["shape"], dtype=np.int64))
        if offset + count * dtype.itemsize > len(data):
            raise ConversionError(f"weight '{name}' reaches past the end of the weight files")
        yield name, np.frombuffer(data, dtype, count, offset).reshape(entry["shape"])
        offset += count * dtype.itemsize


def convert(model: TfjsModel, image_size: int = IMAGE_SIZE) -> onnx.ModelProto:
    """The ONNX model (opset 17), checked; raises `ConversionError` for an unknown graph."""
    graph = _Network(model)
    graph.bind(_IMAGE, _normalised_image(graph))
    graph.add_until(_BOXES, _CLASSES)
    anchors = model.weights[_ANCHORS].reshape(-1, 4).astype(np.float32)
    boxes = _decoded(graph, graph.tensor(_BOXES), anchors)
    scores = graph.slice(graph.op("Sigmoid", graph.tensor(_CLASSES)), 1, graph.classes)
    outputs = {"boxes": (boxes, 4), "scores": (scores, graph.classes - 1)}
    infos = []
    for name, (tensor, width) in outputs.items():
        graph.nodes.append(helper.make_node("Identity", [tensor], [name]))
        dims: list[str | int | None] = ["N", len(anchors), width]
        infos.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, dims))
    shape: list[str | int | None] = ["N", image_size, image_size, 3]
    image = helper.make_tensor_value_info("images", TensorProto.UINT8, shape)
    made = helper.make_graph(graph.nodes, "coco_ssd", [image], infos, graph.initializers)
    opset = helper.make_opsetid("", 17)
    converted = helper.make_model(made, opset_imports=[opset], ir_version=8)
    onnx.checker.check_model(converted)
    return converted


class _Builder:
    """An ONNX graph in the making; tensors are named by number."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self._count = 0

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Append a node of one output; returns the output's name."""
        name = self._name("t")
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def constant(self, value: Any, dtype: Any = np.float32) -> str:
        name = self._name("c")
        array = np.ascontiguousarray(np.asarray(value, dtype)).reshape(np.shape(value))
        self.initializers.append(numpy_helper.from_array(array, name))
        return name

    def slice(self, tensor: str, start: int, stop: int) -> str:
        """Of the last of three dims."""
        bounds = [self.constant([number], np.int64) for number in (start, stop, 2)]
        return self.op("Slice", tensor, *bounds)

    def _name(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}{self._count}"


class _Network(_Builder):
    """Translates TensorFlow's nodes, each after its inputs."""

    def __init__(self, model: TfjsModel) -> None:
        super().__init__()
        self._model = model
        self._done: dict[str, str] = {}
        self.classes = 0
        """Width of the class head, background included; known once the head was added."""

    def bind(self, node: str, tensor: str) -> None:
        """Take `tensor` for what the TensorFlow node would compute."""
        self._done[node] = tensor

    def tensor(self, node: str) -> str:
        return self._done[node]

    def add_until(self, *targets: str) -> None:
        """Add the targets and all they need.  A stack, as the network is 300 nodes deep."""
        waiting = list(reversed(targets))
        while waiting:
            name = waiting[-1]
            missing = [] if name in self._done else self._missing(name)
            if missing:
                waiting.extend(missing)
                continue
            waiting.pop()
            if name not in self._done:
                self._done[name] = self._add(name)

    def _missing(self, name: str) -> list[str]:
        return [n for n in self._inputs(name) if n not in self._done and not self._weight(n)]

    def _weight(self, name: str) -> bool:
        return name in self._model.weights

    def _inputs(self, name: str) -> list[str]:
        """The inputs that are computed; of a Reshape or ConcatV2 the last is a constant."""
        if name not in self._model.nodes:
            raise ConversionError(f"node '{name}' is not in the graph")
        node = self._model.nodes[name]
        inputs = [_node_name(text) for text in node["input"]]
        return inputs[:-1] if node["op"] in ("Reshape", "ConcatV2") else inputs

    def _add(self, name: str) -> str:
        node = self._model.nodes[name]
        handler = _HANDLERS.get(node["op"])
        if handler is None:
            raise ConversionError(f"node '{name}' is {node['op']}, which is not known here")
        return handler(self, node, self._inputs(name))

    def _operand(self, name: str) -> str:
        """A tensor, or a constant over channels."""
        if self._weight(name):
            return self.constant(self._model.weights[name].reshape(1, -1, 1, 1))
        return self._done[name]

    def _conv(self, node: Mapping[str, Any], inputs: list[str]) -> str:
        weights: Array = self._model.weights[inputs[1]]
        kernel: Array
        groups = 1
        if node["op"] == "DepthwiseConv2dNative":
            height, width, groups, multiplier = weights.shape
            kernel = weights.transpose(2, 3, 0, 1).reshape(groups * multiplier, 1, height, width)
        else:
            kernel = weights.transpose(3, 2, 0, 1)
        return self.op(
            "Conv",
            self._operand(inputs[0]),
            self.constant(kernel),
            strides=_integers(node, "strides")[1:3],
            dilations=_integers(node, "dilations")[1:3],
            group=groups,
            auto_pad=_padding(node),
            kernel_shape=list(kernel.shape[2:]),
        )

    def _batch_norm(self, node: Mapping[str, Any], inputs: list[str]) -> str:
        scale, offset, mean, variance = (self._model.weights[name] for name in inputs[1:5])
        factor = scale / np.sqrt(variance + node["attr"]["epsilon"]["f"])
        scaled = self.op(
            "Mul", self._operand(inputs[0]), self.constant(factor.reshape(1, -1, 1, 1))
        )
        rest = (offset - mean * factor).reshape(1, -1, 1, 1)
        return self.op("Add", scaled, self.constant(rest))

    def _relu6(self, node: Mapping[str, Any], inputs: list[str]) -> str:
        del node
        return self.op("Clip", self._operand(inputs[0]), self.constant(0.0), self.constant(6.0))

    def _reshape(self, node: Mapping[str, Any], inputs: list[str]) -> str:
        """A head: its map's positions and anchors become one dim, [N, positions, width]."""
        stack = self._model.nodes[_node_name(node["input"][1])]
        width = int(self._model.weights[_node_name(stack["input"][-1])])
        self.classes = max(self.classes, width)
        rows = self.op("Transpose", self._operand(inputs[0]), perm=[0, 2, 3, 1])
        return self.op("Reshape", rows, self.constant([0, -1, width], np.int64))

    def _concat(self, node: Mapping[str, Any], inputs: list[str]) -> str:
        del node
        return self.op("Concat", *(self._done[name] for name in inputs), axis=1)

    def _elementwise(self, node: Mapping[str, Any], inputs: list[str]) -> str:
        kind = {"Mul": "Mul", "AddN": "Sum"}.get(node["op"], "Add")
        return self.op(kind, *(self._operand(name) for name in inputs))


_HANDLERS: dict[str, Callable[[_Network, Mapping[str, Any], list[str]], str]] = {
    "Conv2D": _Network._conv,
    "DepthwiseConv2dNative": _Network._conv,
    "FusedBatchNorm": _Network._batch_norm,
    "FusedBatchNormV3": _Network._batch_norm,
    "Relu6": _Network._relu6,
    "Reshape": _Network._reshape,
    "ConcatV2": _Network._concat,
    "Add": _Network._elementwise,
    "AddV2": _Network._elementwise,
    "AddN": _Network._elementwise,
    "BiasAdd": _Network._elementwise,
    "Mul": _Network._elementwise,
}


def _normalised_image(graph: _Builder) -> str:
    """UINT8 0..255 [N,S,S,3] to -1..1 [N,3,S,S]."""
    image = graph.op(
        "Transpose", graph.op("Cast", "images", to=TensorProto.FLOAT), perm=[0, 3, 1, 2]
    )
    scaled = graph.op("Mul", image, graph.constant(2.0 / 255.0))
    return graph.op("Add", scaled, graph.constant(-1.0))


def _decoded(graph: _Builder, codes: str, anchors: Array) -> str:
    """Corners from (y, x, log height, log width) codes relative to anchors [A,4] of corners."""
    middle = (anchors[:, :2] + anchors[:, 2:]) / 2
    size = anchors[:, 2:] - anchors[:, :2]
    shift = graph.op("Mul", graph.slice(codes, 0, 2), graph.constant(_CENTRE_VARIANCE * size[None]))
    centre = graph.op("Add", shift, graph.constant(middle[None]))
    growth = graph.op("Mul", graph.slice(codes, 2, 4), graph.constant(_SIZE_VARIANCE))
    half = graph.op("Mul", graph.op("Exp", growth), graph.constant(size[None] / 2))
    corners = graph.op("Sub", centre, half), graph.op("Add", centre, half)
    return graph.op("Concat", *corners, axis=2)


def _node_name(text: str) -> str:
    return text.partition(":")[0].lstrip("^")


def _integers(node: Mapping[str, Any], attribute: str) -> list[int]:
    """A list attribute; absent dilations are all 1."""
    values = node["attr"].get(attribute, {}).get("list", {}).get("i") or [1, 1, 1, 1]
    return [int(value) for value in values]


def _padding(node: Mapping[str, Any]) -> str:
    text = bytes(node["attr"]["padding"]["s"]).decode()
    try:
        return {"SAME": "SAME_UPPER", "VALID": "VALID"}[text]
    except KeyError:
        raise ConversionError(f"node '{node['name']}' has the padding {text}") from None
