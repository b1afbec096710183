# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Toy detectors: what they find does not depend on the picture, so tests know it beforehand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnx import TensorProto, helper
from toy_models import Toy, onnx_model

SIDE = 16
"""The model's input is this wide and high."""


def onnx_detector(
    boxes: Sequence[Sequence[float]],
    scores: Sequence[Sequence[float]],
    *,
    turns: int = 0,
    by_brightness: bool = False,
) -> bytes:
    """`boxes` [n][4], xyxy of a picture of size 1; `scores` [n][classes].

    `turns` makes it slow, except for a black picture: about 2 us each.  `by_brightness` multiplies
    the scores with the mean of the picture's pixels (0..1).
    """
    rank = np.array([-1, 1, 1], np.int64)
    constants = {
        "boxes_0": np.asarray([boxes], np.float32),
        "scores_0": np.asarray([scores], np.float32),
        "rank": rank,
        "zero": np.float32([0]),
        "full": np.float32([255]),
        "turns": np.array(turns, np.int64),
        "one": np.float32([1]),
    }
    nodes = [
        helper.make_node("Cast", ["images"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Reshape", ["mean", "rank"], ["level"]),
        helper.make_node("ReduceMax", ["pixels"], ["brightest"], keepdims=0),
        helper.make_node("Sign", ["brightest"], ["lit"]),
        helper.make_node("Cast", ["lit"], ["counted"], to=TensorProto.INT64),
        helper.make_node("Mul", ["turns", "counted"], ["trips"]),
        helper.make_node("Loop", ["trips", "", "level"], ["spent"], body=_turn()),
        helper.make_node("Mul", ["spent", "zero"], ["nothing"]),
        helper.make_node("Add", ["boxes_0", "nothing"], ["boxes"]),
        helper.make_node("Div", ["level", "full"], ["brightness"]),
        helper.make_node("Mul", ["scores_0", "brightness"], ["dimmed"]),
        helper.make_node("Add", ["dimmed" if by_brightness else "scores_0", "nothing"], ["scores"]),
    ]
    classes = len(scores[0]) if scores else 1
    return onnx_model(
        nodes,
        {"images": ("UINT8", ("N", SIDE, SIDE, 3))},
        {"boxes": ("FP32", ("N", len(boxes), 4)), "scores": ("FP32", ("N", len(boxes), classes))},
        constants,
    )


def _turn() -> object:
    def scalar(name: str, kind: int) -> object:
        return helper.make_tensor_value_info(name, kind, [])

    level = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [None, 1, 1]) for n in ("a", "b")]
    nodes = [
        helper.make_node("Identity", ["running"], ["go_on"]),
        helper.make_node("Add", ["a", "one"], ["b"]),
    ]
    inputs = [scalar("turn", TensorProto.INT64), scalar("running", TensorProto.BOOL), level[0]]
    return helper.make_graph(nodes, "turn", inputs, [scalar("go_on", TensorProto.BOOL), level[1]])


def toy_detector(
    boxes: Sequence[Sequence[float]] = ((0.25, 0.25, 0.75, 0.75),),
    scores: Sequence[Sequence[float]] = ((0.9,),),
    labels: Sequence[str] = ("thing",),
    *,
    turns: int = 0,
    by_brightness: bool = False,
    count: int = 1,
    warm_up: int = 0,
    batch: int = 0,
) -> Toy:
    """A model directory: the detector, its vision.yaml and its labels.

    `count` instances; `warm_up` runs before it is ready, which makes a slow one slow to load;
    `batch` is the greatest batch of the dynamic batcher (0: none).
    """
    data = onnx_detector(boxes, scores, turns=turns, by_brightness=by_brightness)
    return Toy(
        data,
        _config(len(boxes), len(scores[0]), count, warm_up, batch),
        extra={"vision.yaml": VISION, "labels.txt": "\n".join(labels) + "\n"},
    )


def _config(boxes: int, classes: int, count: int, warm_up: int, batch: int) -> str:
    text = (
        'backend: "onnxruntime"\n'
        f"max_batch_size: {batch or 8}\n"
        f"instance_group {{ count: {count} kind: KIND_CPU }}\n"
        f'input {{ name: "images" data_type: TYPE_UINT8 dims: [{SIDE}, {SIDE}, 3] }}\n'
        f'output {{ name: "boxes" data_type: TYPE_FP32 dims: [{boxes}, 4] }}\n'
        f'output {{ name: "scores" data_type: TYPE_FP32 dims: [{boxes}, {classes}]'
        ' label_filename: "labels.txt" }\n'
    )
    if batch:
        text += "dynamic_batching { max_queue_delay_microseconds: 20000 }\n"
    if warm_up:
        text += (
            f'model_warmup {{ name: "w" batch_size: 1 count: {warm_up} inputs {{ key: "images"'
            f" value {{ data_type: TYPE_UINT8 dims: [{SIDE}, {SIDE}, 3] random_data: true }} }}"
            " }\n"
        )
    return text


VISION = """\
input:
  color: rgb
  resize: stretch
head:
  type: ssd
  boxes: boxes
  scores: scores
  box_format: xyxy
  units: normalized
  score_threshold: 0.3
  iou_threshold: 0.5
  max_detections: 10
"""
