# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""TensorFlow's two file formats as graphs in a session, with the tensors that requests mean.

A **SavedModel** (of TensorFlow 1 or 2) names its tensors in a signature.  A frozen **GraphDef**
does not: unless the configuration names other tensors, outputs are what no node reads, and inputs
are the placeholders that they depend on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triton_ros.backends.config_signature import stated_signature
from triton_ros.backends.support import listed
from triton_ros.core.backend import Signature
from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.errors import ConfigError, NotFoundError, UnsupportedError
from triton_ros.core.tensor import TensorSpec

TAG = "TF_GRAPH_TAG"
SIGNATURE = "TF_SIGNATURE_DEF"
INIT_OPS = "TF_INIT_OPS_FILE"

_SERVING = "serving_default"
_NOT_SERVING = ("__saved_model_init_op", "__saved_model_train_op")
_NO_OUTPUTS = ("Assert", "Const", "NoOp", "Placeholder", "PlaceholderWithDefault")
_STORES = re.compile("Assign|Enqueue|Insert|SessionHandle|StackPush|Stage$")
_DATATYPES = {
    "bool": "BOOL",
    "uint8": "UINT8",
    "uint16": "UINT16",
    "uint32": "UINT32",
    "uint64": "UINT64",
    "int8": "INT8",
    "int16": "INT16",
    "int32": "INT32",
    "int64": "INT64",
    "float16": "FP16",
    "float32": "FP32",
    "float64": "FP64",
    "string": "BYTES",
}


@dataclass(frozen=True, slots=True)
class Tensors:
    """The graph's tensors by the names that requests give them."""

    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    keeps_inputs: bool
    """Whether what is fed may live on in a variable or queue, in the very memory of the request."""

    def signature(self, config: ModelConfig, path: Path) -> Signature:
        """Datatypes and shapes are the graph's; where it has no rank, the configuration's."""
        stated = stated_signature(config)
        inputs = _specs(path, "input", self.inputs, stated.inputs)
        outputs = _specs(path, "output", self.outputs, stated.outputs)
        batchable = bool(inputs) and all(s.dims[:1] == (-1,) for s in (*inputs, *outputs))
        return Signature(inputs, outputs, batchable=batchable)


def load_saved_model(tf: Any, session: Any, config: ModelConfig, path: Path) -> Tensors:
    """Put the graph with the wanted tag into the session.  Raises what TensorFlow raises."""
    tag = config.parameters.get(TAG, "serve")
    meta = tf.compat.v1.saved_model.load(session, [tag], str(path))
    keys = [key for key in meta.signature_def if key not in _NOT_SERVING]
    wanted = config.parameters.get(SIGNATURE) or (keys[0] if len(keys) == 1 else _SERVING)
    if wanted not in keys:
        raise ConfigError(
            f"model '{config.name}': {path.name} has no signature '{wanted}'; accepted for"
            f" parameters['{SIGNATURE}']: {', '.join(sorted(keys)) or 'none, it has no signature'}"
        )
    signature = meta.signature_def[wanted]
    outputs = _by_info(session.graph, path, "output", signature.outputs)
    return Tensors(
        _by_info(session.graph, path, "input", signature.inputs),
        outputs,
        _keeps_inputs(outputs.values(), meta.graph_def.library),
    )


def load_graph_def(tf: Any, session: Any, config: ModelConfig, path: Path) -> Tensors:
    """Put the graph into the session and run its init ops.  Raises what TensorFlow raises."""
    definition = tf.compat.v1.GraphDef()
    definition.ParseFromString(path.read_bytes())
    if not definition.node:
        raise ValueError("it has no nodes")
    tf.import_graph_def(definition, name="")
    graph = session.graph
    for name in _init_ops(config, path.parent):
        try:
            operation = graph.get_operation_by_name(name)
        except (KeyError, ValueError) as error:
            raise ConfigError(
                f"model '{config.name}': init op '{name}' of parameters['{INIT_OPS}'] is not in"
                f" {path.name}"
            ) from error
        session.run(operation)
    stated = stated_signature(config)
    ends, starts = _ends(graph), [op for op in graph.get_operations() if op.type == "Placeholder"]
    outputs = {s.name: _tensor(config, graph, "output", s.name, ends) for s in stated.outputs}
    outputs = outputs or {_name(tensor): tensor for tensor in ends}
    inputs = {s.name: _tensor(config, graph, "input", s.name, starts) for s in stated.inputs}
    needed = _needed(outputs.values(), inputs.values())
    if inputs and needed:
        raise ConfigError(
            f"model '{config.name}', input: the outputs {listed(outputs)} need {listed(needed)},"
            f" the configuration has {listed(inputs)}"
        )
    keeps = _keeps_inputs(outputs.values(), definition.library)
    return Tensors(inputs or needed, outputs, keeps)


