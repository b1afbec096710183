# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The Python backend's port: ``model.py`` files, each instance in a process of its own.

At load, one process imports the file (and is asked to complete the configuration); the first
instance goes on in it.  With ``IN_PROCESS``, models run in the server's own interpreter.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from triton_ros.backends.config_signature import stated_signature
from triton_ros.backends.python.channel import Message
from triton_ros.backends.python.environment import Interpreter, interpreter
from triton_ros.backends.python.in_process import InProcessInstance, InProcessModule
from triton_ros.backends.python.settings import (
    WorkerSettings,
    model_settings,
    worker_settings,
)
from triton_ros.backends.python.worker_instance import WorkerInstance
from triton_ros.backends.python.worker_process import WorkerDied, WorkerProcess
from triton_ros.backends.support import model_file
from triton_ros.core.backend import Signature
from triton_ros.core.backend_config import EMPTY, BackendSettings
from triton_ros.core.config.config_completion import complete_groups, completed_by
from triton_ros.core.config.config_json import config_from_json, config_json
from triton_ros.core.config.model_config import InstanceGroup, InstanceKind, ModelConfig
from triton_ros.core.errors import (
    ConfigError,
    InternalError,
    InvalidArgumentError,
    UnsupportedError,
)
from triton_ros.core.telemetry.memory_usage import MemoryUsage

DEFAULT_FILE = "model.py"


class PythonBackend:
    """Loads ``model.py``.

    Parameters: ``EXECUTION_ENV_PATH``, ``IN_PROCESS``, ``EXECUTE_TIMEOUT_SECONDS`` and
    ``MEMORY_LIMIT_BYTES`` (see `settings`); any other is the model's own.
    """

    def __init__(self, settings: BackendSettings = EMPTY, *, auto_complete: bool = True) -> None:
        self._settings = worker_settings(settings)
        self._auto_complete = auto_complete

    def load(self, config: ModelConfig, version_dir: Path) -> PythonModel:
        """See `core.backend.Backend.load`."""
        path = model_file(config, version_dir, DEFAULT_FILE)
        model = PythonModel(config, path, self._settings)
        if self._auto_complete:
            try:
                model.complete()
            except BaseException:
                model.finalize()
                raise
        return model


