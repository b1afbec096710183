# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Bytes that TensorRT hands out."""

from __future__ import annotations

import json

from fake_tensorrt.bindings import trt


class IHostMemory(bytes):
    """The genuine one has the buffer protocol, too."""

    @property
    def nbytes(self) -> int:
        return len(self)

    @property
    def dtype(self) -> object:
        return trt.DataType.INT8


class ITimingCache:
    """Which ONNX files were built before: enough to see that the cache is carried around."""

    def __init__(self, data: bytes = b"") -> None:
        try:
            self._known: set[str] = set(json.loads(data or b"[]"))
        except ValueError:
            raise ValueError("a timing cache that TensorRT would refuse") from None

    def serialize(self) -> IHostMemory:
        return IHostMemory(json.dumps(sorted(self._known)).encode())

    def reset(self) -> bool:
        self._known.clear()
        return True

    def combine(self, input_cache: ITimingCache, ignore_mismatch: bool) -> bool:
        self._known |= input_cache._known
        return True
