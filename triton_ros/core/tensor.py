# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Tensors as the V2 protocol names them, on numpy.

A *tensor value* is either a `numpy.ndarray` or a `TensorSource`: something with a shape and a
dtype that can write itself into a slot.  Sources are how a frame reaches a model with one copy:
the scheduler decides in which batch and row the element runs, and the source then writes its
pixels right there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from triton_ros.core.errors import ConfigError

Array: TypeAlias = NDArray[Any]

_DTYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype(np.uint8),
    "UINT16": np.dtype(np.uint16),
    "UINT32": np.dtype(np.uint32),
    "UINT64": np.dtype(np.uint64),
    "INT8": np.dtype(np.int8),
    "INT16": np.dtype(np.int16),
    "INT32": np.dtype(np.int32),
    "INT64": np.dtype(np.int64),
    "FP16": np.dtype(np.float16),
    "FP32": np.dtype(np.float32),
    "FP64": np.dtype(np.float64),
    "BYTES": np.dtype(np.object_),
}
_DATATYPES = {dtype: name for name, dtype in _DTYPES.items()}

DATATYPES = tuple(_DTYPES)


def numpy_dtype(datatype: str) -> np.dtype[Any]:
    """The numpy dtype of a V2 datatype name; raises `ConfigError` for an unknown one."""
    try:
        return _DTYPES[datatype]
    except KeyError:
        raise ConfigError(f"datatype '{datatype}' is not one of {', '.join(_DTYPES)}") from None


def datatype_of(dtype: np.dtype[Any]) -> str:
    """The V2 datatype name of a numpy dtype (any string or bytes dtype is BYTES)."""
    if dtype.kind in "SUO":
        return "BYTES"
    try:
        return _DATATYPES[dtype.newbyteorder("=")]
    except KeyError:
        raise ConfigError(f"numpy dtype '{dtype}' has no V2 datatype") from None


@runtime_checkable
class TensorSource(Protocol):
    """One tensor that is computed where it is needed."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    def write(self, out: Array) -> None:
        """Fill `out`, which has exactly `shape` and `dtype` and may be a view of a larger batch.

        Runs on an instance thread.  A `TritonError` raised here fails this element alone.
        """
        ...


Tensor: TypeAlias = Array | TensorSource
Tensors: TypeAlias = Mapping[str, Tensor]


def materialize(value: Tensor) -> Array:
    """The value as an array; a source is written into a new one."""
    if isinstance(value, np.ndarray):
        return value
    out = np.empty(value.shape, value.dtype)
    value.write(out)
    return out


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """Name, datatype and dims of a model's input or output; -1 is a variable dim.

    In a `ModelConfig` the dims leave out the batch dim when ``max_batch_size > 0``; in a
    backend's `Signature` they are the file's own, batch dim included.
    """

    name: str
    datatype: str
    dims: tuple[int, ...]

    @property
    def dtype(self) -> np.dtype[Any]:
        return numpy_dtype(self.datatype)

    def accepts(self, shape: tuple[int, ...]) -> bool:
        """Whether a shape fits these dims."""
        return len(shape) == len(self.dims) and all(
            want in (-1, got) for want, got in zip(self.dims, shape, strict=True)
        )
