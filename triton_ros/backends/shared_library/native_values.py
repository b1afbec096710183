# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The host's structs for tensors and parameters, and parameters as Python's values."""

from __future__ import annotations

import ctypes as c
from typing import Any

from triton_ros.core.request import Parameter

DATATYPES = (
    *("", "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64"),
    *("FP16", "FP32", "FP64", "BYTES", "BF16"),
)
"""By `TRITONSERVER_DataType`."""
STRING, INT, BOOL, DOUBLE, BYTES = range(5)
"""`TRITONSERVER_ParameterType`."""


class Output(c.Structure):
    """`tr_output`, up to what Python reads."""


Output._fields_ = [
    ("next", c.POINTER(Output)),
    ("name", c.c_char_p),
    ("shape", c.POINTER(c.c_int64)),
    ("data", c.c_void_p),
    ("byte_size", c.c_uint64),
    ("rank", c.c_uint32),
    ("datatype", c.c_int32),
]


class Value(c.Structure):
    """`tr_value`."""


Value._fields_ = [
    ("next", c.POINTER(Value)),
    ("name", c.c_char_p),
    ("text", c.c_void_p),
    ("integer", c.c_int64),
    ("real", c.c_double),
    ("byte_size", c.c_uint64),
    ("type", c.c_int32),
    ("boolean", c.c_uint8),
]


def parameter(value: Parameter) -> tuple[int, Any]:
    """Its type and a pointer to its value."""
    if isinstance(value, bool):
        return BOOL, c.byref(c.c_bool(value))
    if isinstance(value, int):
        return INT, c.byref(c.c_int64(value))
    if isinstance(value, float):
        return DOUBLE, c.byref(c.c_double(value))
    return STRING, c.c_char_p(value.encode())


def values(value: Any) -> dict[str, Parameter]:
    """A list of `Value`."""
    found: dict[str, Parameter] = {}
    while value:
        entry = value.contents
        text = c.string_at(entry.text, entry.byte_size).decode() if entry.text else ""
        by_kind = (text, entry.integer, bool(entry.boolean), entry.real, text)
        found[entry.name.decode(errors="replace")] = by_kind[entry.type]
        value = entry.next
    return found
