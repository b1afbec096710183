# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""From an ONNX file to a network definition, or to a parser's errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx

from fake_tensorrt.bindings import trt
from fake_tensorrt.model import Model, Tensor, data_type
from fake_tensorrt.strict import Strict

_KNOWN_DOMAINS = {"", "ai.onnx"}
_UNSUPPORTED = {"StringNormalizer", "TfIdfVectorizer", "RegexFullMatch", "SequenceMap", "Bernoulli"}


class ITensor(Strict):
    """An input or output of the network."""

    name = ""

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = tensor
        self.name = tensor.name

    @property
    def shape(self) -> object:
        return trt.Dims(self._tensor.shape)

    @property
    def dtype(self) -> object:
        return data_type(self._tensor.element)

    @property
    def is_network_input(self) -> bool:
        return self._tensor.is_input

    @property
    def is_network_output(self) -> bool:
        return not self._tensor.is_input

    @property
    def is_shape_tensor(self) -> bool:
        return self._tensor.is_shape

    @property
    def is_execution_tensor(self) -> bool:
        return not self._tensor.is_shape


class ILayer(Strict):
    """One node of the ONNX file."""

    name = ""

    def __init__(self, node: onnx.NodeProto, index: int) -> None:
        self._node = node
        self.name = node.name or f"{node.op_type}_{index}"

    @property
    def num_inputs(self) -> int:
        return len(self._node.input)

    @property
    def num_outputs(self) -> int:
        return len(self._node.output)


class INetworkDefinition(Strict):
    """Empty until a parser fills it."""

    name = "Unnamed Network 0"

    def __init__(self, flags: int) -> None:
        self._flags = flags
        self._model: Model | None = None
        self._layers: list[ILayer] = []

    @property
    def flags(self) -> int:
        return self._flags

    @property
    def num_inputs(self) -> int:
        return len(self._model.inputs()) if self._model else 0

    @property
    def num_outputs(self) -> int:
        return len(self._model.outputs()) if self._model else 0

    @property
    def num_layers(self) -> int:
        return len(self._layers)

    def get_input(self, index: int) -> ITensor:
        assert self._model is not None
        return ITensor(self._model.inputs()[index])

    def get_output(self, index: int) -> ITensor:
        assert self._model is not None
        return ITensor(self._model.outputs()[index])

    def get_layer(self, index: int) -> ILayer:
        return self._layers[index]


class ParserError(Strict):
    """Why a file was not parsed."""

    def __init__(self, code: object, desc: str, node: int = -1) -> None:
        self._code = code
        self._desc = desc
        self._node = node

    def code(self) -> object:
        return self._code

    def desc(self) -> str:
        return self._desc

    def node(self) -> int:
        return self._node

    def file(self) -> str:
        return "ModelImporter.cpp"

    def line(self) -> int:
        return 0

    def func(self) -> str:
        return "parse"

    def __str__(self) -> str:
        return f"In node {self._node}: {self._desc}"


class OnnxParser(Strict):
    """Refuses what is no ONNX, unknown operators, types that TensorRT has not."""

    def __init__(self, network: INetworkDefinition, logger: Any) -> None:
        self._network = network
        self._logger = logger
        self._errors: list[ParserError] = []

    @property
    def num_errors(self) -> int:
        return len(self._errors)

    def get_error(self, index: int) -> ParserError:
        return self._errors[index]

    def clear_errors(self) -> None:
        self._errors.clear()

    def parse_from_file(self, model: str) -> bool:
        return self.parse(Path(model).read_bytes(), model)

    def parse(self, model: bytes, path: str | None = None) -> bool:
        """`path` says where weights lie that are in files of their own."""
        data = bytes(model)
        if not data:
            return True  # so it does: an empty network, which cannot be built
        try:
            proto = onnx.load_from_string(data)
            if path is not None:
                onnx.load_external_data_for_model(proto, str(Path(path).parent))
                data = proto.SerializeToString()
            onnx.checker.check_model(proto)
        except Exception as error:  # protobuf and the checker have many
            return self._fail(
                "MODEL_DESERIALIZE_FAILED", f"Failed to parse the ONNX model: {error}"
            )
        return self._explicit_batch() and self._supported(proto) and self._take(proto, data)

    def _explicit_batch(self) -> bool:
        flag = getattr(trt.NetworkDefinitionCreationFlag, "EXPLICIT_BATCH", None)
        needed = flag is not None and trt.__version__.startswith("8.")
        if needed and not self._network._flags & (1 << int(flag)):
            return self._fail("INVALID_VALUE", "only networks with an explicit batch dimension")
        return True

    def _supported(self, proto: onnx.ModelProto) -> bool:
        for index, node in enumerate(proto.graph.node):
            if node.domain not in _KNOWN_DOMAINS or node.op_type in _UNSUPPORTED:
                text = "Plugin not found, are the plugin name, version, and namespace correct?"
                return self._fail("INVALID_NODE", f"{text} ({node.op_type})", index)
        for value in (*proto.graph.input, *proto.graph.output):
            if data_type(value.type.tensor_type.elem_type) is None:
                return self._fail("UNSUPPORTED_GRAPH", f"{value.name}: type is not supported")
        return True

    def _take(self, proto: onnx.ModelProto, data: bytes) -> bool:
        self._network._model = Model(data)
        self._network._layers = [ILayer(node, i) for i, node in enumerate(proto.graph.node)]
        return True

    def _fail(self, code: str, text: str, node: int = -1) -> bool:
        self._errors.append(ParserError(getattr(trt.ErrorCode, code), text, node))
        self._logger.log(trt.ILogger.ERROR, text)
        return False
