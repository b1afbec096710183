# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a configuration says to the Python backend: parameters of a model, settings of them all."""

from __future__ import annotations

from dataclasses import dataclass

from triton_ros.backends.support import check_settings
from triton_ros.core.backend_config import BackendSettings
from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.errors import ConfigError

ENVIRONMENT = "EXECUTION_ENV_PATH"
IN_PROCESS = "IN_PROCESS"
TIMEOUT = "EXECUTE_TIMEOUT_SECONDS"
MEMORY_LIMIT = "MEMORY_LIMIT_BYTES"
CPU_TENSORS = "FORCE_CPU_ONLY_INPUT_TENSORS"

_SIZE, _GROWTH, _STUB = "shm-default-byte-size", "shm-growth-byte-size", "stub-timeout-seconds"
_PAGE = 4096


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """Of the backend: Triton's names, and its defaults."""

    size: int = 1 << 20
    """Bytes of shared memory that each direction begins with."""
    growth: int = 1 << 20
    timeout: float = 30.0
    """Seconds that a step of a model's life may take, other than `execute`."""
    memory_limit: int | None = None
    """Bytes of private memory that the process may have; None for as much as there is."""


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """Of one model."""

    in_process: bool = False
    execute_timeout: float | None = None
    """Seconds; None for as long as it takes."""
    environment: str = ""
    memory_limit: int | None = None
    """See `WorkerSettings`."""


def worker_settings(settings: BackendSettings) -> WorkerSettings:
    """Raises `ConfigError`."""
    check_settings("python", settings, (_SIZE, _GROWTH, _STUB))
    values = {}
    for key in (_SIZE, _GROWTH, _STUB):
        least = 1 if key == _STUB else _PAGE
        text = settings.get(key, "")
        if key in settings and not (text.isdigit() and int(text) >= least):
            raise ConfigError(
                f"backend_config: 'python,{key}' must be an integer of {least} or more,"
                f" got '{text}'"
            )
        values[key] = int(text) if text else 0
    default = WorkerSettings()
    return WorkerSettings(
        values[_SIZE] or default.size,
        values[_GROWTH] or default.growth,
        values[_STUB] or default.timeout,
    )


def model_settings(config: ModelConfig) -> ModelSettings:
    """Raises `ConfigError`; a model may have further parameters, of its own."""
    in_process = _switch(config, IN_PROCESS, "true", "false")
    _switch(config, CPU_TENSORS, "yes", "no")  # there are no others here
    environment = config.parameters.get(ENVIRONMENT, "")
    if environment and in_process:
        raise ConfigError(
            f"model '{config.name}': parameters['{ENVIRONMENT}'] needs a process of its own,"
            f" and {IN_PROCESS} is true"
        )
    if in_process and TIMEOUT in config.parameters:
        raise ConfigError(
            f"model '{config.name}': parameters['{TIMEOUT}'] needs a process of its own (nobody can"
            f" stop a thread), and {IN_PROCESS} is true"
        )
    if in_process and MEMORY_LIMIT in config.parameters:
        raise ConfigError(
            f"model '{config.name}': parameters['{MEMORY_LIMIT}'] needs a process of its own"
            f" (memory is a process'), and {IN_PROCESS} is true"
        )
    return ModelSettings(in_process, execute_timeout(config), environment, memory_limit(config))


def execute_timeout(config: ModelConfig) -> float | None:
    """Seconds that an execution in a process may take; raises `ConfigError`."""
    text = config.parameters.get(TIMEOUT)
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e6:
        raise ConfigError(
            f"model '{config.name}': parameters['{TIMEOUT}'] must be seconds, more than 0,"
            f" got '{text}'"
        )
    return seconds


def memory_limit(config: ModelConfig) -> int | None:
    """Bytes of private memory that a process may have; raises `ConfigError`."""
    text = config.parameters.get(MEMORY_LIMIT)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 1 << 62):
        raise ConfigError(
            f"model '{config.name}': parameters['{MEMORY_LIMIT}'] must be bytes, more than 0,"
            f" got '{text}'"
        )
    return int(text)


def _switch(config: ModelConfig, name: str, on: str, off: str) -> bool:
    value = config.parameters.get(name, off)
    if value.lower() not in (on, off):
        raise ConfigError(
            f"model '{config.name}': parameters['{name}'] must be {on} or {off}, got '{value}'"
        )
    return value.lower() == on
