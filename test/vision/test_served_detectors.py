# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Layouts that ask something of the server as well: a second input, and no batch dim at all."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper
from toy_models import Toy, onnx_model, write_repository

from triton_ros.backends.registry import BackendRegistry
from triton_ros.core.request import InferenceRequest
from triton_ros.core.server import InferenceServer
from triton_ros.vision.processor import load_processor

BATCHED = "max_batch_size: 4 dynamic_batching { max_queue_delay_microseconds: 100000 }"


@contextmanager
def serving(path: Path, toy: Toy) -> Iterator[InferenceServer]:
    root = write_repository(path, {"m": toy})
    with InferenceServer([root], BackendRegistry().load_backend, load_processor) as server:
        server.load_model("m").result(30)
        yield server


def rt_detr() -> Toy:
    """One box a picture: the middle of what `orig_target_sizes` says."""
    nodes = [
        helper.make_node("Cast", ["orig_target_sizes"], ["sizes"], to=TensorProto.FLOAT),
        helper.make_node("Concat", ["sizes", "sizes"], ["edges"], axis=1),
        helper.make_node("Mul", ["edges", "shares"], ["box"]),
        helper.make_node("Unsqueeze", ["box", "one"], ["boxes"]),
        helper.make_node("ReduceMean", ["images"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("Slice", ["mean", "zero", "one", "one"], ["scores"]),
        helper.make_node("Cast", ["scores"], ["labels"], to=TensorProto.INT64),
    ]
    constants = {
        "shares": np.float32([[0.25, 0.25, 0.75, 0.75]]),
        "zero": np.int64([0]),
        "one": np.int64([1]),
    }
    data = onnx_model(
        nodes,
        {"images": ("FP32", ("N", 3, 8, 8)), "orig_target_sizes": ("INT64", ("N", 2))},
        {
            "labels": ("INT64", ("N", 1)),
            "boxes": ("FP32", ("N", 1, 4)),
            "scores": ("FP32", ("N", 1)),
        },
        constants,
    )
    vision = (
        "input: {tensor: images, scale: 1/255, size_inputs: {orig_target_sizes: source_wh}}\n"
        "head: {type: detections, format: rt_detr}\n"
    )
    return Toy(data, BATCHED, extra={"vision.yaml": vision})


def test_frames_of_a_batch_have_their_own_sizes(tmp_path: Path) -> None:
    sizes = [(100, 200), (40, 60), (8, 8)]
    with serving(tmp_path, rt_detr()) as server:
        requests = [
            InferenceRequest("m", {"IMAGE": np.full((*size, 3), 150, np.uint8)}) for size in sizes
        ]
        with ThreadPoolExecutor(len(requests)) as pool:
            answers = list(pool.map(partial(server.infer, timeout=30), requests))
    found = np.concatenate([answer.outputs["BOXES"] for answer in answers])
    wanted = np.array([[w / 4, h / 4, w * 3 / 4, h * 3 / 4] for h, w in sizes])
    assert np.abs(found - wanted).max() < 1e-3
    assert max(answer.timing.batch_size for answer in answers) > 1


def torchvision() -> Toy:
    """As many boxes as the picture is bright: rows of the whole input, of class 1 (the first)."""
    nodes = [
        helper.make_node("ReduceMax", ["images"], ["most"], keepdims=0),
        helper.make_node("Cast", ["most"], ["count"], to=TensorProto.INT64),
        helper.make_node("Unsqueeze", ["count", "zero"], ["counts"]),
        helper.make_node("Concat", ["counts", "four"], ["shape"], axis=0),
        helper.make_node("Expand", ["whole", "shape"], ["boxes"]),
        helper.make_node("Expand", ["first", "counts"], ["labels"]),
        helper.make_node("Expand", ["sure", "counts"], ["scores"]),
    ]
    constants = {
        "zero": np.int64([0]),
        "four": np.int64([4]),
        "whole": np.float32([[0, 0, 8, 8]]),
        "first": np.int64([1]),
        "sure": np.float32([0.75]),
    }
    data = onnx_model(
        nodes,
        {"images": ("FP32", (3, 8, 8))},
        {"boxes": ("FP32", ("n", 4)), "labels": ("INT64", ("n",)), "scores": ("FP32", ("n",))},
        constants,
    )
    vision = "input: {}\nhead: {type: detections, format: torchvision}\nlabels: [cat, dog]\n"
    return Toy(data, "max_batch_size: 0", extra={"vision.yaml": vision})


def test_outputs_without_a_batch_dim(tmp_path: Path) -> None:
    with serving(tmp_path, torchvision()) as server:
        for count in (0, 1, 3):
            frame = np.full((32, 64, 3), count, np.uint8)
            answer = server.infer(InferenceRequest("m", {"IMAGE": frame}), 30).outputs
            assert answer["BOXES"].tolist() == [[0, 0, 64, 32]] * count
            assert answer["LABELS"].tolist() == ["cat"] * count
