# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Heads by the name that `head.type` gives them, one file a family of output tensors."""

from __future__ import annotations

from triton_ros.vision.heads import ssd
from triton_ros.vision.heads.base import Reader

HEADS: dict[str, Reader] = {
    "ssd": ssd.read,
}
"""How each `head.type` is read."""
