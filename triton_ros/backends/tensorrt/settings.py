# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The settings of the whole backend, with Triton's names where Triton has them."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triton_ros.backends.support import check_settings
from triton_ros.backends.tensorrt.plan_cache import default_directory
from triton_ros.core.backend_config import BackendSettings
from triton_ros.core.errors import ConfigError

CACHE = "plan-cache-directory"
PLUGINS = "plugins"
COMPATIBLE = "version-compatible"
DRIVER = "cuda-driver"
DRIVERS = ("pycuda", "cuda-python")
_FLAGS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Settings:
    """What `backend_config` says of backend tensorrt."""

    cache: Path
    plugins: tuple[Path, ...] = ()
    """Libraries with layers that TensorRT has not."""
    driver: str = DRIVERS[0]
    version_compatible: bool = False
    """Whether plans may bring the part of TensorRT that executes them: code of theirs."""


def read_settings(given: BackendSettings) -> Settings:
    """Raises `ConfigError`."""
    check_settings("tensorrt", given, (CACHE, DRIVER, PLUGINS, COMPATIBLE))
    compatible = given.get(COMPATIBLE, "false")
    if compatible not in _FLAGS:
        raise ConfigError(
            f"backend_config: 'tensorrt,{COMPATIBLE}' must be true or false, got '{compatible}'"
        )
    plugins = tuple(Path(name) for name in given.get(PLUGINS, "").split(";") if name)
    for path in plugins:
        if not (path.is_absolute() and path.is_file()):
            raise ConfigError(
                f"backend_config: 'tensorrt,{PLUGINS}': '{path}' must be the absolute path of a"
                " library (several with ';' between them)"
            )
    cache = Path(given[CACHE]) if given.get(CACHE) else default_directory()
    driver = given.get(DRIVER, DRIVERS[0])
    if driver not in DRIVERS:
        raise ConfigError(
            f"backend_config: 'tensorrt,{DRIVER}' must be one of {', '.join(DRIVERS)}, got"
            f" '{driver}'"
        )
    return Settings(cache, plugins, driver, _FLAGS[compatible])


def load_plugins(trt: Any, logger: Any, settings: Settings) -> None:
    """TensorRT's own, which most detectors use, and the libraries'; raises `ConfigError`."""
    if hasattr(trt, "init_libnvinfer_plugins"):  # the lean runtime has none
        trt.init_libnvinfer_plugins(logger, "")
    for path in settings.plugins:
        try:
            ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)  # registers itself
        except OSError as error:
            raise ConfigError(
                f"backend_config: 'tensorrt,{PLUGINS}': {path} cannot be loaded: {error}"
            ) from error
