# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""`core.tensor_bytes` from the side of a client: what a server answered wrongly is no fault of the
request, so it is an `InternalError`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from triton_ros.core import tensor_bytes
from triton_ros.core.errors import InternalError, InvalidArgumentError, UnsupportedError
from triton_ros.core.tensor import DATATYPES, Array, TensorSpec
from triton_ros.core.tensor_bytes import Buffer


def to_bytes(name: str, array: Array) -> memoryview | bytes:
    """An input's bytes, without a copy where it lies right already."""
    return tensor_bytes.to_bytes(f"input '{name}'", array)


def from_bytes(name: str, datatype: str, shape: Sequence[int], data: Buffer) -> Array:
    """An output from its bytes; raises `InternalError` where they are not what is announced.

    The array is the receiver's own: a view of `data` where that may be written.
    """
    with _of_the_server():
        found = tensor_bytes.from_bytes(f"output '{name}'", datatype, shape, data)
    return found if found.flags.writeable else found.copy()


def fitted(name: str, datatype: str, shape: Sequence[int], values: Sequence[object]) -> Array:
    """An output from its single values; raises `InternalError` if one does not fit."""
    with _of_the_server():
        return tensor_bytes.fitted(f"output '{name}'", datatype, shape, values)


@contextmanager
def _of_the_server() -> Iterator[None]:
    try:
        yield
    except InvalidArgumentError as error:
        raise InternalError(str(error)) from error


def spec(side: str, name: str, datatype: str, dims: Sequence[int]) -> TensorSpec:
    """A tensor of the remote's metadata; raises `UnsupportedError` for what nobody serves here."""
    if datatype not in DATATYPES:
        raise UnsupportedError(f"{side} '{name}' is {datatype}; accepted: {', '.join(DATATYPES)}")
    return TensorSpec(name, datatype, tuple(dims))
