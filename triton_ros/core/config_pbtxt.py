# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The text of ``config.pbtxt`` -> `ModelConfig`, through the schema that Triton publishes.

The schema is the compiled ``model_config.proto`` that `tritonclient` ships; it is loaded by its
file, because importing ``tritonclient.grpc`` would pull in grpc, which a robot need not have.
Fields of the schema that this server does not act on are refused by name: nobody should believe
in a setting that does nothing.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from triton_ros.core.errors import ConfigError, missing_package
from triton_ros.core.model_config import (
    InputConfig,
    InstanceGroup,
    InstanceKind,
    ModelConfig,
    OutputConfig,
    VersionPolicy,
    VersionPolicyKind,
    WarmupSample,
)
from triton_ros.core.scheduling_config import DynamicBatching, EnsembleStep, QueuePolicy
from triton_ros.core.tensor import TensorSpec

FILE_NAME = "config.pbtxt"

_FIELDS = {
    "": (
        "name platform backend version_policy max_batch_size input output instance_group"
        " default_model_filename dynamic_batching ensemble_scheduling model_warmup parameters"
    ),
    "input": "name data_type dims optional format",
    "output": "name data_type dims label_filename",
    "instance_group": "name kind count gpus",
    "dynamic_batching": "preferred_batch_size max_queue_delay_microseconds default_queue_policy",
    "dynamic_batching.default_queue_policy": "max_queue_size",
    "ensemble_scheduling.step": "model_name model_version input_map output_map",
    "model_warmup": "name batch_size inputs count",
    "model_warmup.inputs": "data_type dims zero_data random_data",
}


def read_config(path: Path, name: str) -> ModelConfig:
    """The configuration in `path` for the model directory `name`.

    Raises `ConfigError`; its message starts with ``<file>:<line>:``.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    return parse_config(text, name, str(path))


def located(error: ConfigError, path: Path) -> ConfigError:
    """An error that was found later (against the model file, say), with file and line too."""
    if f"{FILE_NAME}:" in str(error):
        return error
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):  # no configuration, or its own error
        return error
    return ConfigError(f"{path}:{_line_of(text, str(error))}: {error}")


def parse_config(text: str, name: str, origin: str = FILE_NAME) -> ModelConfig:
    """The configuration in `text`; an empty ``name`` in it means the directory's."""
    message = _parse_text(text, origin)
    try:
        if message.name and message.name != name:
            raise ConfigError(
                f"unexpected directory name '{name}' for model '{message.name}',"
                " directory name must equal model name"
            )
        return _convert(message, name, _stated(message, text))
    except ConfigError as error:
        raise ConfigError(f"{origin}:{_line_of(text, str(error))}: {error}") from None


def _parse_text(text: str, origin: str) -> Any:
    from google.protobuf import text_format  # noqa: PLC0415  (the robot's distribution has it)

    message = _schema().ModelConfig()
    try:
        text_format.Parse(text, message)
    except text_format.ParseError as error:
        raise ConfigError(f"{origin}:{_parse_message(str(error))}") from None
    return message


def _parse_message(message: str) -> str:
    found = re.match(
        r'(\d+):\d+ : Message type "inference\.(\w+)" has no field named "(.*)"', message
    )
    if not found:
        return _enum_message(message) or message.replace(" : ", ": ", 1)
    line, kind, field = found.groups()
    descriptor = _schema().DESCRIPTOR.message_types_by_name.get(kind)
    known = sorted(descriptor.fields_by_name) if descriptor else []
    return f"{line}: '{field}' is not a field of {kind}; its fields are {', '.join(known)}"


def _enum_message(message: str) -> str | None:
    found = re.match(
        r'(\d+):\d+ : .*Enum type "inference\.([\w.]+)" has no value (?:named|with number) (\w+)',
        message,
    )
    if not found:
        return None
    line, kind, value = found.groups()
    enum = _schema()
    for part in kind.split("."):
        enum = getattr(enum, part)
    return f"{line}: '{value}' is not a {kind}; accepted: {', '.join(enum.keys())}"


def _enum_name(enum: Any, number: int, place: str) -> str:
    """The name of an enum's value; proto3 keeps numbers that have none."""
    if number not in enum.values():
        raise ConfigError(f"{place} {number} is not one of {', '.join(enum.keys())}")
    name: str = enum.Name(number)
    return name


@lru_cache(maxsize=1)
def _schema() -> Any:
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


