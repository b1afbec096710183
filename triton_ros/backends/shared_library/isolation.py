# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A C backend's model whose instances each have a process of their own.

``parameters { key: "PROCESS_ISOLATION" value: { string_value: "true" } }``: a crash of the library
then fails the requests that it executes, and the process is started again (see
`python.worker_instance`, whose processes these are).  It costs a copy of every tensor into shared
memory, and the model's memory once for each instance.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from triton_ros.backends.config_signature import stated_signature
from triton_ros.backends.python.channel import Message
from triton_ros.backends.python.environment import Interpreter
from triton_ros.backends.python.settings import (
    MEMORY_LIMIT,
    TIMEOUT,
    WorkerSettings,
    execute_timeout,
    memory_limit,
)
from triton_ros.backends.python.worker_instance import WorkerInstance
from triton_ros.backends.python.worker_process import WorkerDied, WorkerProcess
from triton_ros.backends.support import choice_parameter
from triton_ros.core.backend import Signature
from triton_ros.core.config.config_completion import DEFAULT_MAX_BATCH_SIZE, completed_by
from triton_ros.core.config.config_json import config_from_json, config_json
from triton_ros.core.config.model_config import InstanceGroup, ModelConfig
from triton_ros.core.errors import ConfigError, InternalError, InvalidArgumentError
from triton_ros.core.telemetry.memory_usage import MemoryUsage

PARAMETER = "PROCESS_ISOLATION"
_WORKER = "triton_ros.backends.shared_library.worker"
_SETTINGS = WorkerSettings(timeout=300.0)
"""A library may load much; a step that takes longer is hung."""


@dataclass(frozen=True, slots=True)
class BackendSpec:
    """What makes a backend, here or in another process."""

    name: str
    settings: dict[str, str]
    directory: Path | None = None
    auto_complete: bool = True
    default_max_batch_size: int = DEFAULT_MAX_BATCH_SIZE


def isolated(config: ModelConfig) -> bool:
    """Whether its instances have processes of their own; raises `ConfigError`."""
    wanted = choice_parameter(config, PARAMETER, "false", ("true", "false")) == "true"
    needs = {TIMEOUT: "nobody can stop a thread", MEMORY_LIMIT: "memory is a process'"}
    for name, why in needs.items():
        if not wanted and name in config.parameters:
            raise ConfigError(
                f"model '{config.name}': parameters['{name}'] needs a process of its own ({why}):"
                f" {PARAMETER} must be true"
            )
    return wanted


class IsolatedModel:
    """One version."""

    def __init__(self, config: ModelConfig, version_dir: Path, spec: BackendSpec) -> None:
        self._version_dir = version_dir
        self._spec = spec
        self._name = config.name
        self._timeout = execute_timeout(config)
        self._settings = replace(_SETTINGS, memory_limit=memory_limit(config))
        self._told = config_json(config)
        self._numbers = itertools.count()
        self._instances: list[WorkerInstance] = []
        self._first: WorkerProcess | None = None
        """The process that loaded the model, until an instance takes it."""
        self._first, text = self._started(config.name, lambda message: None)
        said = config_from_json(text, config.name)
        self._config = completed_by(config, said).with_changes(
            instance_group=config.instance_group or said.instance_group
        )

    @property
    def signature(self) -> Signature:
        return replace(stated_signature(self._config), completed=self._config)

    @property
    def problem(self) -> str:
        """See `core.backend.ReportsProblem`: the first instance's, if none can execute."""
        problems = [instance.problem for instance in self._instances]
        return problems[0] if problems and all(problems) else ""

    @property
    def counters(self) -> Mapping[str, int]:
        """See `core.backend.ReportsCounters`."""
        return {"restarts": sum(instance.restarts for instance in self._instances)}

    @property
    def memory_usage(self) -> Sequence[MemoryUsage]:
        """See `core.telemetry.memory_usage.ReportsMemory`: that of the processes."""
        size = sum(instance.resident_bytes() for instance in self._instances)
        return (MemoryUsage("CPU", 0, size),)

    def instance(self, group: InstanceGroup, device: int) -> WorkerInstance:
        """See `core.backend.BackendModel.instance`."""
        name = f"{group.name or self._name}_{next(self._numbers)}"

        def start(
            on_message: Callable[[Message], None], on_death: Callable[[WorkerProcess], None]
        ) -> WorkerProcess:
            worker, self._first = self._first, None
            if worker is None or not worker.adopt(name, on_message, on_death):
                worker, _ = self._started(name, on_message, on_death)
            self._said(worker, "initialize", name=name, group=_as_json(group), device=device)
            return worker

        made = WorkerInstance(
            self._name,
            name,
            start,
            decoupled=self._config.decoupled,
            execute_timeout=self._timeout,
        )
        self._instances.append(made)
        return made

    def finalize(self) -> None:
        """See `core.backend.BackendModel.finalize`."""
        if self._first is not None:
            self._first.close()
            self._first = None
        self._instances.clear()

    def _started(
        self,
        name: str,
        on_message: Callable[[Message], None],
        on_death: Callable[[WorkerProcess], None] = lambda worker: None,
    ) -> tuple[WorkerProcess, str]:
        """A process that has the model loaded, and the configuration as it completed it."""
        worker = WorkerProcess(name, Interpreter(), self._settings, on_message, on_death, _WORKER)
        spec = {**asdict(self._spec), "directory": str(self._spec.directory or "")}
        place = {"version_dir": str(self._version_dir), "model": self._name}
        said = self._said(worker, "load", spec=spec, config=self._told, **place)
        return worker, said["config"]

    def _said(self, worker: WorkerProcess, op: str, **fields: Any) -> Message:
        """A step; a process that fails at it is ended.  Raises `TritonError`."""
        try:
            return worker.step(op, **fields)
        except InvalidArgumentError:
            worker.close()
            raise
        except WorkerDied as error:
            worker.close()
            raise InternalError(
                f"model '{self._name}' at '{op}': {error} (what it printed is in the log)"
            ) from error


def _as_json(group: InstanceGroup) -> dict[str, Any]:
    return {
        "name": group.name,
        "kind": group.kind.value,
        "passive": group.passive,
        "host_policy": group.host_policy,
        "profile": list(group.profile),
        "secondary_devices": [asdict(device) for device in group.secondary_devices],
    }
