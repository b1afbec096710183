# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Plans of ONNX files for a Jetson's DLA cores, whole or with the GPU for what they cannot do."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy_models
import toy_onnx
from cuda_rig import CudaRig

from triton_ros.core.errors import TritonError

ONNX = 'default_model_filename: "model.onnx"\n'
PRECISION = """
optimization { execution_accelerators { gpu_execution_accelerator [
  { name: "tensorrt" parameters { key: "precision_mode" value: "FP16" } } ] } }
"""
FALLBACK = 'parameters { key: "gpu_fallback" value { string_value: "true" } }\n'
DLA = "{ kind: KIND_GPU secondary_devices { kind: KIND_NVDLA device_id: %d } }"
CONVOLUTION = {"model.onnx": toy_onnx.convolution(static=True)}
X = np.ones((1, 3, 32, 32), np.float32)
Serve = Callable[..., Any]


def on(*groups: str) -> str:
    return f"instance_group [ {', '.join(groups)} ]\n"


@pytest.fixture
def dla(cuda_rig: CudaRig) -> CudaRig:
    """A device with two cores, and a release whose builder can be told precisions."""
    import tensorrt as trt  # noqa: PLC0415 (the rig puts it there)

    cuda_rig.set(dla_cores=2)
    if not hasattr(trt.BuilderFlag, "FP16"):
        pytest.skip(f"TensorRT {trt.__version__} has no flags of precision")
    return cuda_rig


@pytest.mark.usefixtures("dla")
def test_what_runs_where_is_told(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        served = serve(CONVOLUTION, ONNX + PRECISION + FALLBACK + on(DLA % 1))
    assert "on DLA core 1 of GPU 0: layers: 1 on DLA, 2 on GPU" in caplog.text
    assert "for the DLA of" in served.built[0]
    assert served.ask(images=X)["logits"].shape == (1, 4)


@pytest.mark.usefixtures("dla")
def test_without_fallback_all_has_to_fit(serve: Serve) -> None:
    with pytest.raises(TritonError, match=r"'gpu_fallback'\] every layer"):
        serve(CONVOLUTION, ONNX + PRECISION + on(DLA % 0))


@pytest.mark.usefixtures("dla")
def test_a_precision_has_to_be_stated(serve: Serve) -> None:
    with pytest.raises(TritonError, match="a DLA core computes in FP16 or INT8"):
        serve(CONVOLUTION, ONNX + on(DLA % 0))


@pytest.mark.usefixtures("dla")
def test_a_core_that_there_is_not(serve: Serve) -> None:
    with pytest.raises(TritonError, match="device_id 2: this device has 2 DLA cores"):
        serve(CONVOLUTION, ONNX + PRECISION + on(DLA % 2))


def test_two_cores_share_a_plan_and_the_gpu_has_another(
    dla: CudaRig, serve: Serve, cache: Path
) -> None:
    """`default_device_type` is only of the plan for the DLA: each group runs what it names."""
    before = dla.count("engines_built")
    groups = on("{ kind: KIND_GPU }", DLA % 0, DLA % 1)
    served = serve(CONVOLUTION, ONNX + PRECISION + FALLBACK + groups)
    assert [text.partition(" ")[0] for text in served.built] == ["built", "built", "found"]
    assert len(list(cache.glob("*.plan"))) == 2
    assert dla.count("engines_built") == before + 2
    for _ in range(6):
        assert served.ask(images=X)["logits"].shape == (1, 4)


@pytest.mark.usefixtures("dla")
def test_a_variable_batch_is_refused(serve: Serve) -> None:
    """A DLA has one shape."""
    files = {"model.onnx": toy_models.onnx_affine()}
    with pytest.raises(TritonError, match="a DLA core takes one shape"):
        serve(files, f"{ONNX}max_batch_size: 8\n{PRECISION}{FALLBACK}{on(DLA % 0)}")
    x = np.ones((1, 4), np.float32)
    served = serve(files, f"{ONNX}max_batch_size: 1\n{PRECISION}{FALLBACK}{on(DLA % 0)}")
    assert np.array_equal(served.ask(x=x)["y"], x * 3)
