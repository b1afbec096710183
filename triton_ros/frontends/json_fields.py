# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""JSON that somebody sent: parsed within limits, and its fields in their types.

The texts are Triton's where its clients see them.  Everything raises `InvalidArgumentError`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from triton_ros.core.errors import InvalidArgumentError, OutOfBoundsError
from triton_ros.core.request import Parameter
from triton_ros.core.tensor_bytes import Buffer

Fields: TypeAlias = Mapping[str, Any]

MAX_DEPTH = 100
"""Triton's limit of nesting."""

_ESCAPE, _STRING = re.compile(rb"\\.", re.DOTALL), re.compile(rb'"[^"]*"')
_NO_STRUCTURE = bytes(set(range(256)) - set(b'"[]{}'))
_INT64, _UINT64 = 1 << 63, 1 << 64


def parse_object(data: Buffer, twice: list[str] | None = None) -> dict[str, Any]:
    """A body that has to be a JSON object; an empty one is one without fields.

    `twice` gets the names that an object has more than once; the last one's value counts.
    """
    text = bytes(data)
    if not text.strip():
        return {}
    _check_depth(text)
    try:
        found = json.loads(text, object_pairs_hook=None if twice is None else _noting(twice))
    except json.JSONDecodeError as error:
        why = "Invalid value" if error.msg == "Expecting value" else error.msg
        raise InvalidArgumentError(
            f"failed to parse the request JSON buffer: {why}. at {error.pos}"
        ) from error
    except (ValueError, RecursionError) as error:
        raise InvalidArgumentError(f"failed to parse the request JSON buffer: {error}") from error
    if not isinstance(found, dict):
        raise InvalidArgumentError(
            f"failed to parse the request JSON buffer: expected an object, got {_kind(found)}"
        )
    return found


def _noting(twice: list[str]) -> Callable[[list[tuple[str, Any]]], dict[str, Any]]:
    def made(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            seen: set[str] = set()
            for name, _ in pairs:
                if name in seen:
                    twice.append(name)
                seen.add(name)
        return found

    return made


def _check_depth(text: bytes) -> None:
    """Count how deep brackets lie in each other, those within strings aside.

    In a handful of passes over the bytes: a picture has a million brackets.
    """
    if text.count(b"[") + text.count(b"{") <= MAX_DEPTH:
        return
    if b"\\" in text:
        text = _ESCAPE.sub(b"", text)
    brackets = np.frombuffer(_STRING.sub(b"", text.translate(None, _NO_STRUCTURE)), np.uint8)
    steps = np.where((brackets == ord("[")) | (brackets == ord("{")), 1, -1)
    if len(steps) and int(np.cumsum(steps).max()) > MAX_DEPTH:
        raise OutOfBoundsError(f"JSON nesting depth exceeds maximum allowed limit ({MAX_DEPTH})")


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
