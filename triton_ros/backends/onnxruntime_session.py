# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a configuration asks of an ONNX Runtime session: execution providers, threads, memory.

`execution_accelerators` name the provider in Triton's words; an instance on the CPU takes those for
the CPU, one on a GPU those for the GPU, where CUDA comes last by itself.  A provider that this
build of ONNX Runtime lacks is refused by name: it would otherwise be left out silently.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from triton_ros.backends.support import choice_parameter, integer_parameter, listed
from triton_ros.core.config.config_lines import PlacedError
from triton_ros.core.config.model_config import InstanceKind, ModelConfig
from triton_ros.core.config.optimization_config import Accelerator
from triton_ros.core.errors import ConfigError, UnsupportedError

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
OPTIMIZATION = ("graph.level", "execution_accelerators")
"""Fields of `optimization` that are heeded."""
PARAMETERS = (
    "intra_op_thread_count",
    "inter_op_thread_count",
    "execution_mode",
    "enable_mem_arena",
    "enable_mem_pattern",
    "memory.enable_memory_arena_shrinkage",
    "session.intra_op.allow_spinning",
    "session.inter_op.allow_spinning",
)
"""Names in `parameters` that are heeded."""
SHARED_ARENA = "shared-arena"
"""The setting of the backend: all sessions allocate from one arena."""

_CPU_PROVIDERS = {"openvino": ("OpenVINOExecutionProvider", "onnxruntime-openvino")}
_GPU_PROVIDERS = {
    "tensorrt": ("TensorrtExecutionProvider", "onnxruntime-gpu"),
    "cuda": (CUDA, "onnxruntime-gpu"),
}
"""Triton's name to ONNX Runtime's, and the build that has it."""
_TENSORRT_OPTIONS = {
    "max_workspace_size_bytes": "trt_max_workspace_size",
    "int8_calibration_table_name": "trt_int8_calibration_table_name",
    "int8_use_native_calibration_table": "trt_int8_use_native_calibration_table",
    "trt_engine_cache_enable": "trt_engine_cache_enable",
    "trt_engine_cache_path": "trt_engine_cache_path",
}
_PRECISION = {"FP32": {}, "FP16": {"trt_fp16_enable": "1"}, "INT8": {"trt_int8_enable": "1"}}
_LEVELS = {
    -1: "ORT_ENABLE_BASIC",
    0: "ORT_ENABLE_ALL",
    1: "ORT_ENABLE_EXTENDED",
    2: "ORT_DISABLE_ALL",
}
"""The values that Triton gives ``optimization.graph.level`` for this backend."""
_MODES = {"0": "ORT_SEQUENTIAL", "1": "ORT_PARALLEL"}
_FATAL = 4
"""Log severity: every error is raised as well, and a stream of them would flood the console."""


def session_options(ort: Any, config: ModelConfig, *, shared_arena: bool = False) -> Any:
    """The `SessionOptions` of a model; raises `ConfigError` for what it cannot use."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = integer_parameter(config, "intra_op_thread_count", 1)
    options.inter_op_num_threads = integer_parameter(config, "inter_op_thread_count", 1)
    for pool in ("intra_op", "inter_op"):
        entry = f"session.{pool}.allow_spinning"
        options.add_session_config_entry(entry, choice_parameter(config, entry, "0", ("0", "1")))
    options.log_severity_level = _FATAL
    mode = choice_parameter(config, "execution_mode", "0", tuple(_MODES))
    options.execution_mode = getattr(ort.ExecutionMode, _MODES[mode])
    level = config.optimization.graph_level
    if level not in _LEVELS:
        raise PlacedError(
            f"model '{config.name}': optimization.graph.level must be one of"
            f" {', '.join(map(str, _LEVELS))} (basic, all, extended, none), got {level}",
            *("optimization", "graph", "level"),
        )
    options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, _LEVELS[level])
    options.enable_cpu_mem_arena = _switched(config, "enable_mem_arena")
    options.enable_mem_pattern = _switched(config, "enable_mem_pattern")
    if shared_arena:
        options.add_session_config_entry("session.use_env_allocators", "1")
    return options


def run_options(ort: Any, config: ModelConfig) -> Any:
    """The `RunOptions` of every execution, None for none."""
    devices = config.parameters.get("memory.enable_memory_arena_shrinkage")
    if devices is None:
        return None
    for device in devices.split(";"):
        kind, colon, number = device.partition(":")
        if kind not in ("cpu", "gpu") or not (colon and number.isdigit()):
            raise ConfigError(
                f"model '{config.name}': parameters['memory.enable_memory_arena_shrinkage'] must"
                f" be devices like cpu:0 or gpu:0, separated by ';', got '{devices}'"
            )
    if "cpu:0" in devices.split(";") and not _switched(config, "enable_mem_arena"):
        raise ConfigError(
            f"model '{config.name}': parameters['memory.enable_memory_arena_shrinkage'] has cpu:0,"
            " and enable_mem_arena is 0: there is no arena to shrink"
        )
    options = ort.RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", devices)
    return options


def share_arena(ort: Any, settings: Mapping[str, str]) -> bool:
    """Make the process' arena if the settings ask for it; raises `ConfigError`."""
    value = settings.get(SHARED_ARENA, "false")
    if value not in ("true", "false"):
        raise ConfigError(
            f"backend_config: 'onnxruntime,{SHARED_ARENA}' must be true or false, got '{value}'"
        )
    if value == "true":
        cpu = ort.OrtMemoryInfo(
            "Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT
        )
        ort.create_and_register_allocator(cpu, ort.OrtArenaCfg(0, -1, -1, -1))
    return value == "true"


