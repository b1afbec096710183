# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Triton's published schema of a model configuration, and which of its fields this server heeds.

The schema is the compiled ``model_config.proto`` that `tritonclient` ships; it is loaded by its
file, because importing ``tritonclient.grpc`` would pull in grpc, which a robot need not have.
Fields that nobody acts on are refused by name: nobody should believe in a setting that does
nothing.
"""

from __future__ import annotations

import difflib
import importlib.util
from functools import lru_cache
from pathlib import Path
from typing import Any

from triton_ros.core.config.config_lines import PlacedError, placed
from triton_ros.core.errors import ConfigError, missing_package
from triton_ros.core.tensor import DATATYPES, TensorSpec

_QUEUE_POLICY = "timeout_action default_timeout_microseconds allow_timeout_override max_queue_size"
_FIELDS = {
    "": (
        "name platform backend version_policy max_batch_size input output batch_input batch_output"
        " optimization dynamic_batching sequence_batching ensemble_scheduling instance_group"
        " default_model_filename parameters model_warmup model_transaction_policy response_cache"
    ),
    "version_policy": "latest all specific",
    "version_policy.latest": "num_versions",
    "version_policy.all": "",
    "version_policy.specific": "versions",
    "input": "name data_type format dims reshape allow_ragged_batch optional",
    "input.reshape": "shape",
    "output": "name data_type dims reshape label_filename",
    "output.reshape": "shape",
    "batch_input": "kind target_name data_type source_input",
    "batch_output": "target_name kind source_input",
    "optimization": ("graph cuda execution_accelerators input_pinned_memory output_pinned_memory"),
    "optimization.graph": "level",
    "optimization.cuda": "graphs busy_wait_events",
    "optimization.execution_accelerators": "gpu_execution_accelerator cpu_execution_accelerator",
    "optimization.execution_accelerators.gpu_execution_accelerator": "name parameters",
    "optimization.execution_accelerators.cpu_execution_accelerator": "name parameters",
    # of a GPU's memory: true or false, on a CPU there is none, in Triton neither
    "optimization.input_pinned_memory": "enable",
    "optimization.output_pinned_memory": "enable",
    "dynamic_batching": (
        "preferred_batch_size max_queue_delay_microseconds preserve_ordering priority_levels"
        " default_priority_level default_queue_policy priority_queue_policy"
    ),
    "dynamic_batching.default_queue_policy": _QUEUE_POLICY,
    "dynamic_batching.priority_queue_policy": _QUEUE_POLICY,
    "sequence_batching": (
        "direct oldest max_sequence_idle_microseconds control_input state iterative_sequence"
    ),
    "sequence_batching.direct": "max_queue_delay_microseconds minimum_slot_utilization",
    "sequence_batching.oldest": (
        "max_candidate_sequences preferred_batch_size max_queue_delay_microseconds"
        " preserve_ordering"
    ),
    "sequence_batching.control_input": "name control",
    "sequence_batching.control_input.control": (
        "kind int32_false_true fp32_false_true bool_false_true data_type"
    ),
    # use_same_buffer_for_input_output permits to save memory, it asks for nothing
    "sequence_batching.state": (
        "input_name output_name data_type dims initial_state use_same_buffer_for_input_output"
    ),
    "sequence_batching.state.initial_state": "data_type dims zero_data data_file name",
    "ensemble_scheduling": "step max_inflight_requests",
    "ensemble_scheduling.step": "model_name model_version input_map output_map",
    "instance_group": (
        "name kind count gpus passive host_policy rate_limiter profile secondary_devices"
    ),
    "instance_group.secondary_devices": "kind device_id",
    "instance_group.rate_limiter": "resources priority",
    "instance_group.rate_limiter.resources": "name global count",
    "parameters": "string_value",
    "model_warmup": "name batch_size inputs count",
    "model_warmup.inputs": "data_type dims zero_data random_data input_data_file",
    "model_transaction_policy": "decoupled",
    "response_cache": "enable",
}


@lru_cache(maxsize=1)
def schema() -> Any:
    """The module of the compiled schema; raises `UnsupportedError` if it is not installed."""
    package = importlib.util.find_spec("tritonclient")
    if package is None or not package.submodule_search_locations:
        raise missing_package("reading config.pbtxt", "tritonclient")
    path = Path(package.submodule_search_locations[0]) / "grpc" / "model_config_pb2.py"
    spec = importlib.util.spec_from_file_location("triton_ros_model_config_pb2", path)
    if spec is None or spec.loader is None:
        raise missing_package("reading config.pbtxt", "tritonclient")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def supported_fields() -> tuple[str, ...]:
    """Every field that a configuration may set here, with dots: ``input.reshape.shape``."""
    return tuple(
        f"{place}.{field}" if place else field
        for place, fields in _FIELDS.items()
        for field in fields.split()
    )


def no_field(kind: str, field: str) -> str:
    """What to say of a field that a message of the schema does not have."""
    descriptor = schema().DESCRIPTOR.message_types_by_name.get(kind)
    known = sorted(descriptor.fields_by_name) if descriptor else []
    near = difflib.get_close_matches(field, known, 1)
    meant = f", did you mean '{near[0]}'?" if near else ";"
    return f"'{field}' is not a field of {kind}{meant} its fields are {', '.join(known)}"


def no_value(kind: str, value: str) -> str:
    """What to say of a value that an enum of the schema (``ModelInstanceGroup.Kind``) has not."""
    enum = schema()
    for part in kind.split("."):
        enum = getattr(enum, part)
    names: list[str] = list(enum.keys())
    accepted = [name for name in names if not name.endswith("_INVALID")]
    bare = value.strip("\"'")
    if bare != value and bare in accepted:
        return f"{value} is not a {kind}; write {bare}, without quotes"
    return f"'{bare}' is not a {kind}; accepted: {', '.join(accepted)}"


def check_supported(message: Any, place: str = "") -> None:
    """Refuse every field that is set and that nobody here acts on."""
    allowed = _FIELDS[place].split()
    for field, value in message.ListFields():
        name = f"{place}.{field.name}" if place else field.name
        if field.name not in allowed:
            with placed(field.name):
                raise ConfigError(
                    f"'{name}' is not supported by this server yet; supported here: "
                    + ", ".join(allowed)
                )
        if field.message_type is None or name not in _FIELDS:
            continue
        if hasattr(value, "ListFields"):
            with placed(field.name):
                check_supported(value, name)
        else:
            mapping = hasattr(value, "items")
            for key, entry in value.items() if mapping else enumerate(value):
                with placed(field.name, str(key) if mapping else key):
                    check_supported(entry, name)


def enum_name(enum: Any, number: int, place: str) -> str:
    """The name of an enum's value; proto3 keeps numbers that have none."""
    if number not in enum.values():
        raise ConfigError(f"{place} {number} is not one of {', '.join(enum.keys())}")
    name: str = enum.Name(number)
    return name


def tensor_spec(message: Any, name: str, place: str) -> TensorSpec:
    """The spec of a message that has `data_type` and `dims`; `place` is for the error's text."""
    kind = enum_name(schema().DataType, message.data_type, f"{place} '{name}' data_type")
    if kind == "TYPE_INVALID":
        raise ConfigError(
            f"{place} '{name}' must specify 'data_type'; accepted: "
            + ", ".join(f"TYPE_{'STRING' if d == 'BYTES' else d}" for d in DATATYPES)
        )
    if kind == "TYPE_BF16":
        raise ConfigError(f"{place} '{name}' data_type TYPE_BF16 cannot be served here")
    datatype = kind.removeprefix("TYPE_")
    return TensorSpec(name, "BYTES" if datatype == "STRING" else datatype, tuple(message.dims))


def inside(field: str, message: Any) -> str:
    """A field that is a relative path below its directory."""
    path: str = getattr(message, field)
    if path.startswith("/") or "\0" in path or ".." in Path(path).parts:
        raise PlacedError(f"{field} '{path}' must stay inside the model's directory", field)
    if path and not Path(path).parts:
        raise PlacedError(f"{field} '{path}' must name a file", field)
    return path
