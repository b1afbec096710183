# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the fake builder writes and the fake runtime reads: a header in JSON, then the ONNX file."""

from __future__ import annotations

import json
import struct
from dataclasses import asdict, dataclass, field

_MAGIC = b"FTRT"
_LENGTH = struct.Struct("<I")


@dataclass
class Plan:
    """An engine file."""

    onnx: bytes
    version: str
    device: str
    """Name and compute capability of the GPU that it was built on; others refuse it."""
    profiles: list[dict[str, list[list[int]]]] = field(default_factory=list)
    """For each profile, each input's min, opt and max: shapes, or a shape input's values."""
    layers: list[dict[str, str]] = field(default_factory=list)
    """Name, LayerType and device of each."""
    verbosity: int = 0
    uses_dla: bool = False
    name: str = "Unnamed Network 0"


def pack(plan: Plan) -> bytes:
    header = asdict(plan)
    del header["onnx"]
    text = json.dumps(header).encode()
    return _MAGIC + _LENGTH.pack(len(text)) + text + plan.onnx


def unpack(data: bytes) -> Plan | None:
    """None when it is no plan at all, or a part of one."""
    start = len(_MAGIC) + _LENGTH.size
    if data[: len(_MAGIC)] != _MAGIC or len(data) < start:
        return None
    (length,) = _LENGTH.unpack(data[len(_MAGIC) : start])
    try:
        header = json.loads(data[start : start + length])
    except ValueError:
        return None
    return Plan(onnx=data[start + length :], **header)