def _stated(message: Any, text: str) -> frozenset[str]:
    names = {field.name for field, _ in message.ListFields()}
    bare = re.sub(r"""#.*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", "", text)
    if re.search(r"(?<!\w)max_batch_size\s*:", bare):
        names.add("max_batch_size")  # proto3 does not tell an explicit 0 from none
    return frozenset(names)


def _line_of(text: str, message: str) -> int:
    """The line that an error most likely means: that of the last word of it found in the text."""
    lines = text.splitlines()
    for word in re.findall(r"'([^']+)'", message) + re.findall(r"[a-z]+_[a-z_]+", message):
        leaf = re.escape(word.rsplit(".", 1)[-1])
        for number, line in enumerate(lines, 1):
            if re.search(rf"(?<!\w){leaf}(?!\w)", line.split("#")[0]):
                return number
    return 1


def _only(message: Any, place: str) -> None:
    allowed = _FIELDS[place].split()
    for field, _ in message.ListFields():
        if field.name not in allowed:
            where = f"{place}.{field.name}" if place else field.name
            raise ConfigError(
                f"'{where}' is not supported by this server yet; supported here: "
                + ", ".join(allowed)
            )


def _convert(message: Any, name: str, stated: frozenset[str]) -> ModelConfig:
    _only(message, "")
    batching = message.dynamic_batching if message.HasField("dynamic_batching") else None
    parameters = {key: value.string_value for key, value in message.parameters.items()}
    return ModelConfig(
        name=name,
        backend=message.backend,
        platform=message.platform,
        max_batch_size=message.max_batch_size,
        input=_each(message.input, _input),
        output=_each(message.output, _output),
        instance_group=_each(message.instance_group, _group),
        version_policy=_version_policy(message.version_policy),
        default_model_filename=_inside("default_model_filename", message.default_model_filename),
        dynamic_batching=_batching(batching) if batching is not None else None,
        ensemble=_steps(message.ensemble_scheduling.step, parameters.get("fan_out", "")),
        model_warmup=_each(message.model_warmup, _warmup),
        parameters=parameters,
        stated=stated,
    )


def _each(messages: Iterable[Any], convert: Callable[[Any], Any]) -> tuple[Any, ...]:
    return tuple(convert(message) for message in messages)


def _spec(message: Any, name: str, place: str) -> TensorSpec:
    kind = _enum_name(_schema().DataType, message.data_type, f"{place} '{name}': data_type")
    if kind in ("TYPE_INVALID", "TYPE_BF16"):
        raise ConfigError(f"{place} '{name}': data_type {kind} cannot be served here")
    datatype = kind.removeprefix("TYPE_")
    return TensorSpec(name, "BYTES" if datatype == "STRING" else datatype, tuple(message.dims))


def _input(message: Any) -> InputConfig:
    _only(message, "input")
    if message.format and len(message.dims) != 3:  # all that Triton does with it, too
        raise ConfigError(f"input '{message.name}': format needs 3 dims, got {len(message.dims)}")
    return InputConfig(_spec(message, message.name, "input"), message.optional)


def _output(message: Any) -> OutputConfig:
    _only(message, "output")
    labels = _inside("label_filename", message.label_filename)
    return OutputConfig(_spec(message, message.name, "output"), labels)


def _inside(field: str, path: str) -> str:
    """A relative path that stays below its directory."""
    if path.startswith("/") or ".." in Path(path).parts:
        raise ConfigError(f"{field} '{path}' must stay inside the model's directory")
    return path


def _group(message: Any) -> InstanceGroup:
    _only(message, "instance_group")
    kinds = _schema().ModelInstanceGroup.Kind
    kind = InstanceKind(_enum_name(kinds, message.kind, "instance_group.kind"))
    if message.count < 0:
        raise ConfigError(f"instance_group.count must be 1 or more, got {message.count}")
    return InstanceGroup(message.name, kind, message.count or 1, tuple(message.gpus))


def _batching(message: Any) -> DynamicBatching:
    _only(message, "dynamic_batching")
    _only(message.default_queue_policy, "dynamic_batching.default_queue_policy")
    return DynamicBatching(
        tuple(message.preferred_batch_size),
        message.max_queue_delay_microseconds,
        default_queue_policy=QueuePolicy(
            max_queue_size=message.default_queue_policy.max_queue_size
        ),
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


def _steps(messages: Iterable[Any], fan_out: str) -> tuple[EnsembleStep, ...]:
    spread = {name.strip() for name in fan_out.split(",") if name.strip()}
    steps = []
    for message in messages:
        _only(message, "ensemble_scheduling.step")
        maps = dict(message.input_map), dict(message.output_map)
        version = message.model_version or -1
        steps.append(EnsembleStep(message.model_name, version, *maps, message.model_name in spread))
    unknown = spread - {step.model_name for step in steps}
    if unknown:
        raise ConfigError(
            f"parameters.fan_out names '{sorted(unknown)[0]}', which is no step of this ensemble;"
            f" its steps are {', '.join(step.model_name for step in steps) or 'none'}"
        )
    return tuple(steps)


def _warmup(message: Any) -> WarmupSample:
    _only(message, "model_warmup")
    inputs = {}
    for key, value in message.inputs.items():
        _only(value, "model_warmup.inputs")
        if not (value.zero_data or value.random_data):
            raise ConfigError(f"model_warmup.inputs '{key}' needs zero_data or random_data")
        inputs[key] = _spec(value, key, "model_warmup.inputs")
    return WarmupSample(
        message.name,
        message.batch_size,
        message.count or 1,
        inputs,
        frozenset(key for key, value in message.inputs.items() if value.random_data),
    )
