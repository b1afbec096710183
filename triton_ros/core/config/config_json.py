# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The configuration as JSON, as Triton shows it and as a load request may override it.

What is shown is the completed configuration, normalised by Triton's rules: the schema's field
names in the schema's order, defaults printed, enums by name, and 64-bit integers as numbers (which
protobuf by itself writes as strings).  Keys of maps stay strings, as JSON has no others.
"""

from __future__ import annotations

import inspect
import json
import re
from typing import Any

from triton_ros.core.config.config_pbtxt import readable
from triton_ros.core.config.config_proto import typed_config
from triton_ros.core.config.config_schema import no_field, no_value, schema
from triton_ros.core.config.model_config import (
    InputConfig,
    InstanceGroup,
    ModelConfig,
    OutputConfig,
)
from triton_ros.core.errors import ConfigError

_LONGEST_MESSAGE = 1500


def config_json(config: ModelConfig) -> str:
    """The completed configuration as Triton's ``/v2/models/M/config`` has it."""
    from google.protobuf import json_format  # noqa: PLC0415  (the robot's distribution has it)

    defaults = "always_print_fields_with_no_presence"  # protobuf's newer name for it
    if defaults not in inspect.signature(json_format.MessageToDict).parameters:
        defaults = "including_default_value_fields"
    message = completed_message(config)
    options: dict[str, Any] = {"preserving_proto_field_name": True, defaults: True}
    found = json_format.MessageToDict(message, **options)
    return json.dumps(_ordered(found, message.DESCRIPTOR), separators=(",", ":"))


def config_from_json(text: str, name: str) -> ModelConfig:
    """The configuration of the model `name` that a load request gives in place of its file.

    Keys may be the schema's names or protobuf's camel case.  Raises `ConfigError`, which begins
    with ``Invalid config override``.
    """
    from google.protobuf import json_format  # noqa: PLC0415

    message = schema().ModelConfig()
    try:
        given = json.loads(text)
        if not isinstance(given, dict):
            raise ConfigError(f"a JSON object is expected for {name}")
        json_format.Parse(text, message)
        stated = frozenset(_snake(key) for key in given)
        return typed_config(message, name, stated)
    except ConfigError as error:
        raise ConfigError(f"Invalid config override: {error}") from None
    except (json_format.ParseError, ValueError, TypeError, AttributeError, RecursionError) as error:
        message = readable(_parse_message(str(error)), _LONGEST_MESSAGE)
        raise ConfigError(f"Invalid config override: {message} for {name}") from None


def _parse_message(message: str) -> str:
    """What protobuf's parser says, in our words where it is about a name."""
    found = re.search(r'type "inference\.(\w+)" has no field named "(.*?)" at "(.*?)"', message)
    if found:
        return f"{found[3]}: {no_field(found[1], found[2])}"
    found = re.search(
        r"Invalid enum value (.+) for enum type inference\.([\w.]+) at (\S+)", message
    )
    if found:
        return f"{found[3].rstrip('.')}: {no_value(found[2], found[1])}"
    return message.rstrip(".")


def _snake(key: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in key)


def completed_message(config: ModelConfig) -> Any:
    """The `ModelConfig` message: what the file said, and over it what completion filled in."""
    message = schema().ModelConfig()
    message.ParseFromString(config.source)
    message.name, message.platform, message.backend = config.name, config.platform, config.backend
    message.max_batch_size = config.max_batch_size
    message.default_model_filename = config.default_model_filename
    if not message.HasField("version_policy"):
        message.version_policy.latest.num_versions = 1
    for side, tensors in ("input", config.input), ("output", config.output):
        target = getattr(message, side)
        for tensor in () if len(target) else tensors:
            _write_tensor(target.add(), tensor)
    for key, value in config.parameters.items():
        if key not in message.parameters:
            message.parameters[key].string_value = value
    if config.decoupled:
        message.model_transaction_policy.decoupled = True
    del message.instance_group[:]
    for group in config.instance_group:
        _write_group(message.instance_group.add(), group)
    if config.dynamic_batching and not message.HasField("dynamic_batching"):
        batching = config.dynamic_batching
        message.dynamic_batching.preferred_batch_size.extend(batching.preferred_batch_size)
        message.dynamic_batching.max_queue_delay_microseconds = (
            batching.max_queue_delay_microseconds
        )
    _normalise(message)
    return message


def _write_tensor(target: Any, tensor: InputConfig | OutputConfig) -> None:
    target.name = tensor.spec.name
    datatype = tensor.spec.datatype
    types = schema().DataType
    target.data_type = types.Value("TYPE_" + ("STRING" if datatype == "BYTES" else datatype))
    target.dims.extend(tensor.spec.dims)
    if tensor.reshape is not None:
        target.reshape.SetInParent()
        target.reshape.shape.extend(tensor.reshape)
    if isinstance(tensor, InputConfig):
        target.optional = tensor.optional
        target.allow_ragged_batch = tensor.allow_ragged_batch
    else:
        target.label_filename = tensor.label_filename


def _write_group(target: Any, group: InstanceGroup) -> None:
    target.name, target.kind = group.name, target.Kind.Value(group.kind.value)
    target.count, target.passive = group.count, group.passive
    target.host_policy = group.host_policy
    target.gpus.extend(group.gpus)
    limiter = group.rate_limiter
    if limiter.resources or limiter.priority:
        target.rate_limiter.priority = limiter.priority
    for resource in limiter.resources:
        entry = target.rate_limiter.resources.add(name=resource.name, count=resource.count)
        setattr(entry, "global", resource.is_global)


def _normalise(message: Any) -> None:
    """What Triton fills in before it shows a configuration (NormalizeModelConfig)."""
    limit = [message.max_batch_size] if message.max_batch_size > 0 else []
    if message.HasField("dynamic_batching") and not message.dynamic_batching.preferred_batch_size:
        message.dynamic_batching.preferred_batch_size.extend(limit)
    if message.HasField("sequence_batching"):
        batching = message.sequence_batching
        if not batching.max_sequence_idle_microseconds:
            batching.max_sequence_idle_microseconds = 1_000_000
        if batching.HasField("oldest") and not batching.oldest.preferred_batch_size:
            batching.oldest.preferred_batch_size.extend(limit)
    if not message.HasField("ensemble_scheduling"):
        for field in ("input_pinned_memory", "output_pinned_memory"):
            if not message.optimization.HasField(field):
                getattr(message.optimization, field).enable = True


def _ordered(found: dict[str, Any], descriptor: Any) -> dict[str, Any]:
    """The fields in the schema's order, their 64-bit integers as numbers."""
    return {
        field.name: _value(found[field.name], field)
        for field in descriptor.fields
        if field.name in found
    }


def _value(value: Any, field: Any) -> Any:
    if isinstance(value, list):
        return [_value(entry, field) for entry in value]
    if field.message_type is None:
        wide = field.cpp_type in (field.CPPTYPE_INT64, field.CPPTYPE_UINT64)
        return int(value) if wide else value
    if field.message_type.GetOptions().map_entry:
        entry = field.message_type.fields_by_name["value"]
        return {key: _value(each, entry) for key, each in value.items()}
    return _ordered(value, field.message_type)
