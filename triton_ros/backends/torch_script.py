# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""TorchScript: a module whose file has the names of forward's arguments, and no more.

Datatypes and shapes are the configuration's word, checked against every answer.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from triton_ros.backends.config_signature import stated_signature
from triton_ros.backends.support import listed
from triton_ros.backends.torch_program import Arranged, answer_reader, indices
from triton_ros.core.backend import Signature
from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.errors import ConfigError, InvalidArgumentError, UnsupportedError

_SCALARS = ("int", "float", "bool", "number")


class ScriptProgram:
    """A TorchScript file with a configuration that says what its tensors are."""

    wants_copies: bool
    signature: Signature

    def __init__(self, torch: Any, config: ModelConfig, path: Path) -> None:
        try:
            self._module = torch.jit.load(str(path), map_location="cpu").eval()
        except (RuntimeError, ValueError) as error:
            raise InvalidArgumentError(f"{path} is not valid TorchScript: {error}") from error
        self._name = config.name
        self._taken = False
        self._shared: dict[str, Any] = {}
        arguments = self._module.forward.schema.arguments[1:]
        self.signature = stated_signature(config)
        if not (self.signature.inputs and self.signature.outputs):
            raise ConfigError(_what_to_write(config, path, self._module.forward.schema))
        self._names = tuple(spec.name for spec in self.signature.inputs)
        self._texts_refused()
        self._arrange = _arranger(config.name, self._names, arguments)
        returned = self._module.forward.schema.returns[0].type
        outputs = [spec.name for spec in self.signature.outputs]
        _check_count(config.name, outputs, returned)
        self.collect = answer_reader(outputs, None)
        self.wants_copies = _writes_or_keeps(self._module.inlined_graph)

    def module(self, device: str, share: bool) -> Any:
        """See `Program.module`; the file's own weights are the first's."""
        if share:
            if device not in self._shared:
                self._shared[device] = self._own().to(device)
            return self._shared[device]
        return self._own().to(device)

    def arrange(self, tensors: Sequence[Any]) -> Arranged:
        """See `Program.arrange`."""
        return self._arrange(tensors)

    def _own(self) -> Any:
        if self._taken:
            return copy.deepcopy(self._module)
        self._taken = True
        return self._module

    def _texts_refused(self) -> None:
        for side, specs in (("input", self.signature.inputs), ("output", self.signature.outputs)):
            for spec in specs:
                if spec.datatype == "BYTES":
                    raise UnsupportedError(
                        f"model '{self._name}': {side} '{spec.name}' is BYTES, and PyTorch has no"
                        " tensors of strings"
                    )


def _what_to_write(config: ModelConfig, path: Path, schema: Any) -> str:
    """The error of a configuration that leaves out what the file cannot say."""
    side = "output" if config.input else "input"
    arguments = [a.name for a in schema.arguments[1:]]
    name = "OUTPUT__0" if config.input else (arguments or ["INPUT__0"])[0]
    return (
        f"model '{config.name}': {path.name} has no datatypes and shapes of its tensors, so the"
        f" configuration must state input and output; it has no {side}. forward takes"
        f" {listed(arguments)} and answers {schema.returns[0].type}. Write, for example:"
        f' max_batch_size: 8 {side} {{ name: "{name}" data_type: TYPE_FP32 dims: [ 3, 224, 224 ] }}'
        " (dims without the batch)"
    )


def _arranger(
    model: str, names: tuple[str, ...], arguments: Sequence[Any]
) -> Callable[[Sequence[Any]], Arranged]:
    """How tensors in the order of `names` become the arguments of forward.  Raises `ConfigError`.

    An argument that is a plain number gets the value of a tensor of one.
    """
    if len(arguments) == 1 and arguments[0].type.kind() == "DictType":
        return lambda tensors: ((dict(zip(names, tensors, strict=True)),), {})
    order = _order(model, names, arguments)
    taken = [arguments[place] for place in sorted(order)]
    scalars = [_is_scalar(model, argument) for argument in taken]
    positions = [order.index(place) for place in sorted(order)]
    if len(order) == max(order) + 1 and not any(scalars):
        return lambda tensors: (tuple(tensors[p] for p in positions), {})

    def arrange(tensors: Sequence[Any]) -> Arranged:
        values = {
            argument.name: tensors[p].item() if scalar else tensors[p]
            for argument, p, scalar in zip(taken, positions, scalars, strict=True)
        }
        return (), values

    return arrange


def _order(model: str, names: tuple[str, ...], arguments: Sequence[Any]) -> list[int]:
    """Which argument each name is."""
    places = {argument.name: index for index, argument in enumerate(arguments)}
    numbers = indices(names)
    if all(name in places for name in names):
        order = [places[name] for name in names]
    elif numbers is not None:
        order = numbers
    else:
        order = list(range(len(names)))
    needed = [i for i, a in enumerate(arguments) if not a.has_default_value()]
    wrong = len(set(order)) != len(order) or max(order) >= len(arguments)
    if wrong or not set(needed) <= set(order):
        raise ConfigError(
            f"model '{model}', input: forward takes {listed(places)}, the configuration has"
            f" {listed(names)}; accepted: those names, <name>__<index>, or one input for each"
            " argument in its order"
        )
    return order


def _is_scalar(model: str, argument: Any) -> bool:
    kind = str(argument.type).removeprefix("Optional[").removesuffix("]")
    if kind in _SCALARS:
        return True
    if kind == "Tensor":
        return False
    raise UnsupportedError(
        f"model '{model}': forward's argument '{argument.name}' is {kind}; accepted: Tensor,"
        f" {', '.join(_SCALARS)}, or one Dict[str, Tensor] for all inputs"
    )


def _check_count(model: str, names: Sequence[str], returned: Any) -> None:
    """A tensor or a tuple of them says at load how many there are."""
    if returned.kind() == "TensorType":
        there = 1
    elif returned.kind() == "TupleType":
        there = len(returned.elements())
        if any(element.kind() != "TensorType" for element in returned.elements()):
            return
    else:
        return
    last = max(indices(names) or [len(names) - 1])
    if last >= there:
        raise ConfigError(
            f"model '{model}', output: forward answers {there} tensors, the configuration has"
            f" {listed(names)}; accepted: <name>__<index> with an index below {there}, or names in"
            " the order of the answer"
        )


def _writes_or_keeps(graph: Any) -> bool:
    """Whether an operator writes into its input, or an attribute is set, in any block."""
    return any(
        node.kind() == "prim::SetAttr"
        or "!" in node.schema()
        or any(map(_writes_or_keeps, node.blocks()))
        for node in graph.nodes()
    )
