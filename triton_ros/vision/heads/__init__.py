# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Heads by the name that `head.type` gives them, one file a family of output tensors."""

from __future__ import annotations

from dataclasses import dataclass

from triton_ros.vision.heads import (
    blazeface,
    centernet,
    classification,
    ctc,
    db_text,
    detections,
    detr,
    flip,
    maps,
    mask_rcnn,
    points,
    raw,
    ssd,
    yolo,
    yolo_tasks,
)
from triton_ros.vision.heads.base import Facts, Head, Reader
from triton_ros.vision.yaml_fields import Fields


@dataclass(frozen=True, slots=True)
class Family:
    """How a `head.type` is read, and what it can look at."""

    read: Reader
    frames: bool = False
    regions: bool = False


HEADS = {
    "yolo": Family(yolo.read, frames=True),
    "ssd": Family(ssd.read, frames=True),
    "detr": Family(detr.read, frames=True),
    "detections": Family(detections.read, frames=True),
    "centernet": Family(centernet.read, frames=True),
    "yolo_seg": Family(yolo_tasks.read_yolo_seg, frames=True),
    "yolo_pose": Family(yolo_tasks.read_yolo_pose, frames=True),
    "mask_rcnn": Family(mask_rcnn.read, frames=True),
    "segmentation": Family(maps.read_segmentation, frames=True),
    "depth": Family(maps.read_depth, frames=True),
    "landmarks": Family(points.read_landmarks, frames=True, regions=True),
    "heatmap": Family(points.read_heatmap, frames=True, regions=True),
    "raw": Family(raw.read, frames=True),
    "blazeface": Family(blazeface.read, frames=True),
    "db_text": Family(db_text.read, frames=True),
    "ctc": Family(ctc.read, regions=True),
    "flip": Family(flip.read, regions=True),
    "classification": Family(classification.read, frames=True, regions=True),
}


def read_head(fields: Fields, facts: Facts) -> Head:
    """The head from its section; raises `ConfigError`."""
    name = fields.choice("type", tuple(HEADS))
    family = HEADS[name]
    if facts.regions and not family.regions:
        fields.fail("type", f"is {name}, which looks at frames: input.regions is for others")
    if not facts.regions and not family.frames:
        fields.fail("type", f"is {name}, which looks at regions: input.regions is missing")
    head = family.read(fields, facts)
    fields.finish()
    return head
