# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Arrays as the C API has them, and its buffers as arrays; no copy but for BYTES."""

from __future__ import annotations

import ctypes
import math
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from triton_ros.backends.shared_library.native_values import DATATYPES, Output
from triton_ros.core.errors import InternalError, InvalidArgumentError
from triton_ros.core.tensor import Array, numpy_dtype

_LENGTH = struct.Struct("<I")


def raw_input(name: str, datatype: str, value: Array) -> Array:
    """What holds an input's bytes: the array itself, or BYTES elements behind their lengths.

    Raises `InvalidArgumentError` for an element that is no text.
    """
    if datatype != "BYTES":
        return np.ascontiguousarray(value)
    parts = []
    for item in value.ravel().tolist():
        data = item.encode() if isinstance(item, str) else item
        if not isinstance(data, bytes):
            raise InvalidArgumentError(
                f"input '{name}': elements must be str or bytes, got {type(item).__name__}"
            )
        parts += [_LENGTH.pack(len(data)), data]
    return np.frombuffer(b"".join(parts), np.uint8)


class _Buffer:
    """Memory that the host allocated, freed with the last array on it."""

    def __init__(
        self,
        address: int,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        free: Callable[[int], None],
    ) -> None:
        self.__array_interface__ = {
            "version": 3,
            "shape": shape,
            "typestr": dtype.str,
            "data": (address, False),
        }
        self._address = address
        self._free = free

    def __del__(self) -> None:
        self._free(self._address)


def take_output(output: Output, free: Callable[[int], None]) -> Array:
    """An output's tensor; its buffer is the array's from now on.

    Raises `InternalError` when datatype, shape and size do not fit each other.
    """
    name, datatype, shape = _described(output)
    if datatype == "BYTES":
        return _texts(name, shape, _bytes_of(output))
    dtype = numpy_dtype(datatype)
    _check_size(name, datatype, shape, output.byte_size)
    if not output.byte_size:
        return np.empty(shape, dtype)
    address, output.data = output.data, None
    assert address is not None
    return np.asarray(_Buffer(address, shape, dtype, free))


def array_of(tensor: Output, data: bytes) -> Array:
    """A tensor whose bytes were copied to `data`; raises as `take_output` does."""
    name, datatype, shape = _described(tensor)
    if datatype == "BYTES":
        return _texts(name, shape, data)
    _check_size(name, datatype, shape, len(data))
    return np.frombuffer(data, numpy_dtype(datatype)).reshape(shape)


def _described(output: Output) -> tuple[str, str, tuple[int, ...]]:
    name = output.name.decode(errors="replace")
    shape = tuple(output.shape[: output.rank])
    known = 0 < output.datatype < len(DATATYPES)
    datatype = DATATYPES[output.datatype] if known else f"datatype {output.datatype}"
    if not known or datatype == "BF16":
        raise InternalError(f"output '{name}': {datatype} is not supported")
    if any(dim < 0 for dim in shape):
        raise InternalError(f"output '{name}' has the shape {list(shape)}")
    return name, datatype, shape


def _check_size(name: str, datatype: str, shape: tuple[int, ...], size: int) -> None:
    wanted = math.prod(shape) * numpy_dtype(datatype).itemsize
    if size != wanted:
        raise InternalError(
            f"output '{name}' has {size} bytes, but {datatype} {list(shape)} needs {wanted}"
        )


def _bytes_of(output: Output) -> bytes:
    if not output.data or not output.byte_size:
        return b""
    return ctypes.string_at(output.data, output.byte_size)


def _texts(name: str, shape: tuple[int, ...], data: bytes) -> Array:
    count = math.prod(shape)
    if count * _LENGTH.size > len(data):
        raise InternalError(f"output '{name}' has {len(data)} bytes for {count} BYTES elements")
    out = np.empty(count, np.object_)
    at = 0
    for index in range(count):
        end = at + _LENGTH.size
        length = _LENGTH.unpack_from(data, at)[0] if end <= len(data) else 0
        if end + length > len(data):
            raise InternalError(f"output '{name}': element {index} of BYTES ends beyond the buffer")
        out[index] = data[end : end + length]
        at = end + length
    if at != len(data):
        raise InternalError(f"output '{name}' has {len(data) - at} bytes behind its last element")
    return out.reshape(shape)
