# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""``torch.export`` packages: graphs that say the datatype, shape and range of everything.

Names of inputs are those of forward's arguments; names of outputs the keys of its answer if that is
a dictionary, else ``OUTPUT__<index>`` or what the configuration calls them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from triton_ros.backends.torch_program import (
    DATATYPES,
    Arranged,
    answer_reader,
    flatten,
    indices,
)
from triton_ros.core.backend import Signature
from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.errors import ConfigError, InvalidArgumentError, UnsupportedError
from triton_ros.core.tensor import TensorSpec


@dataclass(frozen=True, slots=True)
class _Leaf:
    """An input or output of the graph, as the package describes it."""

    name: str
    value: Any
    """A fake tensor, or None where it is a constant."""


class ExportProgram:
    """A package; its modules share the weights, and have their own buffers if they write them."""

    wants_copies: bool
    signature: Signature

    def __init__(self, torch: Any, config: ModelConfig, path: Path) -> None:
        from torch.utils import _pytree  # noqa: PLC0415 (lazy on purpose)

        self._pytree: Any = _pytree
        self._torch = torch
        try:
            self._program = torch.export.load(str(path))
            first = self._program.module()
        except Exception as error:  # whatever its parser stumbles over
            raise InvalidArgumentError(
                f"{path}: torch {torch.__version__} cannot load this torch.export package:"
                f" {type(error).__name__}: {error}"
            ) from error
        inputs, outputs = _leaves(self._program, _argument_names(self._program, _pytree))
        self._places = [i for i, leaf in enumerate(inputs) if leaf.value is not None]
        keys = self._keys(outputs)
        names = _output_names(config, keys, [leaf.value is not None for leaf in outputs])
        self.signature = _signature(path, self._program, inputs, outputs, names)
        most = self.signature.max_batch_size
        if 0 < most < config.max_batch_size:
            raise ConfigError(
                f"model '{config.name}' has max_batch_size {config.max_batch_size}, but {path.name}"
                f" was exported for smaller batches; accepted: {most} or less"
            )
        self._arrange = self._arranger(len(inputs))
        self.collect = answer_reader(list(names), keys)
        self.wants_copies = any(
            getattr(getattr(node.target, "_schema", None), "is_mutable", False)
            for module in first.modules()
            if hasattr(module, "graph")
            for node in module.graph.nodes
        )
        self._shared: dict[str, Any] = {}

    def module(self, device: str, share: bool) -> Any:
        """See `Program.module`."""
        if share and device in self._shared:
            return self._shared[device]
        module = self._make(device)
        if share:
            self._shared[device] = module
        elif self.wants_copies:
            for owner in module.modules():
                for name, buffer in list(owner.named_buffers(recurse=False)):
                    setattr(owner, name, buffer.clone())
        return module

    def arrange(self, tensors: Sequence[Any]) -> Arranged:
        """See `Program.arrange`."""
        return self._arrange(tensors)

    def _make(self, device: str) -> Any:
        if device == "cpu":
            return self._program.module()
        from torch.export.passes import move_to_device_pass  # noqa: PLC0415 (lazy on purpose)

        return move_to_device_pass(self._program, device).module()

    def _keys(self, outputs: Sequence[_Leaf]) -> list[str] | None:
        """Those of an answer that is a dictionary of tensors."""
        answer = self._pytree.tree_unflatten(
            list(range(len(outputs))), self._program.call_spec.out_spec
        )
        if isinstance(answer, Mapping) and flatten(answer) == list(answer.values()):
            return [str(key) for key in answer]
        return None

    def _arranger(self, count: int) -> Callable[[Sequence[Any]], Arranged]:
        """From the tensors to the arguments that the program was exported with.

        Nested arguments are put together by PyTorch, which is slow; flat ones are not nested.
        """
        spec, places = self._program.call_spec.in_spec, self._places
        args, kwargs = self._pytree.tree_unflatten(list(range(count)), spec)
        flat = (*args, *kwargs.values())
        if list(places) == sorted(i for i in flat if isinstance(i, int)) and len(flat) == count:
            order = [places.index(i) for i in args]
            named = {name: places.index(i) for name, i in kwargs.items()}
            return lambda tensors: (
                tuple(tensors[i] for i in order),
                {name: tensors[i] for name, i in named.items()},
            )
        constants = _constants(self._program)

        def arrange(tensors: Sequence[Any]) -> Arranged:
            values = list(constants)
            for place, tensor in zip(places, tensors, strict=True):
                values[place] = tensor
            args, kwargs = self._pytree.tree_unflatten(values, spec)
            return tuple(args), dict(kwargs)

        return arrange


