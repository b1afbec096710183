# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How a server behaves, with the names (and, but for the control mode, the defaults) of Triton's
command line.  Checked at construction.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from triton_ros.core.errors import ConfigError

_COUNTS = {
    "default_max_batch_size": 0,
    "model_load_thread_count": 1,
    "model_load_retry_count": 0,
    "cpu_thread_budget": 0,
    "cache_byte_size": 0,
}
_SECONDS = {"repository_poll_secs": 0.01, "poll_quiet_secs": 0.0, "exit_timeout_secs": 0.0}
"""The options that are numbers, and the least that each may be."""

_LONGEST_SECS = 1e9
"""About 30 years."""


class ModelControlMode(Enum):
    """Who decides what is loaded."""

    NONE = "none"
    """Everything in the repository, once, at start."""
    POLL = "poll"
    """Everything in the repository, and what changes in it."""
    EXPLICIT = "explicit"
    """What is asked for."""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Options of an `InferenceServer`."""

    model_control_mode: ModelControlMode = ModelControlMode.EXPLICIT
    load_model: tuple[str, ...] = ()
    """Models to load at start in explicit mode; ``*`` alone for all."""
    repository_poll_secs: float = 15.0
    poll_quiet_secs: float = 1.0
    """Ours: a model that still changes is not loaded until it was quiet for so long."""
    model_config_name: str = ""
    """Read ``configs/<name>.pbtxt`` instead of ``config.pbtxt`` where a model has it."""
    disable_auto_complete_config: bool = False
    default_max_batch_size: int = 4
    """For models that can batch and do not say how much."""
    add_dynamic_batching: bool = False
    """Ours: switch `dynamic_batching` on for these models, as Triton does without being asked."""
    model_load_thread_count: int = 4
    model_load_retry_count: int = 0
    last_good_file: Path | None = None
    """Ours: remembers the versions that loaded; at start, one of them serves where newer ones do
    not load.  None to do as Triton does: the model is then not served."""
    rate_limit: bool = False
    """Triton's ``--rate-limit=execution_count``."""
    rate_limit_resource: tuple[str, ...] = ()
    """``<name>:<count>`` or ``<name>:<count>:<device>``."""
    cpu_thread_budget: int = 0
    """Ours: threads that may execute on the CPU at once, of all models together; 0 for any number.
    Instances then take turns (and no request runs in its caller's thread)."""
    host_policy: tuple[str, ...] = ()
    """``<name>,cpu-cores=0-3`` or ``<name>,numa-node=0``."""
    backend_config: tuple[str, ...] = ()
    """``<backend>,<setting>=<value>``."""
    backend_directory: Path | None = None
    """Has ``<name>/libtriton_<name>.so`` of backends in C or C++; None for none."""
    cache_byte_size: int = 0
    """Of the response cache; 0 for none."""
    exit_timeout_secs: float = 30.0

    def __post_init__(self) -> None:
        _check_type("model_control_mode", self.model_control_mode, ModelControlMode)
        for name in ("load_model", "rate_limit_resource", "host_policy", "backend_config"):
            _check_type(name, getattr(self, name), tuple)
        for name in ("last_good_file", "backend_directory"):
            if getattr(self, name) is not None:
                _check_type(name, getattr(self, name), Path)
        for name, least in _COUNTS.items():
            value = getattr(self, name)
            _check_type(name, value, int)
            if value < least:
                raise ConfigError(f"{name} must be {least} or more, got {value}")
        for name, least_secs in _SECONDS.items():
            value = getattr(self, name)
            _check_type(name, value, (int, float))
            if not value >= least_secs:  # also for NaN
                raise ConfigError(f"{name} must be {least_secs} or more, got {value}")
            if value > _LONGEST_SECS:  # the operating system cannot wait for so long
                raise ConfigError(f"{name} must be {_LONGEST_SECS:.0f} or less, got {value}")
        name = self.model_config_name
        if " " in name or "/" in name:
            raise ConfigError(f"model_config_name '{name}' must not contain a space or a '/'")
        if not name.isprintable():
            raise ConfigError(f"model_config_name {name!r} must be printable")
        if self.load_model and self.model_control_mode is not ModelControlMode.EXPLICIT:
            raise ConfigError("load_model is for model_control_mode explicit")
        if "*" in self.load_model and len(self.load_model) > 1:
            raise ConfigError("load_model: '*' must be the only model")


def _check_type(name: str, value: object, kind: type | tuple[type, ...]) -> None:
    if not isinstance(value, kind) or isinstance(value, bool):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        accepted = " or ".join(each.__name__ for each in kinds)
        raise ConfigError(f"{name} must be of type {accepted}, got {value!r}")
