# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a configuration leaves out is filled in from the model file, and what it says is compared.

Triton's rules: the backend comes from the file's name, inputs and outputs from the file, a
`max_batch_size` from a variable first dim everywhere.  Unlike Triton, batching of requests
(`dynamic_batching`) is never switched on by itself: on a CPU it slows most vision models down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from triton_ros.core.backend import Signature
from triton_ros.core.errors import ConfigError
from triton_ros.core.model_config import (
    InputConfig,
    InstanceGroup,
    InstanceKind,
    ModelConfig,
    OutputConfig,
)
from triton_ros.core.tensor import TensorSpec

DEFAULT_MAX_BATCH_SIZE = 4
_BACKEND_FILES = {
    "tensorrt": ("model.plan",),
    "onnxruntime": ("model.onnx",),
    "openvino": ("model.xml",),
    "pytorch": ("model.pt", "model.pt2"),
    "tensorflow": ("model.savedmodel", "model.graphdef"),
    "tflite": ("model.tflite",),
    "python": ("model.py",),
}
_NOT_CPU = (InstanceKind.KIND_GPU, InstanceKind.KIND_MODEL)
_PLATFORM_BACKENDS = {
    "tensorrt_plan": "tensorrt",
    "onnxruntime_onnx": "onnxruntime",
    "pytorch_libtorch": "pytorch",
    "tensorflow_savedmodel": "tensorflow",
    "tensorflow_graphdef": "tensorflow",
}


def complete_backend(config: ModelConfig, version_dir: Path) -> ModelConfig:
    """The configuration with its `backend`, from `platform` or from the name of the file."""
    if config.backend or config.is_ensemble:
        return config
    if config.platform:
        if config.platform not in _PLATFORM_BACKENDS:
            known = ", ".join(("ensemble", *_PLATFORM_BACKENDS))
            raise ConfigError(f"platform '{config.platform}' is not one of {known}")
        return config.with_changes(backend=_PLATFORM_BACKENDS[config.platform])
    for backend, candidates in _BACKEND_FILES.items():
        if config.default_model_filename.endswith(tuple(Path(f).suffix for f in candidates)) or any(
            (version_dir / file).exists() for file in candidates
        ):
            return config.with_changes(backend=backend)
    files = ", ".join(file for names in _BACKEND_FILES.values() for file in names)
    raise ConfigError(
        "Invalid model name: Could not determine backend for model"
        f" '{config.name}' with no backend in model configuration."
        f" Expected one of {files} in {version_dir}."
    )


def complete(config: ModelConfig, signature: Signature) -> ModelConfig:
    """The configuration with `max_batch_size`, `input`, `output` and `instance_group` filled in.

    Raises `ConfigError` where the configuration and the file contradict each other.
    """
    max_batch_size = config.max_batch_size
    if "max_batch_size" not in config.stated:
        max_batch_size = DEFAULT_MAX_BATCH_SIZE if _batch_fits(config, signature) else 0
    batched = max_batch_size > 0
    if batched and not signature.batchable:
        raise ConfigError(
            f"model '{config.name}' has max_batch_size {max_batch_size}, but the model file has no"
            " variable first dim for a batch; accepted: max_batch_size: 0"
        )
    sides = ("input", signature.inputs), ("output", signature.outputs)
    found = {side: [_without_batch(spec, batched) for spec in specs] for side, specs in sides}
    inputs = config.input or tuple(InputConfig(spec) for spec in found["input"])
    outputs = config.output or tuple(OutputConfig(spec) for spec in found["output"])
    _compare(config.name, "input", [i.spec for i in inputs], found["input"], whole=True)
    _compare(config.name, "output", [o.spec for o in outputs], found["output"], whole=False)
    return config.with_changes(
        max_batch_size=max_batch_size,
        input=inputs,
        output=outputs,
        instance_group=complete_groups(config),
    )


def complete_groups(config: ModelConfig) -> tuple[InstanceGroup, ...]:
    """The instance groups with their names and counts; one group where there is none.

    The default count on a CPU is Triton's: 2 for ONNX Runtime and TensorFlow, else 1.
    """
    groups = config.instance_group or (InstanceGroup(config.name, count=0),)
    default = 2 if config.backend in ("onnxruntime", "tensorflow") else 1
    return tuple(
        replace(
            group,
            name=group.name or f"{config.name}_{index}",
            count=group.count or (1 if group.kind in _NOT_CPU else default),
        )
        for index, group in enumerate(groups)
    )


def _batch_fits(config: ModelConfig, signature: Signature) -> bool:
    """Whether stated dims (if any) leave room for a batch dim before them."""
    if not signature.batchable:
        return False
    ranks = {spec.name: len(spec.dims) for spec in (*signature.inputs, *signature.outputs)}
    stated = [i.spec for i in config.input] + [o.spec for o in config.output]
    return all(len(spec.dims) + 1 == ranks.get(spec.name) for spec in stated)


def _without_batch(spec: TensorSpec, batched: bool) -> TensorSpec:
    return TensorSpec(spec.name, spec.datatype, spec.dims[1:]) if batched else spec


def _compare(
    model: str, side: str, stated: Sequence[TensorSpec], found: Sequence[TensorSpec], whole: bool
) -> None:
    """Refuse a configuration that the file contradicts, showing both."""
    by_name = {spec.name: spec for spec in found}
    wrong = [
        spec
        for spec in stated
        if spec.name not in by_name
        or spec.datatype != by_name[spec.name].datatype
        or not _compatible(spec.dims, by_name[spec.name].dims)
    ]
    missing = [spec for spec in found if whole and spec.name not in {s.name for s in stated}]
    if wrong or missing:
        raise ConfigError(
            f"model '{model}', {side}: the configuration says {_show(stated)},"
            f" the file has {_show(found)}"
        )


def _compatible(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    return len(a) == len(b) and all(x == y or -1 in (x, y) for x, y in zip(a, b, strict=True))


def _show(specs: Sequence[TensorSpec]) -> str:
    return ", ".join(f"'{s.name}' {s.datatype} {list(s.dims)}" for s in specs)
