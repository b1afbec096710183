# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Tensors as V2's bytes and single values.

Bytes are little endian, row by row; a BYTES element has its length in front.  `what` names a tensor
in messages: ``input 'INPUT0'``.  Everything here raises `InvalidArgumentError` and nothing else for
what does not fit, whatever the bytes and the shape are; no more is allocated than is there.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from triton_ros.core.errors import InvalidArgumentError
from triton_ros.core.tensor import DATATYPES, Array, numpy_dtype

Buffer: TypeAlias = bytes | bytearray | memoryview

MAX_DIMS = 32
"""What numpy 1 can have."""

TYPED_CONTENTS = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
"""Where gRPC's messages have a datatype's single values; FP16 has none."""

_LENGTH = struct.Struct("<I")


def to_bytes(what: str, array: Array) -> memoryview | bytes:
    """A tensor's bytes, without a copy where it lies right already."""
    if array.dtype.kind == "O":
        return b"".join(_element(what, item) for item in array.ravel().tolist())
    if array.dtype.kind in "SU":
        return to_bytes(what, array.astype(np.object_))
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    flat: Any = np.ascontiguousarray(little).reshape(-1).view(np.uint8)
    return memoryview(flat)


def byte_size(what: str, array: Array) -> int:
    """How many bytes `to_bytes` gives."""
    return len(to_bytes(what, array)) if array.dtype.kind in "OSU" else array.nbytes


def _element(what: str, item: object) -> bytes:
    if isinstance(item, str):
        item = item.encode(errors="surrogateescape")
    if not isinstance(item, bytes):
        raise InvalidArgumentError(
            f"{what}: elements must be str or bytes, got {type(item).__name__}"
        )
    return _LENGTH.pack(len(item)) + item


def element_count(what: str, shape: Sequence[int]) -> int:
    """Of a shape; refuses negative dims and more of them than an array can have."""
    if len(shape) > MAX_DIMS:
        raise InvalidArgumentError(f"{what} has {len(shape)} dims; accepted: up to {MAX_DIMS}")
    if any(dim < 0 for dim in shape):
        raise InvalidArgumentError(f"{what} has the shape {list(shape)}; a dim is negative")
    return math.prod(shape)


def from_bytes(what: str, datatype: str, shape: Sequence[int], data: Buffer) -> Array:
    """A tensor from its bytes: a view of `data` where that is possible, else a new array.

    It can be written where `data` can.
    """
    dtype = known_dtype(what, datatype)
    count = element_count(what, shape)
    if datatype == "BYTES":
        return _elements(what, count, memoryview(data)).reshape(_real_shape(what, shape))
    if len(data) != count * dtype.itemsize:
        side, expected = what.partition(" ")[0], count * dtype.itemsize
        raise InvalidArgumentError(
            f"{side} byte size mismatch for {what}. Expected {expected}, got {len(data)}"
            f" ({datatype} {list(shape)})"
        )
    found = np.frombuffer(data, dtype.newbyteorder("<")) if count else np.empty(0, dtype)
    if found.dtype != dtype or not found.flags.aligned:
        found = found.astype(dtype)
    return found.reshape(_real_shape(what, shape))


def known_dtype(what: str, datatype: str) -> np.dtype[np.generic]:
    """The dtype of a datatype that somebody sent."""
    if datatype not in DATATYPES:
        raise InvalidArgumentError(f"{what} is {datatype}; accepted: {', '.join(DATATYPES)}")
    return numpy_dtype(datatype)


def fitted(what: str, datatype: str, shape: Sequence[int], values: Sequence[object]) -> Array:
    """A tensor from its single values, flat or nested.

    What numpy would wrap or round to integers is refused.
    """
    dtype = known_dtype(what, datatype)
    element_count(what, shape)
    try:
        if datatype == "BYTES":
            return _objects(values).reshape(tuple(shape))
        if dtype.kind in "iu":
            return _integers(values, dtype, shape)
        found = np.array(values) if values else np.empty(0, dtype)
        if found.dtype.kind not in ("b" if dtype.kind == "b" else "iuf"):
            raise ValueError(f"a value is not {datatype}")
        return found.astype(dtype).reshape(tuple(shape))
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidArgumentError(
            f"{what} {datatype} {list(shape)}: its values do not fit: {error}"
        ) from error


def _real_shape(what: str, shape: Sequence[int]) -> tuple[int, ...]:
    """The shape, if an array can have it: one of 0 elements may still have dims beyond 64 bits."""
    if math.prod(max(dim, 1) for dim in shape) >= 1 << 60:
        raise InvalidArgumentError(f"{what} has the shape {list(shape)}; a dim is too large")
    return tuple(shape)


def _integers(values: Sequence[object], dtype: np.dtype[np.generic], shape: Sequence[int]) -> Array:
    """By Python's, which are exact: numpy takes large ones for floats."""
    found = np.array(values, np.object_)
    if any(type(value) is not int for value in found.ravel().tolist()):
        raise ValueError("a value is no integer")
    cast = found.astype(dtype)
    if bool((cast != found).any()):
        raise ValueError("an integer is too large")
    return cast.reshape(tuple(shape))


def _objects(values: Sequence[object]) -> Array:
    flat = np.array(values, np.object_).reshape(-1)
    if any(not isinstance(item, str | bytes) for item in flat):
        raise ValueError("a BYTES element is no text")
    return flat


def _elements(what: str, count: int, data: memoryview) -> Array:
    found: list[bytes] = []
    at = 0
    while at < len(data):
        left = len(data) - at - _LENGTH.size
        if left < 0:
            raise InvalidArgumentError(
                f"incomplete string length indicator for inference {what}, expecting"
                f" {_LENGTH.size} bytes but only {len(data) - at} bytes available"
            )
        (length,) = _LENGTH.unpack_from(data, at)
        if length > left:
            raise InvalidArgumentError(
                f"incomplete string data for inference {what}, expecting string of length"
                f" {length} but only {left} bytes available"
            )
        at += _LENGTH.size
        found.append(bytes(data[at : at + length]))
        at += length
    if len(found) != count:
        raise InvalidArgumentError(
            f"unexpected number of string elements {len(found)} for inference {what}, expecting"
            f" {count}"
        )
    out = np.empty(count, np.object_)
    out[:] = found
    return out
