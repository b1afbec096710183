# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a configuration makes of a session: providers, threads, memory."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import toy_models
from toy_models import Toy, write_model

from triton_ros.backends.onnxruntime import OnnxRuntimeBackend
from triton_ros.backends.onnxruntime_session import CPU, CUDA, providers, session_options
from triton_ros.core.config.model_config import InstanceGroup, InstanceKind, ModelConfig
from triton_ros.core.config.optimization_config import (
    Accelerator,
    Optimization,
    SecondaryDevice,
)
from triton_ros.core.errors import ConfigError, UnsupportedError

ALL = ["TensorrtExecutionProvider", CUDA, "OpenVINOExecutionProvider", CPU]
X = np.arange(8, dtype=np.float32).reshape(2, 4)


def options(level: int = 0, **parameters: str) -> Any:
    names = {key.replace("__", "."): value for key, value in parameters.items()}
    config = ModelConfig("toy", parameters=names, optimization=Optimization(level))
    return session_options(onnxruntime, config)


def test_by_default_one_thread_that_never_spins() -> None:
    made = options()
    assert (made.intra_op_num_threads, made.inter_op_num_threads) == (1, 1)
    assert made.get_session_config_entry("session.intra_op.allow_spinning") == "0"
    assert made.get_session_config_entry("session.inter_op.allow_spinning") == "0"
    assert made.execution_mode == onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    assert made.graph_optimization_level == onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    assert made.enable_cpu_mem_arena
    assert made.enable_mem_pattern


def test_parameters_reach_the_session() -> None:
    made = options(
        -1,
        intra_op_thread_count="3",
        inter_op_thread_count="2",
        execution_mode="1",
        enable_mem_arena="0",
        enable_mem_pattern="0",
        session__intra_op__allow_spinning="1",
    )
    assert (made.intra_op_num_threads, made.inter_op_num_threads) == (3, 2)
    assert made.execution_mode == onnxruntime.ExecutionMode.ORT_PARALLEL
    assert made.graph_optimization_level == onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    assert not made.enable_cpu_mem_arena
    assert not made.enable_mem_pattern
    assert made.get_session_config_entry("session.intra_op.allow_spinning") == "1"
    assert made.get_session_config_entry("session.inter_op.allow_spinning") == "0"


@pytest.mark.parametrize(
    ("name", "value", "accepted"),
    [
        ("execution_mode", "2", "0, 1"),
        ("execution_mode", "parallel", "0, 1"),
        ("enable_mem_arena", "false", "1|0"),
        ("inter_op_thread_count", "two", "0 or more"),
        ("session__inter_op__allow_spinning", "yes", "0, 1"),
    ],
)
def test_bad_parameters_name_what_is_accepted(name: str, value: str, accepted: str) -> None:
    shown = name.replace("__", ".")
    with pytest.raises(ConfigError, match=rf"'{shown}'.*{accepted}.*'{value}'"):
        options(**{name: value})


def test_a_level_that_does_not_exist_names_those_that_do() -> None:
    with pytest.raises(ConfigError, match=r"graph\.level must be one of -1, 0, 1, 2 .* got 99"):
        options(99)


def load(directory: Path, **fields: Any) -> Any:
    write_model(directory, Toy(toy_models.onnx_affine()))
    return OnnxRuntimeBackend().load(ModelConfig("toy", **fields), directory / "1")


@pytest.mark.parametrize("devices", ["cpu:0", "cpu:0;gpu:0"])
def test_arena_shrinkage_is_asked_for_at_every_run(tmp_path: Path, devices: str) -> None:
    name = "memory.enable_memory_arena_shrinkage"
    instance = load(tmp_path, parameters={name: "cpu:0"}).instance(InstanceGroup(), 0)
    np.testing.assert_array_equal(instance.execute({"x": X})["y"], 2 * X + 1)
    with pytest.raises(ConfigError, match=r"cpu:0 or gpu:0.*got 'everything'"):
        load(tmp_path, parameters={name: "everything"})
    with pytest.raises(ConfigError, match="no arena to shrink"):
        load(tmp_path, parameters={name: devices, "enable_mem_arena": "0"})


