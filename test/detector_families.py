# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Families of detectors: a `head:` section, the outputs' dims, and how boxes get into them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from detector_encodings import (
    ROWS,
    SIDE,
    Found,
    Raw,
    anchored,
    anchored_tall,
    by_names,
    coco_scores,
    detection_output,
    efficient_nms,
    end2end,
    heat_logits,
    heat_maps,
    logit,
    paddle,
    rt_detr,
    softmax_logits,
    tf_od,
    torchvision,
    v7_end2end,
    yolo_columns,
    yolo_rows,
    yolox,
)

Encode = Callable[[Found], Raw]


@dataclass(frozen=True)
class Family:
    head: str
    outputs: Mapping[str, tuple[int, ...]]
    encode: Encode
    kinds: Mapping[str, str] = field(default_factory=dict)
    input: str = "tensor: x"
    more_inputs: Mapping[str, tuple[str, tuple[int, ...]]] = field(default_factory=dict)
    batch: int = 1
    most: int = 5
    """How many boxes it can tell apart wherever they are."""


TWO = {"b": (ROWS, 4), "s": (ROWS, 3)}
READY = {"b": (10, 4), "s": (10,), "c": (10,), "n": (1,)}
SSD = "type: ssd, boxes: b, scores: s, nms: none, "
GENERATED = (
    "anchors: {strides: [16, 32], sizes: [20, 40], ratios: [1, 2], scales: [1, 1.5], "
    "regressors: %s}"
)
COCO = "label_ids: [1, 13, 90]"
FAMILIES = {
    "yolo v5": Family("type: yolo, nms: none, format: v5", {"y": (ROWS, 8)}, yolo_rows),
    "yolo v6": Family("type: yolo, nms: none, format: v6", {"y": (ROWS, 8)}, yolo_rows),
    "yolo v8": Family("type: yolo, nms: none, format: v8", {"y": (7, ROWS)}, yolo_columns),
    "yolo v8, no batch": Family(
        "type: yolo, nms: none, format: v8",
        {"y": (1, 7, ROWS)},
        lambda f: {"y": yolo_columns(f)["y"][None]},
        batch=0,
    ),
    "yolo v12": Family("type: yolo, nms: none, format: v12", {"y": (7, ROWS)}, yolo_columns),
    "yolox": Family("type: yolo, nms: none, format: x", {"y": (ROWS, 8)}, yolox),
    "yolox decoded": Family(
        "type: yolo, nms: none, format: x_decoded", {"y": (ROWS, 8)}, yolo_rows
    ),
    "yolo v10": Family("type: yolo, format: v10", {"y": (ROWS, 6)}, end2end),
    "yolo26": Family("type: yolo, format: yolo26", {"y": (ROWS, 6)}, end2end),
    "yolo v7 end2end": Family(
        "type: yolo, format: v7_end2end", {"y": (-1, 7)}, v7_end2end, batch=0
    ),
    "ssd": Family(
        SSD + "box_format: xyxy, units: pixels",
        TWO,
        lambda f: {"b": f.rows(f.boxes), "s": f.table()},
    ),
    "pp-yoloe": Family(
        SSD + "box_format: xyxy, units: pixels, classes_first: true",
        {"b": (ROWS, 4), "s": (3, ROWS)},
        lambda f: {"b": f.rows(f.boxes), "s": np.ascontiguousarray(f.table().T)},
    ),
    "ssd, softmax": Family(
        SSD + "box_format: xywh, activation: softmax, background: first",
        {"b": (ROWS, 4), "s": (ROWS, 4)},
        lambda f: {
            "b": f.rows(np.hstack([f.boxes[:, :2], f.boxes[:, 2:] - f.boxes[:, :2]]) / SIDE),
            "s": softmax_logits(f, 0),
        },
    ),
    "ssd, softmax, classes first": Family(
        SSD + "box_format: cycxhw, activation: softmax, background: last, classes_first: true",
        {"b": (ROWS, 4), "s": (4, ROWS)},
        lambda f: {
            "b": f.rows(f.centers(SIDE)[:, [1, 0, 3, 2]]),
            "s": np.ascontiguousarray(softmax_logits(f, 3).T),
        },
    ),
    "ssd, coco ids": Family(
        SSD + "box_format: xyxy, units: pixels, activation: sigmoid, " + COCO,
        {"b": (ROWS, 4), "s": (ROWS, 91)},
        lambda f: {"b": f.rows(f.boxes), "s": coco_scores(f, 91)},
    ),
    "ssd, anchors": Family(
        SSD + "activation: sigmoid, " + GENERATED % "cxcywh",
        {"b": (80, 4), "s": (80, 3)},
        anchored,
        most=2,
    ),
    "ssd, anchors, tensorflow": Family(
        SSD + "activation: sigmoid, " + GENERATED % "cycxhw",
        {"b": (80, 4), "s": (80, 3)},
        anchored_tall,
        most=2,
    ),
    "detr": Family(
        "type: detr, format: detr",
        {"pred_boxes": (ROWS, 4), "logits": (ROWS, 4)},
        lambda f: {"pred_boxes": f.rows(f.centers(SIDE)), "logits": softmax_logits(f, 3)},
    ),
    "rf-detr": Family(
        f"type: detr, format: rf_detr, {COCO}",
        {"dets": (ROWS, 4), "labels": (ROWS, 91)},
        lambda f: {"dets": f.rows(f.centers(SIDE)), "labels": coco_scores(f, 91)},
    ),
    "rt-detr, raw": Family(
        "type: detr, format: rt_detr_raw",
        {"pred_boxes": (ROWS, 4), "logits": (ROWS, 3)},
        lambda f: {"pred_boxes": f.rows(f.centers(SIDE)), "logits": logit(f.table())},
    ),
    "rt-detr of ultralytics": Family(
        "type: detr, format: ultralytics",
        {"y": (ROWS, 7)},
        lambda f: {"y": np.hstack([f.rows(f.centers(SIDE)), f.table()])},
    ),
    "rt-detr": Family(
        "type: detections, format: rt_detr",
        {"labels": (ROWS,), "boxes": (ROWS, 4), "scores": (ROWS,)},
        rt_detr,
        {"labels": "INT64"},
        "tensor: x, size_inputs: {orig_target_sizes: source_wh}",
        {"orig_target_sizes": ("INT64", (2,))},
    ),
    "paddle": Family(
        "type: detections, format: paddle_nms, output: box, count: num",
        {"box": (-1, 6), "num": (-1,)},
        paddle,
        {"num": "INT32"},
        "tensor: x, size_inputs: {im_shape: input_hw, scale_factor: scale_hw}",
        {"im_shape": ("FP32", (1, 2)), "scale_factor": ("FP32", (1, 2))},
        batch=0,
    ),
    "torchvision": Family(
        "type: detections, format: torchvision",
        {"boxes": (-1, 4), "labels": (-1,), "scores": (-1,)},
        torchvision,
        {"labels": "INT64"},
        batch=-1,
    ),
    "tensorflow": Family(
        "type: detections, format: tf_od",
        {
            "num_detections": (1,),
            "detection_boxes": (10, 4),
            "detection_scores": (10,),
            "detection_classes": (10,),
        },
        lambda f: by_names(
            "detection_boxes detection_scores detection_classes num_detections", tf_od(f)
        ),
    ),
    "tflite": Family(
        "type: detections, format: tflite, boxes: b, scores: s, classes: c, count: n",
        READY,
        lambda f: by_names("b s c n", tf_od(f, 0)),
    ),
    "efficient nms": Family(
        "type: detections, format: efficient_nms",
        {"num_dets": (1,), "det_boxes": (10, 4), "det_scores": (10,), "det_classes": (10,)},
        efficient_nms,
        {"num_dets": "INT32", "det_classes": "INT32"},
    ),
    "detection output": Family(
        "type: detections, format: detection_output", {"y": (1, 20, 7)}, detection_output
    ),
    "centernet": Family("type: detections, format: centernet", {"y": (ROWS, 6)}, end2end),
    "centernet, maps": Family(
        "type: centernet, heatmap: hm, size: wh, offset: reg",
        {"hm": (3, 16, 16), "wh": (2, 16, 16), "reg": (2, 16, 16)},
        heat_maps,
        most=1,
    ),
    "centernet, logits": Family(
        "type: centernet, heatmap: hm, size: wh, offset: reg, activation: sigmoid",
        {"hm": (3, -1, -1), "wh": (2, -1, -1), "reg": (2, -1, -1)},
        heat_logits,
        most=1,
    ),
}
