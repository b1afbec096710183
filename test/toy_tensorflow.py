# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Tiny TensorFlow models: frozen GraphDefs, and SavedModels as TensorFlow 1 and 2 write them.

A graph is a function that is called in an empty graph and answers ``(inputs, outputs)``, each a
dictionary of tensors by name.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

Dims = Sequence[int | str | None] | None
Build = Callable[[Any], tuple[dict[str, Any], dict[str, Any]]]

DTYPES = {
    "BOOL": "bool",
    "UINT8": "uint8",
    "UINT16": "uint16",
    "UINT32": "uint32",
    "UINT64": "uint64",
    "INT8": "int8",
    "INT16": "int16",
    "INT32": "int32",
    "INT64": "int64",
    "FP16": "float16",
    "FP32": "float32",
    "FP64": "float64",
    "BYTES": "string",
    "BF16": "bfloat16",
}


def tensorflow() -> Any:
    """Imported as the backend does it: with no word on stderr."""
    from triton_ros.backends.tensorflow import _import_tensorflow  # noqa: PLC0415 (optional)

    return _import_tensorflow()


def placeholder(tf: Any, name: str, datatype: str = "FP32", dims: Dims = ("N", 4)) -> Any:
    """A dim that is no number is variable; dims of None have no rank."""
    shape = None if dims is None else [d if isinstance(d, int) else None for d in dims]
    return tf.compat.v1.placeholder(DTYPES[datatype], shape, name=name)


def graph_def(build: Build) -> bytes:
    """A frozen graph."""
    tf = tensorflow()
    with tf.Graph().as_default() as graph:
        build(tf)
        data: bytes = graph.as_graph_def().SerializeToString()
        return data


def saved_model(
    build: Build,
    tag: str = "serve",
    signatures: Sequence[str] = ("serving_default",),
    name: str = "model.savedmodel",
) -> dict[str, bytes]:
    """A SavedModel of TensorFlow 1, by the path of its files."""
    tf = tensorflow()
    v1 = tf.compat.v1
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory) / name
        with tf.Graph().as_default(), v1.Session() as session:
            inputs, outputs = build(tf)
            session.run(v1.global_variables_initializer())
            definition = v1.saved_model.predict_signature_def(inputs, outputs)
            builder = v1.saved_model.Builder(str(place))
            builder.add_meta_graph_and_variables(
                session, [tag], signature_def_map=dict.fromkeys(signatures, definition)
            )
            builder.save()
        return files(place)


def files(place: Path) -> dict[str, bytes]:
    """The files of a directory, by their path from its parent."""
    return {
        path.relative_to(place.parent).as_posix(): path.read_bytes()
        for path in sorted(place.rglob("*"))
        if path.is_file()
    }


def identity(datatype: str = "FP32", dims: Dims = ("N", 4)) -> Build:
    """``y = x``."""

    def build(tf: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        x = placeholder(tf, "x", datatype, dims)
        return {"x": x}, {"y": tf.identity(x, name="y")}

    return build


def affine(scale: float = 2.0, offset: float = 1.0, dims: Dims = ("N", 4)) -> Build:
    """``y = scale * x + offset``."""

    def build(tf: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        x = placeholder(tf, "x", dims=dims)
        return {"x": x}, {"y": tf.add(x * scale, offset, name="y")}

    return build


def add_sub() -> Build:
    """Triton's `simple`."""

    def build(tf: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        a, b = (placeholder(tf, name, dims=("N", 16)) for name in ("INPUT0", "INPUT1"))
        outputs = {"OUTPUT0": tf.add(a, b, "OUTPUT0"), "OUTPUT1": tf.subtract(a, b, "OUTPUT1")}
        return {"INPUT0": a, "INPUT1": b}, outputs

    return build


def slow(turns: int = 60, width: int = 50_000) -> Build:
    """[N,4] -> [N,4]: so many sines of so many copies of x, and the greatest of them."""

    def build(tf: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        x = placeholder(tf, "x")
        y = tf.tile(x[None], [width, 1, 1])
        for _ in range(turns):
            y = tf.sin(y)
        return {"x": x}, {"y": tf.reduce_max(y, axis=0, name="y")}

    return build


def failing() -> Build:
    """``y = [10, 20, 30, 40][x]``; any other index fails."""

    def build(tf: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        x = placeholder(tf, "x", "INT64", ("N", 1))
        table = tf.constant([10.0, 20.0, 30.0, 40.0])
        return {"x": x}, {"y": tf.identity(tf.gather(table, x), name="y")}

    return build


def variable() -> Build:
    """``y = x + v`` with a variable of 5: a SavedModel's weights."""

    def build(tf: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        x = placeholder(tf, "x")
        v = tf.compat.v1.get_variable("v", initializer=5.0)
        return {"x": x}, {"y": tf.add(x, v, name="y")}

    return build


def saved_model_2(functions: Mapping[str, Callable[[Any, Any], Any]]) -> dict[str, bytes]:
    """A SavedModel of TensorFlow 2: each signature is ``function(tf, x)`` of FP32 x [N,4]."""
    tf = tensorflow()
    module = tf.Module()
    module.scale = tf.Variable(2.0)
    spec = tf.TensorSpec([None, 4], tf.float32, name="x")

    def traced(function: Callable[[Any, Any], Any]) -> Any:
        return tf.function(lambda x: function(module, x), input_signature=[spec])

    signatures = {name: traced(function) for name, function in functions.items()}
    for name, function in signatures.items():
        setattr(module, f"function_{name}", function)
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory) / "model.savedmodel"
        tf.saved_model.save(module, str(place), signatures=signatures)
        return files(place)
