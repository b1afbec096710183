# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""TorchScript served: what core adds to a request reaches forward, and what it answers comes back.

The configuration alone says that these tensors exist (`config_signature`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import toy_pytorch
from conformance_case import missing
from toy_models import Toy, write_model

from triton_ros.backends.registry import BackendRegistry
from triton_ros.core.request import InferenceRequest
from triton_ros.core.server import InferenceServer

WHY = missing("torch", "make frameworks")
pytestmark = pytest.mark.skipif(bool(WHY), reason=WHY or "it is there")

SEQUENCE = """
max_batch_size: 2
input { name: "x" data_type: TYPE_FP32 dims: [ 4 ] }
output { name: "y" data_type: TYPE_FP32 dims: [ 4 ] }
sequence_batching {
  direct {}
  control_input { name: "start" control { kind: CONTROL_SEQUENCE_START fp32_false_true: [ 0, 1 ] } }
  state { input_name: "s" output_name: "s_out" data_type: TYPE_FP32 dims: [ 4 ]
          initial_state { name: "zeros" data_type: TYPE_FP32 dims: [ 4 ] zero_data: true } }
}
"""
RAGGED = """
max_batch_size: 4
input { name: "x" data_type: TYPE_FP32 dims: [ -1 ] allow_ragged_batch: true }
output { name: "y" data_type: TYPE_FP32 dims: [ 1 ] }
batch_input { kind: BATCH_ACCUMULATED_ELEMENT_COUNT_WITH_ZERO target_name: "ends"
              data_type: TYPE_INT32 source_input: "x" }
dynamic_batching { max_queue_delay_microseconds: 2000000 preferred_batch_size: [ 2 ] }
"""
RESHAPED = """
input { name: "x" data_type: TYPE_FP32 dims: [ 4 ] reshape { shape: [ 2, 2 ] } }
output { name: "y" data_type: TYPE_FP32 dims: [ 4 ] reshape { shape: [ 2, 2 ] } }
"""


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[str, str], InferenceServer]]:
    """``serve(code, configuration)``: a server that has this TorchScript as model `toy`."""
    with InferenceServer([tmp_path], BackendRegistry().load_backend) as server:

        def load_code(code: str, config: str) -> InferenceServer:
            toy = Toy(toy_pytorch.script(code), f'backend: "pytorch" {config}', "model.pt")
            write_model(tmp_path / "toy", toy)
            server.load_model("toy").result(60)
            return server

        yield load_code


Serve = Callable[[str, str], InferenceServer]


def test_states_and_controls_of_sequences_are_arguments(serve: Serve) -> None:
    code = "def forward(self, x, s, start):\n    t = s + x\n    return (t + 100 * start, t)"
    server = serve(code, SEQUENCE)
    answers = []
    for step in range(3):
        request = InferenceRequest(
            "toy",
            {"x": np.ones((1, 4), np.float32)},
            correlation_id=7,
            sequence_start=step == 0,
            sequence_end=step == 2,
        )
        answers.append(server.infer(request, 60).outputs["y"][0, 0])
    assert answers == [101.0, 2.0, 3.0]


def test_a_ragged_batch_comes_flat_with_what_core_computes_of_it(serve: Serve) -> None:
    code = (
        "def forward(self, x, ends):\n"
        "    n = ends.size(0) - 1\n"
        "    y = torch.zeros([n, 1])\n"
        "    for i in range(n):\n"
        "        y[i, 0] = x[int(ends[i]):int(ends[i + 1])].sum()\n"
        "    return y"
    )
    server = serve(code, RAGGED)
    requests = [InferenceRequest("toy", {"x": np.ones((1, n), np.float32)}) for n in (3, 5)]
    with ThreadPoolExecutor(2) as both:
        answers = list(both.map(lambda request: server.infer(request, 60), requests))
    assert [answer.outputs["y"].tolist() for answer in answers] == [[[3.0]], [[5.0]]]
    assert server.describe("toy").statistics.execution_count == 1, "one batch of two shapes"


def test_reshaped_tensors_have_the_models_own_shape(serve: Serve) -> None:
    server = serve("def forward(self, x):\n    return x.t()", RESHAPED)
    answer = server.infer(
        InferenceRequest("toy", {"x": np.arange(4, dtype=np.float32)}), 60
    ).outputs["y"]
    assert answer.tolist() == [0.0, 2.0, 1.0, 3.0]
