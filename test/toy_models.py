# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Tiny model files and repositories, written in milliseconds: what the tests use for mocks.

Every writer returns the file's bytes.  ONNX files are IR version 8, opset 17, with the batch dim
``N`` in front; a dim that is ``None`` or a string is variable.  `toy_tflite` has the same models
for LiteRT.  `write_repository` lays models out on disk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

Dims = Sequence[int | str | None]

ONNX_TYPES = {
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
    "FP32": "FLOAT",
    "FP64": "DOUBLE",
    "BYTES": "STRING",
    "BF16": "BFLOAT16",
}


# --- ONNX ---------------------------------------------------------------------------------------


def onnx_model(
    nodes: Sequence[Any],
    inputs: Mapping[str, tuple[str, Dims]],
    outputs: Mapping[str, tuple[str, Dims]],
    constants: Mapping[str, np.ndarray[Any, Any]] | None = None,
    metadata: Mapping[str, str] | None = None,
) -> bytes:
    """Any graph; tensors are given as ``{name: (V2 datatype, dims)}``."""

    def infos(specs: Mapping[str, tuple[str, Dims]]) -> list[Any]:
        return [
            helper.make_tensor_value_info(name, getattr(TensorProto, ONNX_TYPES[kind]), list(dims))
            for name, (kind, dims) in specs.items()
        ]

    initializers = [numpy_helper.from_array(a, name) for name, a in (constants or {}).items()]
    graph = helper.make_graph(list(nodes), "toy", infos(inputs), infos(outputs), initializers)
    opset = helper.make_opsetid("", 17)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=8)
    helper.set_model_props(model, dict(metadata or {}))
    data: bytes = model.SerializeToString()
    return data


def _node(kind: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> Any:
    return helper.make_node(kind, list(inputs), list(outputs), **attributes)


def onnx_identity(
    datatype: str = "FP32",
    dims: Dims = ("N", 4),
    *,
    names: tuple[str, str] = ("x", "y"),
    metadata: Mapping[str, str] | None = None,
) -> bytes:
    """``y = x``, of any datatype."""
    nodes = [_node("Identity", [names[0]], [names[1]])]
    spec = (datatype, dims)
    return onnx_model(nodes, {names[0]: spec}, {names[1]: spec}, metadata=metadata)


def onnx_affine(scale: float = 2.0, offset: float = 1.0, dims: Dims = ("N", 4)) -> bytes:
    """``y = scale * x + offset``, FP32; other numbers make another version to tell apart."""
    nodes = [_node("Mul", ["x", "k"], ["m"]), _node("Add", ["m", "b"], ["y"])]
    constants = {"k": np.float32([scale]), "b": np.float32([offset])}
    return onnx_model(nodes, {"x": ("FP32", dims)}, {"y": ("FP32", dims)}, constants)


def onnx_add_sub(datatype: str = "FP32", dims: Dims = ("N", 16)) -> bytes:
    """Triton's `simple`: OUTPUT0 is the sum and OUTPUT1 the difference of INPUT0 and INPUT1."""
    nodes = [
        _node("Add", ["INPUT0", "INPUT1"], ["OUTPUT0"]),
        _node("Sub", ["INPUT0", "INPUT1"], ["OUTPUT1"]),
    ]
    spec = (datatype, dims)
    inputs = {"INPUT0": spec, "INPUT1": spec}
    return onnx_model(nodes, inputs, {"OUTPUT0": spec, "OUTPUT1": spec})


def onnx_slow(work: int = 1000, dims: Dims = ("N", 4)) -> bytes:
    """``y = x + work``, computed in `work` turns of a loop of about 1.5 us each, whatever N is."""
    float_type = TensorProto.FLOAT
    body = helper.make_graph(
        [
            _node("Identity", ["running"], ["go_on"]),
            _node("Add", ["state", "one"], ["state_out"]),
        ],
        "turn",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("running", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", float_type, list(dims)),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state_out", float_type, list(dims)),
        ],
    )
    nodes = [_node("Loop", ["turns", "", "x"], ["y"], body=body)]
    constants = {"turns": np.array(work, np.int64), "one": np.float32([1.0])}
    return onnx_model(nodes, {"x": ("FP32", dims)}, {"y": ("FP32", dims)}, constants)


def onnx_wide(elements: int) -> bytes:
    """``y = x + 1`` for x [1,4], by way of inner tensors of so many elements."""
    width = elements // 4
    nodes = [
        _node("Expand", ["x", "shape"], ["wide"]),
        _node("Add", ["wide", "one"], ["more"]),
        _node("ReduceMax", ["more"], ["y"], axes=[0], keepdims=1),
    ]
    constants = {"shape": np.array([width, 4], np.int64), "one": np.float32([1.0])}
    return onnx_model(nodes, {"x": ("FP32", (1, 4))}, {"y": ("FP32", (1, 4))}, constants)


def onnx_failing() -> bytes:
    """``y = [10, 20, 30, 40][x]`` for INT64 x [N,1]; an index outside -4..3 fails the whole run."""
    dims = ("N", 1)
    nodes = [_node("Gather", ["table", "x"], ["y"], axis=0)]
    constants = {"table": np.float32([10, 20, 30, 40])}
    return onnx_model(nodes, {"x": ("INT64", dims)}, {"y": ("FP32", dims)}, constants)


# --- repositories -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Toy:
    """A model on disk: ``config.pbtxt`` (None for no such file), and a file for each version.

    `versions` gives one version another file; `extra` are further files of the model's directory.
    """

    data: bytes | None = None
    config: str | None = ""
    filename: str = "model.onnx"
    versions: Mapping[int, bytes | None] = field(default_factory=dict)
    extra: Mapping[str, str | bytes] = field(default_factory=dict)


def write_repository(path: Path, models: Mapping[str, Toy]) -> Path:
    """Write ``<path>/<model>/...`` for every model (over what is there) and return `path`."""
    for name, toy in models.items():
        write_model(path / name, toy)
    return path


def write_model(directory: Path, toy: Toy) -> Path:
    """Write one model's directory; a version whose data is None is an empty directory."""
    for version, data in (toy.versions or {1: toy.data}).items():
        version_dir = directory / str(version)
        version_dir.mkdir(parents=True, exist_ok=True)
        if data is not None:
            (version_dir / toy.filename).write_bytes(data)
    files: dict[str, str | bytes] = dict(toy.extra)
    if toy.config is not None:
        files["config.pbtxt"] = toy.config
    for filename, content in files.items():
        data = content if isinstance(content, bytes) else content.encode()
        (directory / filename).parent.mkdir(exist_ok=True)
        (directory / filename).write_bytes(data)
    return directory