def _init_ops(config: ModelConfig, version_dir: Path) -> list[str]:
    """Those of the file that the configuration names, in the version's or the model's directory."""
    name = config.parameters.get(INIT_OPS)
    if name is None:
        return []
    place = f"model '{config.name}': parameters['{INIT_OPS}']"
    if Path(name).name != name:
        raise ConfigError(f"{place} must be the name of a file, got '{name}'")
    found = [d / name for d in (version_dir, version_dir.parent) if (d / name).is_file()]
    if not found:
        raise NotFoundError(f"{place}: '{name}' is neither in {version_dir} nor above it")
    try:
        operations = json.loads(found[0].read_text(encoding="utf-8"))["init_ops"]
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f'{place}: {found[0]} must be JSON of the form {{"init_ops": ["<name>"]}}: {error}'
        ) from error
    return [str(operation) for operation in operations]


def _by_info(graph: Any, path: Path, side: str, infos: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for name in sorted(infos):
        if infos[name].WhichOneof("encoding") != "name":
            raise UnsupportedError(f"{path}: {side} '{name}' is not a dense tensor")
        found[name] = graph.get_tensor_by_name(infos[name].name)
    return found


def _ends(graph: Any) -> list[Any]:
    """The tensors of nodes that no other reads."""
    read = {tensor.op.name for op in graph.get_operations() for tensor in op.inputs}
    return [
        tensor
        for op in graph.get_operations()
        if op.name not in read and op.type not in _NO_OUTPUTS
        for tensor in op.outputs
    ]


def _name(tensor: Any) -> str:
    """Without ``:0``, as configurations call it."""
    return str(tensor.name).removesuffix(":0")


def _tensor(config: ModelConfig, graph: Any, side: str, name: str, likely: Sequence[Any]) -> Any:
    try:
        return graph.get_tensor_by_name(name if ":" in name else f"{name}:0")
    except (KeyError, ValueError) as error:
        raise ConfigError(
            f"model '{config.name}', {side}: the graph has no tensor '{name}'; likely ones:"
            f" {listed(_name(t) if hasattr(t, 'op') else t.name for t in likely)}"
        ) from error


def _needed(outputs: Any, given: Any) -> dict[str, Any]:
    """The placeholders that must be fed besides the given tensors."""
    stop = {tensor.name for tensor in given}
    seen: set[str] = set()
    found: dict[str, Any] = {}
    waiting = list(outputs)
    while waiting:
        tensor = waiting.pop()
        if tensor.name in stop or tensor.op.name in seen:
            continue
        seen.add(tensor.op.name)
        if tensor.op.type == "Placeholder":
            found[_name(tensor)] = tensor
        waiting += tensor.op.inputs
        waiting += [t for op in tensor.op.control_inputs for t in op.inputs]
    return dict(sorted(found.items()))


def _keeps_inputs(outputs: Iterable[Any], library: Any) -> bool:
    """Whether an operator that stores tensors is run, in the graph or in a function of it."""
    bodies = {function.signature.name: function.node_def for function in library.function}
    waiting = [tensor.op.node_def for tensor in outputs]
    operators = {tensor.op.name: tensor.op for tensor in outputs}
    unseen = list(operators.values())
    while unseen:
        op = unseen.pop()
        before = [tensor.op for tensor in op.inputs] + list(op.control_inputs)
        new = [each for each in before if each.name not in operators]
        operators |= {each.name: each for each in new}
        unseen += new
        waiting += [each.node_def for each in new]
    called: set[str] = set()
    while waiting:
        node = waiting.pop()
        if _STORES.search(node.op):
            return True
        for value in node.attr.values():
            functions = {f.name for f in (value.func, *value.list.func)} - called
            called |= functions
            waiting += [each for name in functions for each in bodies.get(name, ())]
    return False


def _specs(
    path: Path, side: str, tensors: Mapping[str, Any], stated: Sequence[TensorSpec]
) -> tuple[TensorSpec, ...]:
    said = {spec.name: spec.dims for spec in stated}
    dims = {
        name: said.get(name) if (own := _dims(tensor)) is None else own
        for name, tensor in tensors.items()
    }
    unknown = [name for name in tensors if dims[name] is None]
    if unknown:
        kind = _datatype(path, side, unknown[0], tensors[unknown[0]]).replace("BYTES", "STRING")
        raise ConfigError(
            f"{path}: the graph does not know the shape of {side} {listed(unknown)}: the"
            f" configuration must state max_batch_size and each {side}, as in {side}"
            f' {{ name: "{unknown[0]}" data_type: TYPE_{kind} dims: [ ... ] }}'
        )
    return tuple(
        TensorSpec(name, _datatype(path, side, name, tensor), dims[name] or ())
        for name, tensor in tensors.items()
    )


def _dims(tensor: Any) -> tuple[int, ...] | None:
    """-1 where variable; None where not even the rank is known."""
    if tensor.shape.rank is None:
        return None
    return tuple(-1 if dim is None else int(dim) for dim in tensor.shape.as_list())


def _datatype(path: Path, side: str, name: str, tensor: Any) -> str:
    kind = tensor.dtype.base_dtype.name
    if kind not in _DATATYPES:
        raise UnsupportedError(
            f"{path}: {side} '{name}' is {kind}; accepted: {', '.join(_DATATYPES)}"
        )
    return _DATATYPES[kind]