def providers(
    config: ModelConfig, kind: InstanceKind, device: int, available: list[str]
) -> list[Any]:
    """What `InferenceSession` is given, the most wanted first.

    KIND_GPU means CUDA; KIND_AUTO and KIND_MODEL whatever there is.  Raises `UnsupportedError` for
    a provider that this ONNX Runtime does not have, and `ConfigError` for an unknown accelerator.
    """
    on_cpu = kind is InstanceKind.KIND_CPU or (
        kind is not InstanceKind.KIND_GPU and CUDA not in available
    )
    wanted: list[Any] = []
    if on_cpu:
        side, known = "cpu_execution_accelerator", _CPU_PROVIDERS
        accelerators = config.optimization.cpu_execution_accelerator
    else:
        side, known = "gpu_execution_accelerator", _GPU_PROVIDERS
        accelerators = config.optimization.gpu_execution_accelerator
    for index, accelerator in enumerate(accelerators):
        place = ("optimization", "execution_accelerators", side, index)
        provider = _provider(config, accelerator, known, place, available)
        options = _options(config, accelerator, place)
        if not on_cpu:
            options["device_id"] = str(device)
        wanted.append((provider, options))
    if not on_cpu and all(provider != CUDA for provider, _ in wanted):
        _check_cuda(config, available)
        wanted.append((CUDA, {"device_id": str(device)}))
    return [*wanted, CPU]


def _provider(
    config: ModelConfig,
    accelerator: Accelerator,
    known: Mapping[str, tuple[str, str]],
    place: tuple[str | int, ...],
    available: list[str],
) -> str:
    name = accelerator.name
    if name not in known:
        raise PlacedError(
            f"model '{config.name}': {place[-2]} '{name}' is unknown to backend onnxruntime;"
            f" accepted: {', '.join(known)}",
            *(*place, "name"),
        )
    provider, package = known[name]
    if provider not in available:
        raise UnsupportedError(
            f"model '{config.name}': {place[-2]} '{name}' needs {provider}, and this onnxruntime"
            f" has only {', '.join(available)}: pip install {package} in its place,"
            " or drop the accelerator"
        )
    return provider


def _check_cuda(config: ModelConfig, available: list[str]) -> None:
    if CUDA not in available:
        raise UnsupportedError(
            f"model '{config.name}': KIND_GPU needs {CUDA}, and this onnxruntime has only"
            f" {', '.join(available)}: pip install onnxruntime-gpu in its place, or use KIND_CPU"
        )


def _options(
    config: ModelConfig, accelerator: Accelerator, place: tuple[str | int, ...]
) -> dict[str, str]:
    """TensorRT's parameters have names of Triton's own; the others' are ONNX Runtime's."""
    if accelerator.name != "tensorrt":
        return dict(accelerator.parameters)
    options: dict[str, str] = {}
    for key, value in accelerator.parameters.items():
        if key == "precision_mode":
            if value not in _PRECISION:
                raise PlacedError(
                    f"model '{config.name}': precision_mode must be one of"
                    f" {', '.join(_PRECISION)}, got '{value}'",
                    *(*place, "parameters", key),
                )
            options |= _PRECISION[value]
        elif key in _TENSORRT_OPTIONS:
            options[_TENSORRT_OPTIONS[key]] = value
        else:
            raise PlacedError(
                f"model '{config.name}': parameter '{key}' is unknown to accelerator tensorrt;"
                f" accepted: {listed(['precision_mode', *_TENSORRT_OPTIONS])}",
                *(*place, "parameters", key),
            )
    return options


def _switched(config: ModelConfig, name: str) -> bool:
    return choice_parameter(config, name, "1", ("0", "1")) == "1"
