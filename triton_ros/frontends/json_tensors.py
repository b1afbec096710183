# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Tensors whose elements are in JSON: flat, or nested in any way.  Without IO."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from triton_ros.core.errors import InvalidArgumentError, UnsupportedError
from triton_ros.core.tensor import Array, numpy_dtype
from triton_ros.core.tensor_bytes import element_count, fitted

_MAX_ELEMENTS = (1 << 63) - 1
_ELEMENTS: dict[str, tuple[frozenset[type], str]] = {
    "b": (frozenset({bool}), "non-boolean as boolean"),
    "i": (frozenset({int}), "non-signed-integer as signed-integer"),
    "u": (frozenset({int}), "non-unsigned-integer as unsigned-integer"),
    "f": (frozenset({int, float}), "non-number as double"),
    "O": (frozenset({str}), "non-string as string"),
}
"""By the kind of a dtype: what its elements are in Python, and what Triton says of others."""


def check_shape(name: str, shape: Sequence[int]) -> None:
    """Refuse more dims than an array can have, and sizes beyond 64 bits.

    Raises `InvalidArgumentError`.
    """
    elements = element_count(f"input '{name}'", shape)
    if elements > _MAX_ELEMENTS or any(dim > _MAX_ELEMENTS for dim in shape):
        dims = ",".join(map(str, shape))
        raise InvalidArgumentError(
            f"invalid shape for input '{name}': shape [{dims}] causes total element count to"
            f" exceed maximum size of {_MAX_ELEMENTS}"
        )


def json_tensor(name: str, datatype: str, shape: list[int], data: list[Any]) -> Array:
    """A tensor from JSON's values, of a shape that `check_shape` has seen.

    Raises `InvalidArgumentError`.
    """
    if datatype == "FP16":
        raise InvalidArgumentError(
            "receiving FP16 data via JSON is not supported. Please use the binary data format for"
            f" input {name}"
        )
    flat: list[Any] = []
    _flatten(data, flat)
    kinds, words = _ELEMENTS[numpy_dtype(datatype).kind]
    if not set(map(type, flat)) <= kinds:
        raise InvalidArgumentError(
            f"Unable to parse 'data': attempt to access JSON {words}; input '{name}' is {datatype}"
        )
    size = numpy_dtype(datatype).itemsize
    if math.prod(shape) * size > _MAX_ELEMENTS and datatype != "BYTES":
        raise InvalidArgumentError(
            f"byte size overflow for input '{name}': element count ({math.prod(shape)}) * data type"
            f" size ({size}) exceeds maximum allowed size ({_MAX_ELEMENTS})"
        )
    # Triton's texts to the letter: scripts look for them
    if len(flat) > math.prod(shape):
        raise InvalidArgumentError(
            "Unable to parse 'data': Shape does not match true shape of 'data' field"
        )
    if len(flat) < math.prod(shape):
        raise InvalidArgumentError("Failed to parse 'data' field: shape does not match true shape")
    return fitted(f"Unable to parse 'data': input '{name}'", datatype, shape, flat)


def _flatten(values: list[Any], found: list[Any]) -> None:
    """Append all elements; it recurses as deep as the parser let JSON be."""
    if list not in set(map(type, values)):
        found += values
        return
    for value in values:
        if type(value) is list:
            _flatten(value, found)
        else:
            found.append(value)


def json_values(name: str, datatype: str, array: Array) -> list[Any]:
    """A tensor's elements for JSON, flat; raises for what JSON cannot have."""
    if datatype == "FP16":
        raise InvalidArgumentError(
            "sending FP16 data via JSON is not supported. Please use the binary data format for"
            f" output '{name}'"
        )
    values: list[Any] = array.ravel().tolist()
    if datatype == "BYTES":
        return [_as_text(name, value) for value in values]
    return values


def _as_text(name: str, value: object) -> str:
    if not isinstance(value, bytes):
        return str(value)
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise UnsupportedError(
            f"output '{name}' has bytes that are not UTF-8, which JSON cannot have: ask for it"
            " with 'binary_data': true"
        ) from None
