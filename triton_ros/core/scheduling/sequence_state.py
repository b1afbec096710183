# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Implicit state: what a model answers for one request of a sequence is an input of the next.

A sequence begins with `initial_state` (zeros, or a file's content); a state without one begins
with zeros too, its variable dims as 1, where Triton leaves the memory as it finds it.  A request
that fails leaves the state as it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.config.scheduling_config import SequenceBatching, SequenceState
from triton_ros.core.errors import InternalError
from triton_ros.core.execution.payload import Key, item_key
from triton_ros.core.tensor import Array, TensorSpec, datatype_of
from triton_ros.core.tensor_file import read_tensor

DIRECTORY = "initial_state"
"""Below the model's directory: where `initial_state.data_file` is."""


class SequenceStates:
    """The states of one sequence, by input name and without a batch dim; a `StateSlot`."""

    def __init__(self, table: StateTable, inputs: dict[str, Array]) -> None:
        self._table = table
        self.inputs = inputs
        self.key = item_key(inputs, element=True)

    def take(self, outputs: dict[str, Array]) -> dict[str, Array]:
        """Keep the state outputs of one answer; what is left is for the caller.

        A state that is not answered stays.  Raises `InternalError`, and keeps what was, if one has
        another datatype or shape than the configuration says.
        """
        left, found = dict(outputs), {}
        for state in self._table.states:
            if state.output_name in outputs:
                shared = state.output_name in self._table.answered
                value = outputs[state.output_name]
                found[state.input_name] = self._table.checked(state, value, shared)
                if not shared:
                    del left[state.output_name]
        self.inputs = {**self.inputs, **found}
        self.key = item_key(self.inputs, element=True)
        return left


class StateTable:
    """The states that a model's sequences have, and how they begin."""

    def __init__(self, config: ModelConfig, initial: Mapping[str, Array]) -> None:
        """`initial` has the arrays of the states that do not begin with zeros, by input name."""
        batching = config.sequence_batching or SequenceBatching()
        self.states = batching.state
        self.answered = frozenset(output.spec.name for output in config.output)
        self._model = config.name
        self._initial = {s.input_name: initial.get(s.input_name, _zeros(s)) for s in self.states}
        self.initial_key: Key = item_key(self._initial, element=True)

    def begin(self) -> SequenceStates:
        """The states of a new sequence."""
        return SequenceStates(self, {name: value.copy() for name, value in self._initial.items()})

    def checked(self, state: SequenceState, value: Array, shared: bool) -> Array:
        """The value as it is kept: one row, of memory that nobody else writes."""
        spec = state.spec
        row = value[0] if value.ndim == len(spec.dims) + 1 and len(value) == 1 else value
        if datatype_of(row.dtype) != spec.datatype or not spec.accepts(row.shape):
            raise InternalError(
                f"model '{self._model}': state output '{state.output_name}' must be"
                f" {spec.datatype} {list(spec.dims)}, got {datatype_of(row.dtype)}"
                f" {list(row.shape)}"
            )
        base = row.base  # a row of a large batch would keep the whole batch
        if shared or (isinstance(base, np.ndarray) and base.nbytes > row.nbytes):
            return row.copy()
        return row


def read_initial_states(config: ModelConfig, model_dir: Path) -> dict[str, Array]:
    """The content of every state's `data_file`, by input name; raises `ConfigError`."""
    found = {}
    for state in config.sequence_batching.state if config.sequence_batching else ():
        initial = state.initial_state
        if initial is None:
            continue
        place = f"model '{config.name}', state '{state.input_name}', initial_state"
        if initial.data_file:
            found[state.input_name] = read_tensor(
                f"{place}, data_file '{initial.data_file}'",
                model_dir / DIRECTORY,
                initial.data_file,
                initial.spec,
            )
        else:
            found[state.input_name] = _filled(initial.spec.dims, initial.spec)
    return found


def _zeros(state: SequenceState) -> Array:
    return _filled(tuple(max(dim, 1) for dim in state.spec.dims), state.spec)


def _filled(dims: tuple[int, ...], spec: TensorSpec) -> Array:
    if spec.datatype == "BYTES":
        return np.full(dims, b"", np.object_)
    return np.zeros(dims, spec.dtype)
