# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""V2's `InferParameter`: a value as the one field of a message that fits its type.

`field` is such a message, of whoever has the generated module; nothing here imports protobuf.
"""

from __future__ import annotations

from typing import Any

from triton_ros.core.errors import InvalidArgumentError
from triton_ros.core.request import Parameter

_INT64, _UINT64 = 1 << 63, 1 << 64


def set_parameter(field: Any, name: str, value: Parameter) -> None:
    """Raises `InvalidArgumentError` for an integer beyond 64 bits."""
    if isinstance(value, bool):
        field.bool_param = value
    elif isinstance(value, str):
        field.string_param = value
    elif isinstance(value, float):
        field.double_param = value
    elif -_INT64 <= value < _INT64:
        field.int64_param = value
    elif value < _UINT64 and value > 0:
        field.uint64_param = value
    else:
        raise InvalidArgumentError(f"parameter '{name}' {value} does not fit 64 bits")
