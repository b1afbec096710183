# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The text of ``config.pbtxt`` -> `ModelConfig`; every refusal starts with ``<file>:<line>:``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from triton_ros.core.config.config_lines import line_of
from triton_ros.core.config.config_proto import typed_config
from triton_ros.core.config.config_schema import schema
from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.errors import ConfigError

FILE_NAME = "config.pbtxt"


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
    if re.search(r"\.pbtxt:\d+:", str(error)):  # its own, or that of an ensemble's step
        return error
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):  # no configuration, or its own error
        return error
    return ConfigError(f"{path}:{line_of(text, error)}: {error}")


def parse_config(text: str, name: str, origin: str = FILE_NAME) -> ModelConfig:
    """The configuration in `text`; an empty ``name`` in it means the directory's."""
    message = _parse_text(text, origin)
    try:
        return typed_config(message, name, _stated(message, text))
    except ConfigError as error:
        raise ConfigError(f"{origin}:{line_of(text, error)}: {error}") from None


def _parse_text(text: str, origin: str) -> Any:
    from google.protobuf import text_format  # noqa: PLC0415  (the robot's distribution has it)

    message = schema().ModelConfig()
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
    descriptor = schema().DESCRIPTOR.message_types_by_name.get(kind)
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
    enum = schema()
    for part in kind.split("."):
        enum = getattr(enum, part)
    return f"{line}: '{value}' is not a {kind}; accepted: {', '.join(enum.keys())}"


def _stated(message: Any, text: str) -> frozenset[str]:
    names = {field.name for field, _ in message.ListFields()}
    bare = re.sub(r"""#.*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", "", text)
    if re.search(r"(?<!\w)max_batch_size\s*:", bare):
        names.add("max_batch_size")  # proto3 does not tell an explicit 0 from none
    return frozenset(names)
