# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Heads by the name that `head.type` gives them, one file a family of output tensors."""

from __future__ import annotations

from triton_ros.vision.heads import blazeface, classification, ctc, db_text, flip, ssd, yolo
from triton_ros.vision.heads.base import Reader

HEADS: dict[str, Reader] = {
    "yolo": yolo.read,
    "ssd": ssd.read,
    "blazeface": blazeface.read,
    "db_text": db_text.read,
    "ctc": ctc.read,
    "flip": flip.read,
    "classification": classification.read,
}
"""How each `head.type` is read."""
