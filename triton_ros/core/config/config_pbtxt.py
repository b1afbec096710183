# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The text of ``config.pbtxt`` -> `ModelConfig`; every refusal starts with ``<file>:<line>:``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from triton_ros.core.config.config_lines import line_of
from triton_ros.core.config.config_proto import typed_config
from triton_ros.core.config.config_schema import no_field, no_value, schema
from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.errors import ConfigError

FILE_NAME = "config.pbtxt"

_ENCODING = "utf-8-sig"
"""Also with the mark that some editors put in front."""

_LONGEST_MESSAGE = 2000
_LONGEST_QUOTE = 300
"""Characters of the parser's messages, which show the whole line of the file."""


def read_config(path: Path, name: str) -> ModelConfig:
    """The configuration in `path` for the model directory `name`.

    Raises `ConfigError`; its message starts with ``<file>:<line>:``.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    try:
        text = data.decode(_ENCODING)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{path}:{line}: cannot be read: byte 0x{data[error.start]:02x} is not UTF-8 text"
        ) from error
    return parse_config(text, name, str(path))


def located(error: ConfigError, path: Path) -> ConfigError:
    """An error that was found later (against the model file, say), with file and line too."""
    # its own, that of an ensemble's step, or a place in vision.yaml
    if re.search(r"\.(?:pbtxt|yaml):\d+:", str(error)):
        return error
    try:
        text = path.read_text(encoding=_ENCODING)
    except (OSError, UnicodeDecodeError):  # no configuration, or its own error
        return error
    return ConfigError(f"{path}:{line_of(text, error)}: {error}")


def parse_config(text: str, name: str, origin: str = FILE_NAME) -> ModelConfig:
    """The configuration in `text`; an empty ``name`` in it means the directory's."""
    message = _parse_text(text, origin)
    try:
        return typed_config(message, name, _stated(message, text))
    except ConfigError as error:
        line = line_of(text, error)
        raise ConfigError(f"{origin}:{line}: {readable(str(error), _LONGEST_MESSAGE)}") from None


def _parse_text(text: str, origin: str) -> Any:
    from google.protobuf import text_format  # noqa: PLC0415  (the robot's distribution has it)

    message = schema().ModelConfig()
    try:
        text_format.Parse(text, message)
    except text_format.ParseError as error:
        raise ConfigError(f"{origin}:{_parse_message(str(error))}") from None
    except ValueError as error:  # an enum's number beyond 32 bits, without a place
        shown = readable(str(error), _LONGEST_QUOTE)
        raise ConfigError(f"{origin}:{_line_with(text, error)}: {shown}") from None
    return message


def _line_with(text: str, error: ValueError) -> int:
    """The line of the number that an error is about; 1 if it is written otherwise."""
    at = text.find(str(error).rpartition(" ")[2])
    return text.count("\n", 0, max(at, 0)) + 1


def readable(message: str, longest: int) -> str:
    """The message in one line: without its middle where it is too long."""
    if len(message) > longest:
        message = f"{message[: longest // 2]} ... {message[-longest // 2 :]}"
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in message)


def _parse_message(message: str) -> str:
    found = re.match(
        r'(\d+):\d+ : Message type "inference\.(\w+)" has no field named "(.*)"', message
    )
    if not found:
        shown = _enum_message(message) or message.replace(" : ", ": ", 1)
        shown = re.sub(r"([^\s'\"]{40})[^\s'\"]{40,}", r"\1...", shown)
        return readable(shown, _LONGEST_QUOTE)
    line, kind, field = found.groups()
    return f"{line}: {no_field(kind, readable(field, _LONGEST_QUOTE))}"


def _enum_message(message: str) -> str | None:
    found = re.match(
        r'(\d+):\d+ : .*Enum type "inference\.([\w.]+)" has no value (?:named|with number) (.+)\.$',
        message,
    )
    return f"{found[1]}: {no_value(found[2], found[3])}" if found else None


def _stated(message: Any, text: str) -> frozenset[str]:
    names = {field.name for field, _ in message.ListFields()}
    bare = re.sub(r"""#.*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", "", text)
    if re.search(r"(?<!\w)max_batch_size\s*:", bare):
        names.add("max_batch_size")  # proto3 does not tell an explicit 0 from none
    return frozenset(names)
