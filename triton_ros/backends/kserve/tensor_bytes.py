# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Tensors as V2's raw bytes: little endian, row by row; a BYTES element has its length in front."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from triton_ros.core.errors import InternalError, InvalidArgumentError, UnsupportedError
from triton_ros.core.tensor import DATATYPES, Array, TensorSpec, numpy_dtype

Buffer: TypeAlias = bytes | bytearray | memoryview

_LENGTH = struct.Struct("<I")


def to_bytes(name: str, array: Array) -> memoryview | bytes:
    """An input's bytes, without a copy where it lies right already."""
    if array.dtype.kind == "O":
        return b"".join(_element(name, item) for item in array.ravel().tolist())
    if array.dtype.kind in "SU":
        return to_bytes(name, array.astype(np.object_))
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    flat: Any = np.ascontiguousarray(little).reshape(-1).view(np.uint8)
    return memoryview(flat)


def _element(name: str, item: object) -> bytes:
    if isinstance(item, str):
        item = item.encode()
    if not isinstance(item, bytes):
        raise InvalidArgumentError(
            f"input '{name}': elements must be str or bytes, got {type(item).__name__}"
        )
    return _LENGTH.pack(len(item)) + item


def from_bytes(name: str, datatype: str, shape: Sequence[int], data: Buffer) -> Array:
    """An output from its bytes; raises `InternalError` where they are not what is announced.

    The array is the receiver's own: a view of `data` where that may be written.
    """
    dtype = answered_dtype(name, datatype)
    if any(dim < 0 for dim in shape):
        raise InternalError(f"output '{name}' has the shape {list(shape)}")
    count = math.prod(shape)
    if datatype == "BYTES":
        return _elements(name, count, memoryview(data)).reshape(tuple(shape))
    if len(data) != count * dtype.itemsize:
        raise InternalError(
            f"output '{name}' {datatype} {list(shape)} must have {count * dtype.itemsize} bytes,"
            f" got {len(data)}"
        )
    found = np.frombuffer(data, dtype.newbyteorder("<")).reshape(tuple(shape))
    return found if found.flags.writeable and found.dtype == dtype else found.astype(dtype)


def answered_dtype(name: str, datatype: str) -> np.dtype[np.generic]:
    """The dtype of a datatype that a server names."""
    if datatype not in DATATYPES:
        raise InternalError(f"output '{name}' is {datatype}; accepted: {', '.join(DATATYPES)}")
    return numpy_dtype(datatype)


def fitted(name: str, datatype: str, shape: Sequence[int], values: Sequence[object]) -> Array:
    """An output from its single values, flat or nested; raises `InternalError` if one does not fit.

    What numpy would wrap or round to integers is refused.
    """
    dtype = answered_dtype(name, datatype)
    try:
        if any(dim < 0 for dim in shape):
            raise ValueError("a dim is negative")
        if datatype == "BYTES":
            return _objects(values).reshape(tuple(shape))
        if dtype.kind in "iu":
            return _integers(values, dtype, shape)
        found = np.array(values) if values else np.empty(0, dtype)
        if found.dtype.kind not in ("b" if dtype.kind == "b" else "iuf"):
            raise ValueError(f"a value is not {datatype}")
        return found.astype(dtype).reshape(tuple(shape))
    except (ValueError, TypeError, OverflowError) as error:
        raise InternalError(
            f"output '{name}' {datatype} {list(shape)}: its values do not fit: {error}"
        ) from error


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


def _elements(name: str, count: int, data: memoryview) -> Array:
    found: list[bytes] = []
    at = 0
    while at + _LENGTH.size <= len(data) and len(found) < count:
        (length,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size
        if at + length > len(data):
            break
        found.append(bytes(data[at : at + length]))
        at += length
    if at != len(data) or len(found) != count:
        raise InternalError(
            f"output '{name}' BYTES must be {count} elements, each with its length in front;"
            f" its {len(data)} bytes are not"
        )
    out = np.empty(count, np.object_)
    out[:] = found
    return out


def spec(side: str, name: str, datatype: str, dims: Sequence[int]) -> TensorSpec:
    """A tensor of the remote's metadata; raises `UnsupportedError` for what nobody serves here."""
    if datatype not in DATATYPES:
        raise UnsupportedError(f"{side} '{name}' is {datatype}; accepted: {', '.join(DATATYPES)}")
    return TensorSpec(name, datatype, tuple(dims))