def test_arena_shrinkage_gives_memory_back(tmp_path: Path) -> None:
    """A model whose inner tensors are large, once with and once without."""
    write_model(tmp_path, Toy(toy_models.onnx_wide(30_000_000)))
    code = (
        "import pathlib, sys, numpy as np\n"
        "from triton_ros.backends.onnxruntime import OnnxRuntimeBackend\n"
        "from triton_ros.core.config.model_config import InstanceGroup, ModelConfig\n"
        "from triton_ros.core.telemetry.memory_usage import resident_bytes\n"
        "parameters = {'memory.enable_memory_arena_shrinkage': 'cpu:0'} if sys.argv[1:] else {}\n"
        f"folder = pathlib.Path({str(tmp_path / '1')!r})\n"
        "model = OnnxRuntimeBackend().load(ModelConfig('toy', parameters=parameters), folder)\n"
        "instance = model.instance(InstanceGroup(), 0)\n"
        "before = resident_bytes()\n"
        "instance.execute({'x': np.zeros((1, 4), np.float32)})\n"
        "print((resident_bytes() - before) // 1_000_000)\n"
    )

    def growth(*arguments: str) -> int:
        command = [sys.executable, "-c", code, *arguments]
        ran = subprocess.run(command, check=True, timeout=60, capture_output=True, text=True)
        return int(ran.stdout)

    whole = growth()
    assert whole > 100
    assert growth("shrink") < 0.7 * whole  # the arena keeps its first block


# --- execution providers ------------------------------------------------------------------------


def chosen(
    kind: str, available: list[str] = ALL, device: int = 0, **sides: tuple[Accelerator, ...]
) -> list[Any]:
    config = ModelConfig("toy", optimization=Optimization(**sides))
    return providers(config, InstanceKind[kind], device, available)


def test_the_kind_chooses_cpu_or_cuda() -> None:
    assert chosen("KIND_CPU") == [CPU]
    assert chosen("KIND_AUTO", [CPU]) == [CPU]
    assert chosen("KIND_AUTO", device=1) == [(CUDA, {"device_id": "1"}), CPU]
    assert chosen("KIND_GPU", device=1) == [(CUDA, {"device_id": "1"}), CPU]
    with pytest.raises(UnsupportedError, match=r"CUDAExecutionProvider.*onnxruntime-gpu"):
        chosen("KIND_GPU", [CPU])


def test_accelerators_become_providers_with_their_options() -> None:
    openvino = Accelerator("openvino", {"device_type": "GPU"})
    found = chosen("KIND_CPU", cpu_execution_accelerator=(openvino,))
    assert found == [("OpenVINOExecutionProvider", {"device_type": "GPU"}), CPU]
    parameters = {"precision_mode": "FP16", "max_workspace_size_bytes": "1000"}
    tensorrt = Accelerator("tensorrt", parameters)
    found = chosen("KIND_GPU", device=1, gpu_execution_accelerator=(tensorrt,))
    assert found == [
        (
            "TensorrtExecutionProvider",
            {"trt_fp16_enable": "1", "trt_max_workspace_size": "1000", "device_id": "1"},
        ),
        (CUDA, {"device_id": "1"}),
        CPU,
    ]
    cuda = Accelerator("cuda", {"arena_extend_strategy": "kSameAsRequested"})
    found = chosen("KIND_GPU", gpu_execution_accelerator=(cuda,))
    assert found[0] == (CUDA, {"arena_extend_strategy": "kSameAsRequested", "device_id": "0"})
    assert found[1:] == [CPU]


