# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The classification extension: a tensor as its highest classes, ``value:index[:label]``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from triton_ros.core.errors import InvalidArgumentError
from triton_ros.core.tensor import Array, datatype_of

MAX_ELEMENTS = 1_000_000
"""Of a row; more are refused."""


def classify(
    name: str, array: Array, count: int, labels: Sequence[str] = (), batched: bool = True
) -> Array:
    """BYTES of the `count` highest elements, the highest first, of equals the first.

    `array` is [rows, ...] if `batched`, the result [rows, k]; else the result is [k].  Never more
    than there are classes.  Raises `InvalidArgumentError`.
    """
    datatype = datatype_of(array.dtype)
    if datatype in ("BYTES", "BOOL", "FP16"):
        raise InvalidArgumentError(
            f"class result not available for output due to unsupported type '{datatype}':"
            f" output '{name}'"
        )
    rows = array.shape[0] if batched and array.ndim else 1
    values = array.reshape(rows, -1) if array.size else np.empty((rows, 0), array.dtype)
    if values.shape[1] > MAX_ELEMENTS:
        raise InvalidArgumentError(
            f"classification output tensor too large: '{name}' has {values.shape[1]} elements;"
            f" accepted: up to {MAX_ELEMENTS}"
        )
    k = min(count, values.shape[1])
    found = np.empty((rows, k), np.object_)
    for row, line in enumerate(values):
        found[row] = [_text(line, int(index), labels) for index in _highest(line, k)]
    return found if batched else found[0]


def _highest(line: Array, k: int) -> Array:
    keys = line
    if keys.dtype.kind == "f":  # NaN last, whatever numpy thinks of it
        keys = np.where(np.isnan(keys), -np.inf, keys)
    # stable from the other end: of equal elements the first one comes first
    return (len(keys) - 1 - np.argsort(keys[::-1], kind="stable"))[::-1][:k]


def _text(line: Array, index: int, labels: Sequence[str]) -> bytes:
    value = line[index]
    number = f"{float(value):f}" if line.dtype.kind == "f" else str(int(value))
    label = f":{labels[index]}" if index < len(labels) and labels[index] else ""
    return f"{number}:{index}{label}".encode()
