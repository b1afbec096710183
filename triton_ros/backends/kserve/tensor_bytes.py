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
