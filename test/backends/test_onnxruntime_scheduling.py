# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What core makes of a batch, through real ONNX files: ragged, reshaped and stateful models."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from fake_backend import TIMEOUT
from onnx import helper
from toy_models import Toy, onnx_model, write_repository

from triton_ros.backends.registry import BackendRegistry
from triton_ros.core.errors import InvalidArgumentError
from triton_ros.core.request import InferenceRequest
from triton_ros.core.server import InferenceServer
from triton_ros.core.tensor import Array

X, Y = 'input { name: "x" data_type: TYPE_FP32', 'output { name: "y" data_type: TYPE_FP32'

RAGGED = Toy(
    onnx_model(
        [
            helper.make_node("Add", ["x", "x"], ["y"]),
            helper.make_node("Identity", ["end"], ["ends"]),
        ],
        {"x": ("FP32", ("M",)), "end": ("FP32", ("N",))},
        {"y": ("FP32", ("M",)), "ends": ("FP32", ("N",))},
    ),
    f"""max_batch_size: 16 {X} dims: [-1] allow_ragged_batch: true }} {Y} dims: [-1] }}
    output {{ name: "ends" data_type: TYPE_FP32 dims: [1] reshape {{ shape: [] }} }}
    batch_input {{ kind: BATCH_ACCUMULATED_ELEMENT_COUNT target_name: "end"
      data_type: TYPE_FP32 source_input: "x" }}
    batch_output {{ target_name: "y" kind: BATCH_SCATTER_WITH_INPUT_SHAPE source_input: "x" }}
    dynamic_batching {{ preferred_batch_size: 3 max_queue_delay_microseconds: 60000000 }}
    instance_group {{ count: 1 kind: KIND_CPU }}""",
)
"""``y = 2 x`` on whatever lies one behind the other, and where each request's part ends."""

RESHAPED = Toy(
    onnx_model(
        [helper.make_node("Transpose", ["x"], ["y"], perm=[0, 2, 1])],
        {"x": ("FP32", ("N", 2, 2))},
        {"y": ("FP32", ("N", 2, 2))},
    ),
    f"max_batch_size: 4 {X} dims: [4] reshape {{ shape: [2, 2] }} }}"
    f" {Y} dims: [4] reshape {{ shape: [2, 2] }} }}",
)

SUM = Toy(
    onnx_model(
        [
            helper.make_node("Add", ["before", "x"], ["after"]),
            helper.make_node("Identity", ["after"], ["y"]),
        ],
        {"x": ("FP32", ("N", 1)), "before": ("FP32", ("N", 1))},
        {"after": ("FP32", ("N", 1)), "y": ("FP32", ("N", 1))},
    ),
    f"""max_batch_size: 4 {X} dims: [1] }} {Y} dims: [1] }}
    sequence_batching {{ oldest {{ max_candidate_sequences: 4 }}
      state {{ input_name: "before" output_name: "after" data_type: TYPE_FP32 dims: [1] }} }}""",
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[InferenceServer]:
    models = {"ragged": RAGGED, "reshaped": RESHAPED, "sum": SUM}
    write_repository(tmp_path, models)
    with InferenceServer([tmp_path], BackendRegistry().load_backend) as made:
        for name in models:
            made.load_model(name).result(TIMEOUT)
        yield made


def ask(server: InferenceServer, name: str, x: Array, **fields: object) -> dict[str, Array]:
    request = InferenceRequest(name, {"x": x}, **fields)  # type: ignore[arg-type]
    return server.infer(request, TIMEOUT).outputs


def test_requests_of_different_shapes_are_one_batch(server: InferenceServer) -> None:
    sizes = (2, 3, 4)
    with ThreadPoolExecutor(len(sizes)) as pool:
        inputs = [np.arange(size, dtype=np.float32)[None] for size in sizes]
        answers = list(pool.map(lambda x: ask(server, "ragged", x), inputs))
    for x, answer in zip(inputs, answers, strict=True):
        np.testing.assert_array_equal(answer["y"], 2 * x)
    assert max(float(answer["ends"][0, 0]) for answer in answers) == sum(sizes)
    assert server.describe("ragged").statistics.batch_sizes == {3: 1}


def test_a_model_sees_the_shape_it_wants(server: InferenceServer) -> None:
    answer = ask(server, "reshaped", np.arange(8, dtype=np.float32).reshape(2, 4))
    assert answer["y"].tolist() == [[0, 2, 1, 3], [4, 6, 5, 7]]


def test_a_sequence_keeps_its_state(server: InferenceServer) -> None:
    one = np.ones((1, 1), np.float32)
    found = []
    for start, end in ((True, False), (False, False), (False, True)):
        flags = {"sequence_start": start, "sequence_end": end}
        found.append(float(ask(server, "sum", one, correlation_id="robot", **flags)["y"][0, 0]))
    assert found == [1, 2, 3]
    with pytest.raises(InvalidArgumentError, match="sequence robot to model 'sum' must specify"):
        ask(server, "sum", one, correlation_id="robot")
