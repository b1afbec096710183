# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The scheduling part of Triton's `ModelConfig` message -> typed values.

What Triton's schema has no field for sits in `parameters`, which a real Triton ignores:
``queue_when_full``, ``queue_delay``, ``fan_out`` and ``run_if``.  One that is set where it cannot
have an effect is refused like a wrong value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from triton_ros.core.config_lines import PlacedError, placed
from triton_ros.core.config_schema import enum_name, inside, schema, tensor_spec
from triton_ros.core.errors import ConfigError
from triton_ros.core.scheduling_config import (
    BatchInput,
    BatchInputKind,
    BatchOutput,
    ControlKind,
    DirectStrategy,
    DynamicBatching,
    EnsembleStep,
    InitialState,
    OldestStrategy,
    QueuePolicy,
    SequenceBatching,
    SequenceControl,
    SequenceState,
    TimeoutAction,
)
from triton_ros.core.tensor import TensorSpec

_CORRID_TYPES = ("UINT64", "INT64", "UINT32", "INT32", "BYTES")
_FALSE_TRUE = {"int32_false_true": "INT32", "fp32_false_true": "FP32", "bool_false_true": "BOOL"}


def dynamic_batching(message: Any, parameters: Mapping[str, str]) -> DynamicBatching | None:
    """`ModelConfig.dynamic_batching`, with our two parameters for it."""
    batching = message.dynamic_batching
    if not message.HasField("dynamic_batching"):
        _no_effect(parameters, "queue_when_full", "the model has no dynamic_batching")
        _no_effect(parameters, "queue_delay", "the model has no dynamic_batching")
        return None
    with placed("dynamic_batching"):
        levels = {}
        for level, policy in batching.priority_queue_policy.items():
            with placed("priority_queue_policy", str(level)):
                levels[level] = _queue_policy(policy)
        with placed("default_queue_policy"):
            default = _queue_policy(batching.default_queue_policy)
    if not any(policy.max_queue_size for policy in (default, *levels.values())):
        _no_effect(parameters, "queue_when_full", "no queue policy has a max_queue_size")
    if not batching.max_queue_delay_microseconds:
        _no_effect(parameters, "queue_delay", "max_queue_delay_microseconds is 0")
    when_full = _choice(parameters, "queue_when_full", ("refuse", "drop_oldest"))
    delay = _choice(parameters, "queue_delay", ("always", "when_busy"))
    with placed("dynamic_batching"):
        return DynamicBatching(
            tuple(batching.preferred_batch_size),
            batching.max_queue_delay_microseconds,
            batching.preserve_ordering,
            batching.priority_levels,
            batching.default_priority_level,
            default,
            levels,
            drop_oldest=when_full == "drop_oldest",
            delay_when_busy=delay == "when_busy",
        )


def _choice(parameters: Mapping[str, str], name: str, accepted: tuple[str, ...]) -> str:
    """A parameter's value, the first accepted one where it is not given."""
    value = parameters.get(name, accepted[0])
    if value not in accepted:
        raise PlacedError(
            f"parameters.{name} '{value}' is not one of {', '.join(accepted)}", "parameters", name
        )
    return value


def _no_effect(parameters: Mapping[str, str], name: str, why: str) -> None:
    if name in parameters:
        raise PlacedError(
            f"parameters.{name} '{parameters[name]}' has no effect: {why}", "parameters", name
        )


def _queue_policy(message: Any) -> QueuePolicy:
    actions = schema().ModelQueuePolicy.TimeoutAction
    return QueuePolicy(
        TimeoutAction(enum_name(actions, message.timeout_action, "timeout_action")),
        message.default_timeout_microseconds,
        message.allow_timeout_override,
        message.max_queue_size,
    )


# --- sequences ----------------------------------------------------------------------------------


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
        raise ConfigError(
            f"unexpected data type for control {kind}; Allowed data types are TYPE_UINT64,"
            f" TYPE_INT64, TYPE_UINT32, TYPE_INT32 and TYPE_STRING, got {given}"
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
    return InitialState(message.name, spec, inside("data_file", message))


# --- ragged batches -----------------------------------------------------------------------------


def batch_inputs(message: Any) -> tuple[BatchInput, ...]:
    """`ModelConfig.batch_input`."""
    found = []
    for index, entry in enumerate(message.batch_input):
        with placed("batch_input", index):
            kind = enum_name(schema().BatchInput.Kind, entry.kind, "batch_input.kind")
            datatype = enum_name(schema().DataType, entry.data_type, "batch_input.data_type")
            found.append(
                BatchInput(
                    BatchInputKind(kind),
                    tuple(entry.target_name),
                    datatype.removeprefix("TYPE_"),
                    tuple(entry.source_input),
                )
            )
    return tuple(found)


def batch_outputs(message: Any) -> tuple[BatchOutput, ...]:
    """`ModelConfig.batch_output`."""
    found = []
    for index, entry in enumerate(message.batch_output):
        with placed("batch_output", index):
            enum_name(schema().BatchOutput.Kind, entry.kind, "batch_output.kind")
            found.append(BatchOutput(tuple(entry.target_name), tuple(entry.source_input)))
    return tuple(found)


# --- ensembles ----------------------------------------------------------------------------------


def ensemble_steps(
    message: Any, name: str, parameters: Mapping[str, str]
) -> tuple[EnsembleStep, ...]:
    """`ModelConfig.ensemble_scheduling.step`, with our two parameters for it."""
    steps = message.ensemble_scheduling.step
    models = [step.model_name for step in steps]
    for index, step in enumerate(steps):
        for field in ("model_name", "output_map"):
            if not getattr(step, field):
                raise PlacedError(
                    f"must specify '{field}' in step {index} of ensemble '{name}'",
                    *("ensemble_scheduling", "step", index),
                )
    spread = set(_words(parameters, "fan_out", models))
    conditions = _conditions(message, parameters, models)
    return tuple(
        EnsembleStep(
            step.model_name,
            step.model_version or -1,
            dict(step.input_map),
            dict(step.output_map),
            step.model_name in spread,
            conditions.get(step.model_name, ""),
        )
        for step in steps
    )


def _words(parameters: Mapping[str, str], name: str, models: list[str]) -> list[str]:
    """The entries of a list; what stands before a colon must be one of the steps' models."""
    words = [word.strip() for word in parameters.get(name, "").split(",")]
    words = [word for word in words if word]
    if name in parameters and not words:
        raise PlacedError(f"parameters.{name} names no step", "parameters", name)
    for word in words:
        model = word.partition(":")[0].strip()
        if model not in models:
            raise PlacedError(
                f"parameters.{name} names '{model}', which is no step of this ensemble;"
                f" its steps are {', '.join(models) or 'none'}",
                *("parameters", name),
            )
    return words


def _conditions(message: Any, parameters: Mapping[str, str], models: list[str]) -> dict[str, str]:
    tensors = [i.name for i in message.input]
    for step in message.ensemble_scheduling.step:
        tensors += step.output_map.values()
    found: dict[str, str] = {}
    for word in _words(parameters, "run_if", models):
        model, tensor = (part.strip() for part in (word + ":").split(":")[:2])
        if model in found or tensor not in tensors:
            what = f"two tensors for '{model}'" if model in found else f"'{word}'"
            raise PlacedError(
                f"parameters.run_if has {what}; accepted is one <step's model>:<tensor> a step,"
                f" where the tensors are {', '.join(tensors) or 'none'}",
                *("parameters", "run_if"),
            )
        found[model] = tensor
    return found
