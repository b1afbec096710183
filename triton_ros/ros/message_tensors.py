# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Raw tensors -> std_msgs multi-arrays, with their whole layout.

A multi-array has no header.  The label of its first dimension says which frame it answers:
``<seconds>.<nanoseconds, 9 digits> <frame_id>``.
"""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np
from std_msgs.msg import (
    Float32MultiArray,
    Float64MultiArray,
    Header,
    Int8MultiArray,
    Int16MultiArray,
    Int32MultiArray,
    Int64MultiArray,
    MultiArrayDimension,
    MultiArrayLayout,
    UInt8MultiArray,
    UInt16MultiArray,
    UInt32MultiArray,
    UInt64MultiArray,
)

from triton_ros.core.tensor import Array, datatype_of

_KINDS: dict[str, tuple[type[Any], str]] = {
    "FP16": (Float32MultiArray, "f4"),
    "FP32": (Float32MultiArray, "f4"),
    "FP64": (Float64MultiArray, "f8"),
    "BOOL": (UInt8MultiArray, "u1"),
    "UINT8": (UInt8MultiArray, "u1"),
    "UINT16": (UInt16MultiArray, "u2"),
    "UINT32": (UInt32MultiArray, "u4"),
    "UINT64": (UInt64MultiArray, "u8"),
    "INT8": (Int8MultiArray, "i1"),
    "INT16": (Int16MultiArray, "i2"),
    "INT32": (Int32MultiArray, "i4"),
    "INT64": (Int64MultiArray, "i8"),
}
"""Message type and numpy's name of its numbers, by V2 datatype; texts have no such message."""
_CODES = {"f4": "f", "f8": "d", "u1": "B", "u2": "H", "u4": "I", "u8": "Q", "i1": "b", "i2": "h"}
_CODES |= {"i4": "i", "i8": "q"}


def tensor_type(datatype: str) -> type[Any] | None:
    """The message type of a V2 datatype; None for one that there is no message for."""
    return _KINDS[datatype][0] if datatype in _KINDS else None


def tensor_message(header: Header, tensor: Array) -> Any:
    """A tensor of any shape; numbers are copied as bytes, never one by one."""
    kind, dtype = _KINDS[datatype_of(tensor.dtype)]
    values = np.ascontiguousarray(tensor, dtype)
    data = array(_CODES[dtype])
    data.frombytes(values.tobytes())
    return kind(layout=_layout(header, values.shape), data=data)


def _layout(header: Header, shape: tuple[int, ...]) -> MultiArrayLayout:
    shape = shape or (1,)
    stamp = header.stamp
    labels = [f"{stamp.sec}.{stamp.nanosec:09d} {header.frame_id}", *[""] * (len(shape) - 1)]
    strides = [int(np.prod(shape[at:])) for at in range(len(shape))]
    dims = [
        MultiArrayDimension(label=label, size=size, stride=stride)
        for label, size, stride in zip(labels, shape, strides, strict=True)
    ]
    return MultiArrayLayout(dim=dims)