class PythonModel:
    """One version."""

    def __init__(self, config: ModelConfig, path: Path, settings: WorkerSettings) -> None:
        self._path = path
        self._own = model_settings(config)
        self._settings = replace(settings, memory_limit=self._own.memory_limit)
        self._config = config
        self._interpreter = Interpreter()
        self._names = itertools.count()
        self._instances: list[WorkerInstance] = []
        self._first: WorkerProcess | None = None
        """The process that imported the file, until an instance takes it."""
        self._module: InProcessModule | None = None
        if self._own.in_process:
            self._module = InProcessModule(config.name, path)
        else:
            model_dir = path.parent.parent
            self._interpreter = interpreter(config.name, self._own.environment, model_dir)
            self._first = self._started(config.name, _nobody)

    @property
    def signature(self) -> Signature:
        return replace(stated_signature(self._config), completed=self._config)

    def complete(self) -> None:
        """Let the model's `auto_complete_config` fill in; raises `ConfigError`."""
        text = config_json(self._config)
        if self._module is not None:
            completed = self._module.complete(text)
        else:
            assert self._first is not None
            completed = self._said(self._first, "complete", config=text)["config"]
        if completed is not None:
            self._config = _completed(self._config, completed, self._path)

    def instance(self, group: InstanceGroup, device: int) -> WorkerInstance | InProcessInstance:
        """See `core.backend.BackendModel.instance`."""
        name = f"{group.name or self._config.name}_{next(self._names)}"
        arguments = self._arguments(name, group, device)
        if self._module is not None:
            return InProcessInstance(name, self._module, arguments, self._config.decoupled)

        def start(
            on_message: Callable[[Message], None], on_death: Callable[[WorkerProcess], None]
        ) -> WorkerProcess:
            worker, self._first = self._first, None
            if worker is None or not worker.adopt(name, on_message, on_death):
                worker = self._started(name, on_message, on_death)
            decoupled = self._config.decoupled
            self._said(worker, "initialize", arguments=arguments, decoupled=decoupled)
            return worker

        instance = WorkerInstance(
            self._config.name,
            name,
            start,
            decoupled=self._config.decoupled,
            execute_timeout=self._own.execute_timeout,
        )
        self._instances.append(instance)
        return instance

    def finalize(self) -> None:
        """See `core.backend.BackendModel.finalize`."""
        if self._first is not None:
            self._first.close()
            self._first = None
        if self._module is not None:
            self._module.close()
        self._instances.clear()

    # what core asks besides -----------------------------------------------------------------------

    @property
    def problem(self) -> str:
        """See `core.backend.ReportsProblem`: the first instance's, if none can execute."""
        problems = [instance.problem for instance in self._instances]
        return problems[0] if problems and all(problems) else ""

    @property
    def counters(self) -> Mapping[str, int]:
        """See `core.backend.ReportsCounters`."""
        if self._module is not None:
            return {}
        return {"restarts": sum(instance.restarts for instance in self._instances)}

    @property
    def memory_usage(self) -> Sequence[MemoryUsage]:
        """See `core.telemetry.memory_usage.ReportsMemory`: that of the processes."""
        if self._module is not None:
            return ()
        size = sum(instance.resident_bytes() for instance in self._instances)
        return (MemoryUsage("CPU", 0, size),)

    # processes ------------------------------------------------------------------------------------

    def _started(
        self,
        name: str,
        on_message: Callable[[Message], None],
        on_death: Callable[[WorkerProcess], None] = lambda worker: None,
    ) -> WorkerProcess:
        """A process that has imported the file."""
        worker = WorkerProcess(name, self._interpreter, self._settings, on_message, on_death)
        folders = [str(self._path.parent), str(self._path.parent.parent)]
        self._said(worker, "load", path=str(self._path), folders=folders)
        return worker

    def _said(self, worker: WorkerProcess, op: str, **fields: Any) -> Message:
        """A step; a process that fails at it is ended.  Raises `TritonError`."""
        try:
            return worker.step(op, **fields)
        except InvalidArgumentError as error:
            worker.close()
            raise InvalidArgumentError(f"model '{self._config.name}': {error}") from error
        except WorkerDied as error:
            worker.close()
            raise InternalError(
                f"model '{self._config.name}': {self._path} at '{op}': {error}"
                " (what it printed is in the log)"
            ) from error

    def _arguments(self, name: str, group: InstanceGroup, device: int) -> dict[str, str]:
        """What `initialize` gets: all of it text, as in Triton."""
        gpu = group.kind is InstanceKind.KIND_GPU
        groups = [
            replace(g, kind=group.kind) if g.kind is InstanceKind.KIND_AUTO else g
            for g in complete_groups(self._config)
        ]
        shown = self._config.with_changes(instance_group=tuple(groups))
        return {
            "model_config": config_json(shown),
            "model_instance_kind": "GPU" if gpu else "CPU",
            "model_instance_name": name,
            "model_instance_device_id": str(device),
            "model_repository": str(self._path.parent.parent),
            "model_version": self._path.parent.name,
            "model_name": self._config.name,
        }


def _nobody(message: Message) -> None:
    """Before there is an instance, a model only logs; nobody is waiting."""


def _completed(config: ModelConfig, text: str, path: Path) -> ModelConfig:
    """The configuration that `auto_complete_config` made of it; raises `ConfigError`."""
    try:
        return completed_by(config, config_from_json(text, config.name))
    except (ConfigError, UnsupportedError) as error:
        raise ConfigError(f"{path}: auto_complete_config: {error}") from error
