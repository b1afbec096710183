# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Masks over boxes, painted into one map of the frame; and the head of detectors that have them.

    head:
      type: mask_rcnn
      boxes: boxes             # [n, 4] x0, y0, x1, y1
      scores: scores           # [n]
      classes: labels          # [n]
      masks: masks             # [n, 1, h, w] or [n, h, w]
      masks_over: boxes        # boxes: each over its own | input: all over the model's input, as
                               # torchvision's whole detector answers them
      label_offset: 1          # the class id of labels[0]
      units: pixels
      mask_threshold: 0.5
      score_threshold: 0.5
      max_detections: 100

INSTANCE_MAP is 0 where there is nothing, and i + 1 where the i-th detection is; the surest is on
top.  Detections past the 65535th have no mask.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from triton_ros.core.tensor import Array, TensorSpec
from triton_ros.vision.geometry import Geometry
from triton_ros.vision.heads.base import (
    DETECTIONS,
    UNITS,
    Context,
    Facts,
    Outputs,
    Thresholds,
    detections,
    kept_boxes,
    read_thresholds,
)
from triton_ros.vision.nms import surest
from triton_ros.vision.yaml_fields import Fields

INSTANCE_MAP = TensorSpec("INSTANCE_MAP", "UINT16", (-1, -1))
_MOST_INSTANCES = 65535


def frame_to_map(geometry: Geometry, scale: tuple[float, float]) -> Array:
    """[2, 3]: pixels of the frame (edges) to those of a map over the model's input."""
    ends = geometry.to_model(np.array([[0.0, 0.0], [1.0, 1.0]])) * scale
    (x, y), (dx, dy) = ends[0], ends[1] - ends[0]
    return np.array([[dx, 0, x], [0, dy, y]])


def paint(
    canvas: Array, share: Array, box: Array, place: Array, index: int, threshold: float
) -> None:
    """Write index + 1 where a map [h, w] of shares is high enough, inside a box of the canvas.

    `place` [2, 3] takes points of the canvas to points of the map.
    """
    height, width = canvas.shape
    left, top = np.floor(np.clip(box[:2], 0, (width, height))).astype(int).tolist()
    right, bottom = np.ceil(np.clip(box[2:], 0, (width, height))).astype(int).tolist()
    if right <= left or bottom <= top or index >= _MOST_INSTANCES:
        return
    # OpenCV counts pixel centres: the canvas's pixel i is at left + i + 0.5.
    matrix = place.astype(np.float64).copy()
    matrix[:, 2] = place @ (left + 0.5, top + 0.5, 1.0) - 0.5
    inside = cv2.warpAffine(
        share.astype(np.float32),
        matrix,
        (right - left, bottom - top),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    canvas[top:bottom, left:right][inside > threshold] = index + 1


@dataclass(frozen=True, slots=True)
class MaskRcnnHead:
    """See the module's docstring for the fields."""

    boxes: str
    scores: str
    classes: str
    masks: str
    over_boxes: bool
    label_offset: int
    units: str
    mask_threshold: float
    thresholds: Thresholds
    labels: tuple[str, ...]

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        return (*DETECTIONS, INSTANCE_MAP)

    def finish(self, context: Context, rows: Sequence[Outputs]) -> dict[str, Array]:
        """Threshold, paint each mask into its box, and undo the geometry."""
        (row,) = rows
        scores = row[self.scores].reshape(-1)
        sure = np.flatnonzero(scores > context.thresholds.score)
        sure = sure[surest(scores[sure], context.thresholds.max_detections)]
        boxes = row[self.boxes].reshape(-1, 4)[sure]
        classes = row[self.classes].reshape(-1)[sure].astype(np.int64) - self.label_offset
        boxes, kept = kept_boxes(context, boxes, scores[sure], classes, self.units, "none")
        answer = detections(context, self.labels, boxes, scores[sure][kept], classes[kept])
        canvas = np.zeros(context.geometry.frame, np.uint16)
        masks = row[self.masks].reshape(-1, *row[self.masks].shape[-2:])[sure][kept]
        places = self._places(context.geometry, boxes, masks.shape[1:])
        for index in reversed(range(len(kept))):
            box, place = answer["BOXES"][index], places[index]
            paint(canvas, masks[index], box, place, index, self.mask_threshold)
        return {**answer, "INSTANCE_MAP": canvas}

    def _places(self, geometry: Geometry, boxes: Array, size: tuple[int, ...]) -> list[Array]:
        """For boxes [n, 4] of the input, what takes the frame to each one's map of (h, w)."""
        height, width = size
        if not self.over_boxes:
            scale = width / geometry.width, height / geometry.height
            return [frame_to_map(geometry, scale)] * len(boxes)
        places = []
        for x0, y0, x1, y1 in geometry.to_source(boxes.reshape(-1, 2, 2)).reshape(-1, 4).tolist():
            across, down = width / max(x1 - x0, 1e-6), height / max(y1 - y0, 1e-6)
            places.append(np.array([[across, 0, -x0 * across], [0, down, -y0 * down]]))
        return places


def read(fields: Fields, facts: Facts) -> MaskRcnnHead:
    """The head from its section; raises `ConfigError`."""
    masks = facts.output(fields, "masks")
    if len(masks.dims) not in (3, 4):
        fields.fail("masks", f"must have dims [n, 1, h, w], '{masks.name}' has {list(masks.dims)}")
    return MaskRcnnHead(
        facts.output(fields, "boxes").name,
        facts.output(fields, "scores").name,
        facts.output(fields, "classes").name,
        masks.name,
        fields.choice("masks_over", ("boxes", "input"), "boxes") == "boxes",
        fields.integer("label_offset", 0, 1000, 1),
        fields.choice("units", UNITS, "pixels"),
        fields.number("mask_threshold", 0, 1, 0.5),
        read_thresholds(fields, score=0.5),
        facts.labels,
    )
