# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""JSON that somebody sent: parsed within limits, and its fields in their types.

The texts are Triton's where its clients see them.  Everything raises `InvalidArgumentError`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, TypeAlias

from triton_ros.core.errors import InvalidArgumentError
from triton_ros.core.request import Parameter
from triton_ros.core.tensor_bytes import Buffer

Fields: TypeAlias = Mapping[str, Any]

MAX_DEPTH = 100
"""Triton's limit of nesting."""

_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]')
_INT64, _UINT64 = 1 << 63, 1 << 64


def parse_object(data: Buffer) -> dict[str, Any]:
    """A body that has to be a JSON object; an empty one is one without fields."""
    text = bytes(data)
    if not text.strip():
        return {}
    _check_depth(text)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidArgumentError(f"failed to parse the request JSON buffer: {error}") from error
    if not isinstance(found, dict):
        raise InvalidArgumentError(
            f"failed to parse the request JSON buffer: expected an object, got {_kind(found)}"
        )
    return found


def _check_depth(text: bytes) -> None:
    if text.count(b"[") + text.count(b"{") <= MAX_DEPTH:
        return
    depth = 0
    for found in _STRING_OR_BRACKET.finditer(text):
        token = found[0]
        if token in (b"[", b"{"):
            depth += 1
            if depth > MAX_DEPTH:
                raise InvalidArgumentError(
                    f"JSON nesting depth exceeds maximum allowed limit ({MAX_DEPTH})"
                )
        elif token in (b"]", b"}"):
            depth -= 1


def text_field(fields: Fields, name: str) -> str:
    """A string that has to be there."""
    value = _there(fields, name)
    if not isinstance(value, str):
        raise _unparsed(name, "a string", value)
    return value


def list_field(fields: Fields, name: str) -> list[Any]:
    """An array that has to be there."""
    value = _there(fields, name)
    if not isinstance(value, list):
        raise _unparsed(name, "an array", value)
    return value


def unsigned(name: str, value: object) -> int:
    """An integer of 64 bits without a sign."""
    if type(value) is not int or not 0 <= value < _UINT64:
        raise _unparsed(name, "an unsigned integer", value)
    return value


def unsigned_field(fields: Fields, name: str, default: int | None = None) -> int:
    """The same as a field; it has to be there if there is no default."""
    if default is not None and name not in fields:
        return default
    return unsigned(name, _there(fields, name))


def boolean_field(fields: Fields, name: str, default: bool = False) -> bool:
    """A boolean; false (or `default`) if it is not there."""
    value = fields.get(name, default)
    if not isinstance(value, bool):
        raise _unparsed(name, "a boolean", value)
    return value


def object_field(fields: Fields, name: str) -> Fields:
    """An object; an empty one if it is not there."""
    value = fields.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _unparsed(name, "an object", value)
    return value


def parameter(name: str, value: object) -> Parameter:
    """A request's parameter."""
    if isinstance(value, bool | str | float):
        return value
    if isinstance(value, int) and -_INT64 <= value < _UINT64:
        return value
    raise InvalidArgumentError(
        f"parameter '{name}' has invalid type. It should be either 'int', 'bool', or 'string'."
    )


def _there(fields: Fields, name: str) -> object:
    if name not in fields:
        raise InvalidArgumentError(
            f"Unable to parse '{name}': attempt to access non-existing object member '{name}'"
        )
    return fields[name]


def _unparsed(name: str, wanted: str, value: object) -> InvalidArgumentError:
    kind = wanted.removeprefix("an ").removeprefix("a ").replace(" ", "-")
    return InvalidArgumentError(
        f"Unable to parse '{name}': attempt to access JSON non-{kind} as {kind}; got {_kind(value)}"
    )


def _kind(value: object) -> str:
    kinds = {dict: "an object", list: "an array", str: "a string", bool: "a boolean"}
    if value is None:
        return "null"
    return kinds.get(type(value), f"the number {value}"[:60])
