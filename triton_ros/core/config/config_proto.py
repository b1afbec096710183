# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Triton's `ModelConfig` message -> our typed one.

First every field that nobody acts on is refused, then each part is converted under its place, so
that an error knows what it is about; what parts mean for each other is checked when the typed
value is made (`config_rules`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from triton_ros.core.config.config_lines import PlacedError, place_of, placed
from triton_ros.core.config.config_proto_optimization import optimization, secondary_devices
from triton_ros.core.config.config_proto_scheduling import (
    batch_inputs,
    batch_outputs,
    dynamic_batching,
    ensemble_steps,
)
from triton_ros.core.config.config_proto_sequence import sequence_batching
from triton_ros.core.config.config_schema import (
    check_supported,
    enum_name,
    inside,
    schema,
    tensor_spec,
)
from triton_ros.core.config.model_config import (
    InputConfig,
    InstanceGroup,
    InstanceKind,
    ModelConfig,
    OutputConfig,
    VersionPolicy,
    VersionPolicyKind,
    WarmupSample,
)
from triton_ros.core.config.scheduling_config import RateLimiterConfig, Resource
from triton_ros.core.errors import ConfigError


def typed_config(message: Any, name: str, stated: frozenset[str]) -> ModelConfig:
    """The typed configuration of the model directory `name`; `stated` are the fields it sets.

    Raises `ConfigError`; most know their place.
    """
    try:
        if message.name and message.name != name:
            raise PlacedError(
                f"unexpected directory name '{name}' for model '{message.name}',"
                " directory name must equal model name",
                "name",
            )
        check_supported(message)
        parts = _parts(message, name)
    except ConfigError as error:
        raise PlacedError(_with_model(str(error), name), *place_of(error)) from None
    return ModelConfig(name, stated=stated, source=message.SerializeToString(), **parts)


def _with_model(message: str, name: str) -> str:
    """Triton's sentences end with the model's name; behind them stands what we add."""
    if f"'{name}'" in message:
        return message
    sentence, semicolon, more = message.partition(";")
    if sentence.endswith("."):
        return f"{message} (model '{name}')"
    return f"{sentence} for {name}{semicolon}{more}"


def _parts(message: Any, name: str) -> dict[str, Any]:
    ensemble = message.platform == "ensemble"
    if ensemble and message.HasField("optimization"):
        raise PlacedError(
            f"optimization should not be specified for ensemble '{name}'", "optimization"
        )
    parameters = {key: value.string_value for key, value in message.parameters.items()}
    return {
        "backend": message.backend,
        "platform": message.platform,
        "max_batch_size": message.max_batch_size,
        "input": _each("input", message.input, _input),
        "output": _each("output", message.output, _output),
        "instance_group": _each("instance_group", message.instance_group, _group),
        "version_policy": _version_policy(message.version_policy),
        "default_model_filename": inside("default_model_filename", message),
        "dynamic_batching": dynamic_batching(message, parameters),
        "sequence_batching": sequence_batching(message),
        "ensemble": ensemble_steps(message, name, parameters),
        "max_inflight_requests": message.ensemble_scheduling.max_inflight_requests,
        "batch_input": batch_inputs(message),
        "batch_output": batch_outputs(message),
        "response_cache": message.response_cache.enable,
        "decoupled": message.model_transaction_policy.decoupled,
        "optimization": optimization(message),
        "model_warmup": _each("model_warmup", message.model_warmup, _warmup),
        "parameters": parameters,
    }


def _each(field: str, messages: Iterable[Any], convert: Callable[[Any], Any]) -> tuple[Any, ...]:
    found = []
    for index, message in enumerate(messages):
        with placed(field, index):
            found.append(convert(message))
    return tuple(found)


def _reshape(message: Any) -> tuple[int, ...] | None:
    return tuple(message.reshape.shape) if message.HasField("reshape") else None


def _input(message: Any) -> InputConfig:
    if message.format and len(message.dims) != 3:  # all that Triton does with it, too
        raise ConfigError(
            f"model input NHWC/NCHW require 3 dims; input '{message.name}' has {list(message.dims)}"
        )
    return InputConfig(
        _io_spec(message, "model input"),
        message.optional,
        _reshape(message),
        message.allow_ragged_batch,
    )


def _output(message: Any) -> OutputConfig:
    labels = inside("label_filename", message)
    return OutputConfig(_io_spec(message, "model output"), labels, _reshape(message))


def _io_spec(message: Any, place: str) -> Any:
    if not message.name:
        raise ConfigError(f"{place} must specify 'name'")
    spec = tensor_spec(message, message.name, place)
    if not message.dims:
        raise ConfigError(f"{place} '{message.name}' must specify 'dims'")
    return spec


def _group(message: Any) -> InstanceGroup:
    kinds = schema().ModelInstanceGroup.Kind
    kind = InstanceKind(enum_name(kinds, message.kind, "instance_group.kind"))
    limiter = message.rate_limiter
    return InstanceGroup(
        message.name,
        kind,
        message.count,
        tuple(message.gpus),
        message.passive,
        message.host_policy,
        RateLimiterConfig(
            tuple(Resource(r.name, r.count, getattr(r, "global")) for r in limiter.resources),
            limiter.priority,
        ),
        tuple(message.profile),
        secondary_devices(message),
    )


def _version_policy(message: Any) -> VersionPolicy:
    choice = message.WhichOneof("policy_choice")
    if choice == "all":
        return VersionPolicy(VersionPolicyKind.ALL)
    if choice == "specific":
        return VersionPolicy(VersionPolicyKind.SPECIFIC, versions=tuple(message.specific.versions))
    if choice == "latest":
        return VersionPolicy(num_versions=message.latest.num_versions or 1)
    return VersionPolicy()


def _warmup(message: Any) -> WarmupSample:
    inputs, random, files = {}, set(), {}
    for key, value in message.inputs.items():
        with placed("inputs", key):
            inputs[key] = tensor_spec(value, key, "model_warmup.inputs")
            if value.random_data:
                random.add(key)
            elif value.input_data_file:
                files[key] = inside("input_data_file", value)
            elif not value.zero_data:
                raise ConfigError(
                    f"model_warmup.inputs '{key}' needs zero_data, random_data or input_data_file"
                )
    return WarmupSample(
        message.name, message.batch_size, message.count or 1, inputs, frozenset(random), files
    )