def _user_specs(specs: Sequence[Any], kind: str) -> list[Any]:
    return [spec for spec in specs if spec.kind.name == kind]


def _constants(program: Any) -> list[Any]:
    """What was given for inputs that are not tensors, by place; None for a tensor."""
    specs = _user_specs(program.graph_signature.input_specs, "USER_INPUT")
    return [getattr(spec.arg, "value", None) for spec in specs]


def _argument_names(program: Any, pytree: Any) -> Mapping[int, str]:
    """Forward's own names for its flat arguments: those of the graph are in lower case."""
    call = program.module_call_graph[0].signature
    names = getattr(call, "forward_arg_names", None) or []
    count = len(_user_specs(program.graph_signature.input_specs, "USER_INPUT"))
    args, kwargs = pytree.tree_unflatten(list(range(count)), program.call_spec.in_spec)
    found = {i: name for name, i in zip(names, args, strict=False) if isinstance(i, int)}
    return found | {i: name for name, i in kwargs.items() if isinstance(i, int)}


def _leaves(program: Any, names: Mapping[int, str]) -> tuple[list[_Leaf], list[_Leaf]]:
    values = {node.name: node.meta.get("val") for node in program.graph.nodes}
    sides = []
    for kind, specs in (
        ("USER_INPUT", program.graph_signature.input_specs),
        ("USER_OUTPUT", program.graph_signature.output_specs),
    ):
        sides.append(
            [
                _Leaf(s.arg.name, None if hasattr(s.arg, "value") else values.get(s.arg.name))
                for s in _user_specs(specs, kind)
            ]
        )
    sides[0] = [replace(leaf, name=names.get(i, leaf.name)) for i, leaf in enumerate(sides[0])]
    return sides[0], sides[1]


def _output_names(
    config: ModelConfig, keys: Sequence[str] | None, tensors: Sequence[bool]
) -> dict[str, int]:
    """The outputs' names and where they are in the answer; raises `ConfigError`."""
    own = list(keys) if keys is not None else [f"OUTPUT__{i}" for i in range(len(tensors))]
    states = config.sequence_batching.state if config.sequence_batching else ()
    stated = [output.spec.name for output in config.output]
    stated += [s.output_name for s in states if s.output_name not in stated]
    if not stated or all(name in own for name in stated):
        return {name: i for i, name in enumerate(own) if tensors[i]}
    places = indices(stated)
    if places is None:
        places = list(range(len(stated)))
    if keys is not None or max(places) >= len(own):
        raise ConfigError(
            f"model '{config.name}', output: the package answers {', '.join(own)}, the"
            f" configuration has {', '.join(stated)}"
        )
    return dict(zip(stated, places, strict=True))


def _signature(
    path: Path,
    program: Any,
    inputs: Sequence[_Leaf],
    outputs: Sequence[_Leaf],
    names: Mapping[str, int],
) -> Signature:
    taken = [leaf for leaf in inputs if leaf.value is not None]
    answered = [outputs[place] for place in names.values()]
    firsts = [str(leaf.value.shape[0]) if leaf.value.ndim else "" for leaf in (*taken, *answered)]
    symbols = {str(s): bounds for s, bounds in program.range_constraints.items()}
    batchable = bool(firsts) and all(first in symbols for first in firsts)
    batchable = batchable and set(firsts[len(taken) :]) <= set(firsts[: len(taken)])
    most = min((_most(symbols[first]) for first in firsts), default=0) if batchable else 0
    return Signature(
        tuple(_spec(path, "input", leaf.name, leaf.value) for leaf in taken),
        tuple(_spec(path, "output", n, outputs[i].value) for n, i in names.items()),
        batchable=batchable,
        max_batch_size=0 if most >= _ANY else most,
    )


_ANY = 1 << 30
"""As good as no bound."""


def _most(bounds: Any) -> int:
    text = str(bounds.upper)  # infinity is a symbol of its own
    return min(int(text), _ANY) if text.isdigit() else _ANY


def _spec(path: Path, side: str, name: str, value: Any) -> TensorSpec:
    datatype = DATATYPES.get(str(getattr(value, "dtype", type(value).__name__)))
    if datatype is None:
        raise UnsupportedError(
            f"{path}: {side} '{name}' is {getattr(value, 'dtype', type(value).__name__)};"
            f" accepted: {', '.join(DATATYPES)}"
        )
    dims = tuple(d if isinstance(d, int) else -1 for d in value.shape)
    return TensorSpec(name, datatype, dims)
