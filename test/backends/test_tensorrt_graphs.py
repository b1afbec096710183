# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Executions of TensorRT that are recorded once and launched as CUDA graphs."""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import pytest
import toy_onnx
from cuda_rig import CudaRig
from tensorrt_use import IMAGES, Use, check, expected

from triton_ros.core.config.optimization_config import Optimization
from triton_ros.core.errors import UnsupportedError

GRAPHS = Optimization(cuda_graphs=True)


@pytest.fixture
def graphs(cuda_rig: CudaRig) -> Callable[[], int]:
    """How many have been launched."""
    pytest.importorskip("cuda.bindings.driver", reason="graphs need cuda-bindings")
    return lambda: cuda_rig.count("graph_launches") if cuda_rig.is_fake else -1


def test_what_was_executed_once_is_launched_as_a_graph(
    cuda_rig: CudaRig, use: Use, graphs: Callable[[], int]
) -> None:
    plan = cuda_rig.make_plan(toy_onnx.convolution(), [IMAGES])
    instance = use.of(plan, optimization=GRAPHS)
    before = graphs()
    check(instance, (1, 3, 16, 16))
    assert graphs() == before
    check(instance, (1, 3, 16, 16), (2, 3, 16, 16), (1, 3, 16, 16), (2, 3, 16, 16))
    assert graphs() == before + 3 or not cuda_rig.is_fake


def test_old_graphs_make_room(cuda_rig: CudaRig, use: Use, graphs: Callable[[], int]) -> None:
    plan = cuda_rig.make_plan(toy_onnx.convolution(), [IMAGES])
    instance = use.of(plan, optimization=GRAPHS)
    for width in range(16, 56):
        check(instance, (1, 3, 16, width))
    assert len(instance._recorded) == 32
    before = graphs()
    check(instance, (1, 3, 16, 16), (1, 3, 16, 55))
    assert graphs() == before + 1 or not cuda_rig.is_fake


def test_what_cannot_be_recorded_is_executed(
    cuda_rig: CudaRig, use: Use, graphs: Callable[[], int]
) -> None:
    onnx = toy_onnx.non_zero()
    plan = cuda_rig.make_plan(onnx, [{"x": ((1,), (8,), (4096,))}])
    instance = use.of(plan, optimization=GRAPHS)
    before = graphs()
    for _ in range(3):
        x = (np.arange(10) % 3).astype(np.float32)
        np.testing.assert_array_equal(instance.execute({"x": x})["where"], expected(onnx, x=x)[0])
    assert graphs() == before


def test_graphs_without_their_package_are_refused(
    cuda_rig: CudaRig, use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = cuda_rig.make_plan(toy_onnx.convolution(), [IMAGES])
    for name in ("cuda", "cuda.bindings", "cuda.bindings.driver"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UnsupportedError, match="pip install cuda-bindings"):
        use.of(plan, optimization=GRAPHS)
