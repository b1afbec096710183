# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A model's tensors, and Triton's names and numbers of datatypes."""

from __future__ import annotations

from typing import Any

import numpy as np

from triton_ros.backends.python.shared_tensors import Array, deserialized, serialized

_TYPES = {
    "TYPE_BOOL": np.bool_,
    "TYPE_UINT8": np.uint8,
    "TYPE_UINT16": np.uint16,
    "TYPE_UINT32": np.uint32,
    "TYPE_UINT64": np.uint64,
    "TYPE_INT8": np.int8,
    "TYPE_INT16": np.int16,
    "TYPE_INT32": np.int32,
    "TYPE_INT64": np.int64,
    "TYPE_FP16": np.float16,
    "TYPE_FP32": np.float32,
    "TYPE_FP64": np.float64,
    "TYPE_STRING": np.object_,
}
_NUMBERS = {dtype: number for number, dtype in enumerate(_TYPES.values(), 1)}
"""Those of ``TRITONSERVER_DataType``."""


def triton_string_to_numpy(triton_type_string: str) -> Any:
    """``"TYPE_FP32"`` to ``numpy.float32``; raises `KeyError`."""
    return _TYPES[triton_type_string]


def triton_to_numpy_type(data_type: int) -> Any:
    """A number of Triton's to the numpy type; None for one that numpy has not."""
    return next((dtype for dtype, number in _NUMBERS.items() if number == data_type), None)


def numpy_to_triton_type(data_type: Any) -> Any:
    """A numpy type to Triton's number; None for one that Triton has not."""
    kind = np.dtype(data_type)
    return _NUMBERS[np.object_] if kind.kind in "OSU" else _NUMBERS.get(kind.type)


def serialize_byte_tensor(input_tensor: Array) -> bytes:
    """The elements, each with its length before it."""
    return serialized(input_tensor)


def deserialize_bytes_tensor(encoded_tensor: bytes) -> Array:
    """The elements as a flat array of `bytes`."""
    return deserialized(encoded_tensor, [-1])


class Tensor:
    """A name and an array; always in the CPU's memory."""

    def __init__(self, name: str, array: Array) -> None:
        if not isinstance(array, np.ndarray):
            raise ValueError(
                f"tensor '{name}': a numpy array is expected, got {type(array).__name__}"
            )
        if numpy_to_triton_type(array.dtype) is None:
            raise ValueError(f"tensor '{name}': Triton has no datatype for {array.dtype}")
        self._name = name
        self._array = array

    def name(self) -> str:
        return self._name

    def as_numpy(self) -> Array:
        """Of a request's tensor: a view, only to be read; strings are `bytes`."""
        return self._array

    def triton_dtype(self) -> Any:
        """Triton's number of the datatype."""
        return numpy_to_triton_type(self._array.dtype)

    def shape(self) -> list[int]:
        return list(self._array.shape)

    def is_cpu(self) -> bool:
        return True

    def to_dlpack(self) -> Any:
        return self.__dlpack__()

    @staticmethod
    def from_dlpack(name: str, tensor: Any) -> Tensor:
        """From anything with ``__dlpack__``, or a capsule of it, in the CPU's memory."""
        if not hasattr(tensor, "__dlpack__"):
            tensor = _Capsule(tensor)
        return Tensor(name, np.from_dlpack(tensor))

    def __dlpack__(self, **keywords: Any) -> Any:
        # numpy hands out nothing that may only be read
        array = self._array if self._array.flags.writeable else self._array.copy()
        return array.__dlpack__(**keywords)

    def __dlpack_device__(self) -> Any:
        return self._array.__dlpack_device__()


class _Capsule:
    """A bare DLPack capsule, as something that numpy takes."""

    def __init__(self, capsule: Any) -> None:
        self._capsule = capsule

    def __dlpack__(self, **_: Any) -> Any:
        return self._capsule

    def __dlpack_device__(self) -> Any:
        return (1, 0)