def test_those_of_the_other_kind_are_left_alone() -> None:
    tensorrt = (Accelerator("tensorrt"),)
    assert chosen("KIND_CPU", gpu_execution_accelerator=tensorrt) == [CPU]


@pytest.mark.parametrize(
    ("accelerator", "message"),
    [
        (Accelerator("tensorflow"), r"'tensorflow' is unknown.*accepted: tensorrt, cuda"),
        (
            Accelerator("tensorrt", {"precision_mode": "FP8"}),
            r"precision_mode must be one of FP32, FP16, INT8, got 'FP8'",
        ),
        (Accelerator("tensorrt", {"precision": "FP16"}), r"'precision'.*'precision_mode'"),
    ],
)
def test_wrong_accelerators_name_what_is_accepted(accelerator: Accelerator, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        chosen("KIND_GPU", gpu_execution_accelerator=(accelerator,))


def test_an_absent_provider_names_the_build_that_has_it(tmp_path: Path) -> None:
    if "OpenVINOExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has OpenVINO")
    wanted = Optimization(cpu_execution_accelerator=(Accelerator("openvino"),))
    group = InstanceGroup(kind=InstanceKind.KIND_CPU)
    with pytest.raises(UnsupportedError, match=r"'openvino'.*pip install onnxruntime-openvino"):
        load(tmp_path, optimization=wanted, instance_group=(group,))


# --- what nobody would act on -------------------------------------------------------------------


def test_fields_for_other_backends_are_refused(tmp_path: Path) -> None:
    graphs = Optimization(cuda_graphs=True, stated=frozenset({"cuda.graphs"}))
    with pytest.raises(ConfigError, match=r"optimization\.cuda\.graphs does nothing.*graph\.level"):
        load(tmp_path, optimization=graphs)
    dla = InstanceGroup(secondary_devices=(SecondaryDevice("KIND_NVDLA", 0),))
    with pytest.raises(ConfigError, match=r"secondary_devices does nothing for .*onnxruntime"):
        load(tmp_path, instance_group=(dla,))


def test_a_misspelt_parameter_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        load(tmp_path, parameters={"intra_op_threads_count": "2"})
    assert "did you mean 'intra_op_thread_count'?" in caplog.text


def test_settings_of_the_backend_are_checked() -> None:
    with pytest.raises(ConfigError, match=r"'onnxruntime,arena' is not a setting.*shared-arena"):
        OnnxRuntimeBackend({"arena": "true"})
    with pytest.raises(ConfigError, match=r"shared-arena' must be true or false, got '1'"):
        OnnxRuntimeBackend({"shared-arena": "1"})


def test_a_shared_arena_is_used_again_by_the_next_model(tmp_path: Path) -> None:
    write_model(tmp_path, Toy(toy_models.onnx_wide(30_000_000)))
    code = (
        "import pathlib, sys, numpy as np\n"
        "from triton_ros.backends.onnxruntime import OnnxRuntimeBackend\n"
        "from triton_ros.core.config.model_config import InstanceGroup, ModelConfig\n"
        "from triton_ros.core.telemetry.memory_usage import resident_bytes\n"
        "backend = OnnxRuntimeBackend({'shared-arena': sys.argv[1]})\n"
        f"folder = pathlib.Path({str(tmp_path / '1')!r})\n"
        "models = [backend.load(ModelConfig('toy'), folder) for _ in range(2)]\n"
        "grown = []\n"
        "for model in models:\n"
        "    before = resident_bytes()\n"
        "    model.instance(InstanceGroup(), 0).execute({'x': np.zeros((1, 4), np.float32)})\n"
        "    grown.append(resident_bytes() - before)\n"
        "print(grown[1] // 1_000_000)\n"
    )

    def second(shared: str) -> int:
        command = [sys.executable, "-c", code, shared]
        ran = subprocess.run(command, check=True, timeout=60, capture_output=True, text=True)
        return int(ran.stdout)

    assert second("false") > 100
    assert second("true") < 50
