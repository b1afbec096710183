# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which backend a model is for: from its configuration, its file's name or its own name."""

from __future__ import annotations

from pathlib import Path

from triton_ros.core.config.config_lines import PlacedError
from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.errors import ConfigError

_BACKEND_FILES = {
    "tensorrt": ("model.plan",),
    "onnxruntime": ("model.onnx",),
    "openvino": ("model.xml",),
    "pytorch": ("model.pt", "model.pt2"),
    "tensorflow": ("model.savedmodel", "model.graphdef"),
    "tflite": ("model.tflite",),
    "python": ("model.py",),
}
_FILE_PLATFORMS = {
    "model.plan": "tensorrt_plan",
    "model.onnx": "onnxruntime_onnx",
    "model.pt": "pytorch_libtorch",
    "model.pt2": "torch_aoti",
    "model.savedmodel": "tensorflow_savedmodel",
    "model.graphdef": "tensorflow_graphdef",
}
_PLATFORM_FILES = {platform: file for file, platform in _FILE_PLATFORMS.items()}
_PLATFORM_FILES["libtorch"] = "model.pt"
_BACKEND_OF = {file: backend for backend, files in _BACKEND_FILES.items() for file in files}


def complete_backend(config: ModelConfig, version_dir: Path) -> ModelConfig:
    """The configuration with `backend`, `platform` and `default_model_filename` filled in.

    They come from each other, else from the files in `version_dir`, else from a model's name of
    the form ``model.<backend>``.  Raises `ConfigError`.
    """
    if config.is_ensemble:
        return config
    if config.platform and config.platform not in _PLATFORM_FILES and not config.backend:
        raise PlacedError(
            f"unexpected platform type '{config.platform}' for {config.name}; accepted: "
            + ", ".join(("ensemble", *_PLATFORM_FILES)),
            "platform",
        )
    by_platform = _BACKEND_OF.get(_PLATFORM_FILES.get(config.platform, ""), "")
    if config.backend in set(_BACKEND_OF.values()):
        if config.platform and by_platform != config.backend:
            raise PlacedError(
                "unexpected 'platform' and 'backend' pair, got:"
                f"{config.platform}, {config.backend}",
                "platform",
            )
    elif config.backend:
        return config
    backend = config.backend or by_platform or _backend_by_file(config, version_dir)
    if not backend:
        return _named_backend(config, version_dir)
    named = _PLATFORM_FILES.get(config.platform)
    candidates = (named,) if named else _BACKEND_FILES[backend]
    default = next((f for f in candidates if (version_dir / f).exists()), candidates[0])
    file = config.default_model_filename or default
    return config.with_changes(
        backend=backend,
        default_model_filename=file,
        platform=config.platform or _FILE_PLATFORMS.get(file, _FILE_PLATFORMS.get(default, "")),
    )


def _backend_by_file(config: ModelConfig, version_dir: Path) -> str:
    named = config.default_model_filename
    for backend, candidates in _BACKEND_FILES.items():
        if named:
            if named.endswith(tuple(Path(file).suffix for file in candidates)):
                return backend
        elif any((version_dir / file).exists() for file in candidates):
            return backend
    return ""


def _named_backend(config: ModelConfig, version_dir: Path) -> ModelConfig:
    _, dot, backend = config.name.partition(".")
    if not dot or not backend or config.default_model_filename:
        raise ConfigError(
            "Invalid model name: Could not determine backend for model"
            f" '{config.name}' with no backend in model configuration."
            " Expected model name of the form 'model.<backend_name>',"
            f" or one of {', '.join(_BACKEND_OF)} in {version_dir}."
        )
    return config.with_changes(backend=backend, default_model_filename=f"model.{backend}")
