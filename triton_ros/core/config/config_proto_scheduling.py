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

from triton_ros.core.config.config_lines import PlacedError, placed
from triton_ros.core.config.config_schema import enum_name, schema
from triton_ros.core.config.scheduling_config import (
    BatchInput,
    BatchInputKind,
    BatchOutput,
    DynamicBatching,
    EnsembleStep,
    QueuePolicy,
    TimeoutAction,
)

QUEUE_PARAMETERS = ("queue_when_full", "queue_delay")
"""Ours, of a model's `parameters`."""


def dynamic_batching(message: Any, parameters: Mapping[str, str]) -> DynamicBatching | None:
    """`ModelConfig.dynamic_batching`, with our two parameters for it."""
    batching = message.dynamic_batching
    if not message.HasField("dynamic_batching"):
        for name in QUEUE_PARAMETERS:
            _no_effect(parameters, name, "the model has no dynamic_batching")
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
