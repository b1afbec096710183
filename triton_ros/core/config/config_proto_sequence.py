# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Triton's `ModelSequenceBatching` message -> the typed value."""

from __future__ import annotations

from typing import Any

from triton_ros.core.config.config_lines import PlacedError, placed
from triton_ros.core.config.config_schema import enum_name, inside, schema, tensor_spec
from triton_ros.core.config.config_shapes import check_dims
from triton_ros.core.config.scheduling_config import (
    ControlKind,
    DirectStrategy,
    InitialState,
    OldestStrategy,
    SequenceBatching,
    SequenceControl,
    SequenceState,
)
from triton_ros.core.errors import ConfigError
from triton_ros.core.tensor import TensorSpec

_CORRID_TYPES = ("UINT64", "INT64", "UINT32", "INT32", "BYTES")
_FALSE_TRUE = {"int32_false_true": "INT32", "fp32_false_true": "FP32", "bool_false_true": "BOOL"}


def sequence_batching(message: Any) -> SequenceBatching | None:
    """`ModelConfig.sequence_batching`."""
    if not message.HasField("sequence_batching"):
        return None
    batching = message.sequence_batching
    controls, states = [], []
    with placed("sequence_batching"):
        for index, control_input in enumerate(batching.control_input):
            with placed("control_input", index):
                controls += _controls(control_input)
        for index, state in enumerate(batching.state):
            with placed("state", index):
                states.append(_state(state))
        return SequenceBatching(
            _strategy(batching),
            batching.max_sequence_idle_microseconds or 1_000_000,
            tuple(controls),
            tuple(states),
            batching.iterative_sequence,
        )


def _strategy(batching: Any) -> DirectStrategy | OldestStrategy:
    if batching.WhichOneof("strategy_choice") == "oldest":
        with placed("oldest"):
            return OldestStrategy(
                batching.oldest.max_candidate_sequences,
                tuple(batching.oldest.preferred_batch_size),
                batching.oldest.max_queue_delay_microseconds,
                batching.oldest.preserve_ordering,
            )
    with placed("direct"):
        return DirectStrategy(
            batching.direct.max_queue_delay_microseconds, batching.direct.minimum_slot_utilization
        )


def _controls(message: Any) -> list[SequenceControl]:
    if not message.name:
        raise ConfigError("sequence batching control tensor must have a name")
    if not message.control:
        raise ConfigError(f"control_input '{message.name}' needs at least one control")
    kinds = schema().ModelSequenceBatching.Control.Kind
    found = []
    for index, control in enumerate(message.control):
        with placed("control", index):
            kind = ControlKind(enum_name(kinds, control.kind, "control_input.control.kind"))
            if kind is ControlKind.CORRID:
                found.append(SequenceControl(kind, _corrid(message.name, control)))
            else:
                found.append(_flag(message.name, kind, control))
    return found


def _corrid(name: str, control: Any) -> TensorSpec:
    kind = ControlKind.CORRID.value
    if any(getattr(control, field) for field in _FALSE_TRUE):
        raise ConfigError(
            "sequence batching must not specify either 'int32_false_true', 'fp32_false_true' or"
            f" 'bool_false_true' for {kind}"
        )
    types = schema().DataType
    given = enum_name(types, control.data_type, "control_input.control.data_type")
    datatype = given.removeprefix("TYPE_").replace("STRING", "BYTES")
    if datatype not in _CORRID_TYPES:
        raise PlacedError(
            f"unexpected data type for control {kind}; Allowed data types are TYPE_UINT64,"
            f" TYPE_INT64, TYPE_UINT32, TYPE_INT32 and TYPE_STRING, got {given}",
            "data_type",
        )
    return TensorSpec(name, datatype, (1,))


def _flag(name: str, kind: ControlKind, control: Any) -> SequenceControl:
    given = [field for field in _FALSE_TRUE if getattr(control, field)]
    if not given:
        raise ConfigError(
            "sequence batching must specify either 'int32_false_true', 'fp32_false_true' or"
            f" 'bool_false_true' for {kind.value}"
        )
    if len(given) > 1:
        raise ConfigError(
            "sequence batching specifies more than one from 'int32_false_true',"
            f" 'fp32_false_true' and 'bool_false_true' for {kind.value}; got {' and '.join(given)}"
        )
    if control.data_type:
        raise ConfigError(f"control {kind.value} has a data_type; its type is that of {given[0]}")
    values = tuple(float(value) for value in getattr(control, given[0]))
    if len(values) != 2:
        raise ConfigError(
            f"sequence batching control '{given[0]}' must have exactly 2 entries for {kind.value};"
            f" got {len(values)}"
        )
    return SequenceControl(kind, TensorSpec(name, _FALSE_TRUE[given[0]], (1,)), values)


def _state(message: Any) -> SequenceState:
    for field in ("input_name", "output_name"):
        if not getattr(message, field):
            raise ConfigError(f"sequence_batching.state must specify '{field}'")
    spec = tensor_spec(message, message.input_name, "sequence_batching.state")
    check_dims("sequence_batching.state", spec)
    if len(message.initial_state) > 1:
        raise ConfigError(
            f"initial_state field for state input '{message.input_name}' must contain exactly one"
            f" or zero element. Found '{len(message.initial_state)}' elements."
        )
    initial = None
    for given in message.initial_state:
        with placed("initial_state", 0):
            initial = _initial_state(given, spec)
    return SequenceState(message.input_name, message.output_name, spec, initial)


def _initial_state(message: Any, state: TensorSpec) -> InitialState:
    if not message.name:
        raise ConfigError(
            f"Field 'name' must be set when using initial_state for state input '{state.name}'."
        )
    choice = message.WhichOneof("state_data")
    if choice is None or (choice == "zero_data" and not message.zero_data):
        raise ConfigError(
            f"initial_state setting expects state '{state.name}' to have state_data set;"
            " accepted: zero_data: true or data_file"
        )
    spec = tensor_spec(message, state.name, "initial_state of state")
    check_dims("initial_state of state", spec)
    return InitialState(message.name, spec, inside("data_file", message))
