# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What detectors' exports answer for known boxes, layout by layout."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from triton_ros.core.tensor import Array
from triton_ros.vision.geometry import Geometry
from triton_ros.vision.heads.anchors import cell_shapes, layer_anchors
from triton_ros.vision.heads.yolo import grid_cells

SIDE = 64
"""The models' input is this wide and high."""
ROWS = 84
_PLACES = np.array([79, 3, 41, 66, 12])

Raw = dict[str, Array]


@dataclass(frozen=True)
class Found:
    """What a network found: boxes [n, 4] xyxy in pixels of its input."""

    boxes: Array
    scores: Array
    classes: Array
    geometry: Geometry

    @property
    def places(self) -> Array:
        return _PLACES[: len(self.boxes)]

    def centers(self, scale: float = 1.0) -> Array:
        low, high = self.boxes[:, :2], self.boxes[:, 2:]
        return np.hstack([(low + high) / 2, high - low]) / scale

    def in_source(self) -> Array:
        """As a model says it that took its whole input for the source."""
        geometry = self.geometry
        return self.boxes * (np.array([geometry.source_width, geometry.source_height] * 2) / SIDE)

    def rows(self, values: Array, fill: float = 0.0, count: int = ROWS) -> Array:
        table = np.full((count, values.shape[1]), fill, np.float32)
        table[self.places] = values
        return table

    def table(self, columns: int = 3, offset: int = 0, nothing: float = 0.01) -> Array:
        """Scores [ROWS, columns]."""
        table = np.full((ROWS, columns), nothing, np.float32)
        table[self.places, self.classes + offset] = self.scores
        return table

    def columns(self, *columns: Array) -> Array:
        return np.column_stack([np.asarray(c, np.float32) for c in columns])


def logit(p: Array) -> Array:
    return np.log(p / (1 - p))


def yolo_rows(found: Found) -> Raw:
    boxes, table = found.rows(found.centers()), found.table()
    objectness = found.rows(np.full((len(found.boxes), 1), 0.95), 0.02)
    return {"y": np.hstack([boxes, objectness, table / 0.95])}


def yolo_columns(found: Found) -> Raw:
    return {"y": np.ascontiguousarray(np.hstack([found.rows(found.centers()), found.table()]).T)}


def yolox(found: Found) -> Raw:
    cells = grid_cells((SIDE, SIDE), (8, 16, 32))[found.places]
    centers = found.centers()
    packed = np.hstack([centers[:, :2] / cells[:, 2:] - cells[:, :2], centers[:, 2:]])
    packed[:, 2:] = np.log(packed[:, 2:] / cells[:, 2:])
    raw = yolo_rows(found)
    raw["y"][:, :4] = found.rows(packed)
    return raw


def end2end(found: Found) -> Raw:
    rows = found.columns(found.boxes, found.scores, found.classes)
    return {"y": found.rows(rows)}


def v7_end2end(found: Found) -> Raw:
    """As many rows as boxes, and no batch dim."""
    return {
        "y": found.columns(np.zeros(len(found.boxes)), found.boxes, found.classes, found.scores)
    }


ANCHORS = layer_anchors(
    (SIDE, SIDE),
    (16, 32),
    [cell_shapes(size, 0, (1.0, 1.5), (1.0, 2.0), "scales") for size in (20, 40)],
    0.5,
)


def offsets(found: Found) -> Array:
    anchors, centers = ANCHORS[found.places], found.centers()
    middle = (centers[:, :2] - anchors[:, :2]) / anchors[:, 2:] / 0.1
    return np.hstack([middle, np.log(centers[:, 2:] / anchors[:, 2:]) / 0.2])


def anchored(found: Found) -> Raw:
    return {"b": found.rows(offsets(found), count=80), "s": logit(found.table())[:80]}


def anchored_tall(found: Found) -> Raw:
    return {
        "b": found.rows(offsets(found)[:, [1, 0, 3, 2]], count=80),
        "s": logit(found.table())[:80],
    }


def softmax_logits(found: Found, background: int) -> Array:
    """Whose softmax is the score, and the rest of it the background's."""
    table = np.full((ROWS, 4), -30, np.float32)
    table[:, background] = 0
    table[found.places, found.classes + (background == 0)] = logit(found.scores)
    return table


def coco_scores(found: Found, columns: int) -> Array:
    """COCO's own ids: person 1, stop sign 13, and 90; the holes are sure of themselves."""
    table = np.full((ROWS, columns), -9, np.float32)
    table[:, [0, 12]] = 9
    table[found.places, np.array([1, 13, 90])[found.classes]] = logit(found.scores)
    return table


def tf_od(found: Found, offset: int = 1) -> list[Array]:
    """Boxes yxyx 0..1, scores, classes, count; rows beyond the count are rubbish."""
    count = len(found.boxes)
    boxes = np.ones((10, 4), np.float32)
    scores, classes = np.full(10, 0.99, np.float32), np.full(10, 2.0, np.float32)
    boxes[:count] = found.boxes[:, [1, 0, 3, 2]] / SIDE
    scores[:count], classes[:count] = found.scores, found.classes + offset
    return [boxes, scores, classes, np.array([count], np.float32)]


def by_names(names: str, arrays: list[Array]) -> Raw:
    return dict(zip(names.split(), arrays, strict=True))


def efficient_nms(found: Found) -> Raw:
    boxes, scores, classes, count = tf_od(found, 0)
    boxes = boxes[:, [1, 0, 3, 2]] * SIDE
    arrays = [count.astype(np.int32), boxes, scores, classes.astype(np.int32)]
    return by_names("num_dets det_boxes det_scores det_classes", arrays)


def torchvision(found: Found) -> Raw:
    numbers = (found.classes + 1).astype(np.int64)
    boxes = found.boxes.astype(np.float32)
    return by_names("boxes labels scores", [boxes, numbers, found.scores])


def rt_detr(found: Found) -> Raw:
    boxes = found.rows(found.in_source())
    scores = found.rows(found.scores[:, None])[:, 0]
    classes = found.rows(found.classes[:, None])[:, 0].astype(np.int64)
    return {"labels": classes, "boxes": boxes, "scores": scores}


def paddle(found: Found) -> Raw:
    rows = found.columns(found.classes, found.scores, found.in_source())
    return {"box": rows, "num": np.array([len(rows)], np.int32)}


def detection_output(found: Found) -> Raw:
    table = np.full((1, 20, 7), 0.9, np.float32)
    count = len(found.boxes)
    boxes = found.boxes / SIDE
    table[0, :count] = found.columns(np.zeros(count), found.classes + 1, found.scores, boxes)
    table[0, count] = [-1, 1, 1, 0, 0, 1, 1]
    table[0, count + 1 :, 0] = 0
    return {"y": table}


def heat_maps(found: Found) -> Raw:
    heat = np.full((3, 16, 16), 0.01, np.float32)
    size, offset = np.zeros((2, 16, 16), np.float32), np.zeros((2, 16, 16), np.float32)
    for box, score, number in zip(found.centers(4), found.scores, found.classes, strict=True):
        x, y = np.minimum(box[:2], 15.99).astype(int)
        heat[number, max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2] = score * 0.9
        heat[number, y, x] = score
        size[:, y, x], offset[:, y, x] = box[2:], box[:2] - [x, y]
    return {"hm": heat, "wh": size, "reg": offset}


def heat_logits(found: Found) -> Raw:
    raw = heat_maps(found)
    return {**raw, "hm": logit(raw["hm"])}
