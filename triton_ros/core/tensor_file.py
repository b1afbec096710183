# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Tensors that a model's directory holds as raw files: warm-up inputs and initial states.

The bytes are Triton's: row by row, little endian; each string behind its length in 4 bytes.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from triton_ros.core.errors import ConfigError
from triton_ros.core.tensor import Array, TensorSpec


def read_tensor(
    place: str, directory: Path, file: str, spec: TensorSpec, *, longer: bool = False
) -> Array:
    """The tensor in a file below `directory`; `longer` files are fine for some uses.

    Raises `ConfigError`, which begins with `place`, for a file that is elsewhere (also through a
    link), cannot be read, or has another size than `spec` (all its dims known) takes.
    """
    root = directory.resolve()
    path = (root / file).resolve()
    if not path.is_relative_to(root) or path == root:
        raise ConfigError(f"{place}: must be a file inside {directory}")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{place}: {error.strerror or error}") from error
    count = math.prod(spec.dims)
    if spec.datatype == "BYTES":
        return _texts(place, data, count).reshape(spec.dims)
    size = count * spec.dtype.itemsize
    if len(data) < size or (len(data) > size and not longer):
        raise ConfigError(
            f"{place}: {spec.datatype} {list(spec.dims)} expects {size} bytes, but the file has"
            f" {len(data)} bytes"
        )
    found = np.frombuffer(data, spec.dtype.newbyteorder("<"), count)
    return found.astype(spec.dtype).reshape(spec.dims)


def _texts(place: str, data: bytes, count: int) -> Array:
    texts, at = [], 0
    while at + 4 <= len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4], "little")
        texts.append(data[at + 4 : end])
        at = end
    if at != len(data) or len(texts) != count:
        raise ConfigError(
            f"{place}: must be exactly {count} strings, each behind its length in 4 bytes, little"
            f" endian; read {len(texts)} in {len(data)} bytes"
        )
    out = np.empty(count, np.object_)
    out[:] = texts
    return out
