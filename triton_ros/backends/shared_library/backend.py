# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Core's port on a Triton backend's shared library.

One `SharedLibraryBackend` stands for a name; libraries are opened when a model needs them, each
content once, and stay until the process ends, as with Triton.  A model's tensors are what its
configuration says, completed by the backend where it does that (`TRITONBACKEND_ModelSetConfig`).

The library runs in this process, where a crash of it is the node's, or in one of its own
(`isolation`).
"""

from __future__ import annotations

import atexit
import ctypes as c
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from triton_ros.backends.config_signature import stated_signature
from triton_ros.backends.shared_library.host import Host, host
from triton_ros.backends.shared_library.instance import NativeInstance
from triton_ros.backends.shared_library.isolation import BackendSpec, IsolatedModel, isolated
from triton_ros.backends.shared_library.library_files import (
    LibraryFile,
    find_library,
    private_copy,
    search_path,
)
from triton_ros.core.backend import Signature
from triton_ros.core.config.config_completion import complete_groups, completed_by
from triton_ros.core.config.config_json import config_from_json, config_json
from triton_ros.core.config.config_lines import PlacedError
from triton_ros.core.config.model_config import InstanceGroup, InstanceKind, ModelConfig
from triton_ros.core.errors import InternalError, TritonError, UnsupportedError
from triton_ros.core.telemetry.memory_usage import MemoryUsage

_KINDS = (
    InstanceKind.KIND_AUTO,
    InstanceKind.KIND_CPU,
    InstanceKind.KIND_GPU,
    InstanceKind.KIND_MODEL,
)
"""By `TRITONSERVER_InstanceGroupKind`."""
_BATCH_STRATEGY = "TRITON_BATCH_STRATEGY_PATH"


class SharedLibraryBackend:
    """Loads models whose backend is ``libtriton_<name>.so``.

    `others` are the names of the backends that exist without a library, for the message when there
    is none.
    """

    def __init__(self, spec: BackendSpec, others: Sequence[str] = ()) -> None:
        self._spec = spec
        self._others = others
        self._lock = threading.Lock()
        self._opened: dict[tuple[Path, str], int] = {}

    def load(self, config: ModelConfig, version_dir: Path) -> NativeModel | IsolatedModel:
        """See `core.backend.Backend.load`."""
        if _BATCH_STRATEGY in config.parameters:
            raise UnsupportedError(
                f"model '{config.name}': parameters['{_BATCH_STRATEGY}'] is not supported: custom"
                " batching in C is not offered here; dynamic_batching is"
            )
        library = find_library(self._spec.name, version_dir, self._spec.directory)
        if library is None:
            raise self._unknown(config, version_dir)
        if isolated(config):
            return IsolatedModel(config, version_dir, self._spec)
        return self._loaded(config, version_dir, library)

    def load_here(self, config: ModelConfig, version_dir: Path) -> NativeModel:
        """In this process, whatever the configuration says."""
        library = find_library(self._spec.name, version_dir, self._spec.directory)
        if library is None:
            raise self._unknown(config, version_dir)
        return self._loaded(config, version_dir, library)

    def _loaded(self, config: ModelConfig, version_dir: Path, library: LibraryFile) -> NativeModel:
        found = host()
        found.refresh_log_levels()
        return NativeModel(
            found, self._open(found, library), config, version_dir, self._spec.auto_complete
        )

    def _unknown(self, config: ModelConfig, version_dir: Path) -> PlacedError:
        looked = ", ".join(
            map(str, search_path(self._spec.name, version_dir, self._spec.directory))
        )
        hint = "" if self._spec.directory else "; no backend_directory is set"
        return PlacedError(
            f"model '{config.name}': backend '{self._spec.name}' does not exist; the backends are"
            f" {', '.join(self._others)}, and no library of its name was found ({looked}){hint}",
            "backend",
        )

    def _open(self, found: Host, library: LibraryFile) -> int:
        key = library.path, library.digest
        with self._lock:
            if key not in self._opened:
                self._opened[key] = self._initialize(found, library)
            return self._opened[key]

    def _initialize(self, found: Host, library: LibraryFile) -> int:
        backend = c.c_void_p()
        with private_copy(library) as copy:
            error = found.library.tr_backend_open(
                c.byref(backend),
                self._spec.name.encode(),
                str(copy).encode(),
                str(library.path.parent).encode(),
                self._cmdline().encode(),
            )
        found.check(error, str(library.path))
        assert backend.value is not None
        atexit.register(_finalize, found, backend.value)
        return backend.value

    def _cmdline(self) -> str:
        """What a backend is told of the server, with its own settings among it."""
        words = {
            "auto-complete-config": str(self._spec.auto_complete).lower(),
            "backend-directory": str(self._spec.directory or ""),
            "default-max-batch-size": str(self._spec.default_max_batch_size),
            "min-compute-capability": "0.0",
            **self._spec.settings,
        }
        return json.dumps({"cmdline": words})


def _finalize(found: Host, backend: int) -> None:
    """At the process's end; with models still loaded, their threads may still use it."""
    if not found.living["models"]:
        found.library.TRITONSERVER_ErrorDelete(found.library.tr_backend_finalize(backend))


class NativeModel:
    """One version."""

    def __init__(
        self,
        found: Host,
        backend: int,
        config: ModelConfig,
        version_dir: Path,
        auto_complete: bool,
    ) -> None:
        self._host = found
        self._backend = backend
        self._name = config.name
        self._lock = threading.Lock()
        self._instances: list[NativeInstance] = []
        self._made = 0
        self._turns: dict[tuple[InstanceKind, int], threading.Lock] = {}
        self._handle = self._initialize(config, version_dir, auto_complete)
        try:
            self._config = self._completed(config, auto_complete)
            stated = stated_signature(self._config)
        except TritonError:
            self.finalize()
            raise
        self._signature = replace(stated, completed=self._config)
        for output in self._config.output:
            found.library.tr_model_add_output(self._handle, output.spec.name.encode())

    def _initialize(self, config: ModelConfig, version_dir: Path, auto_complete: bool) -> int:
        model = c.c_void_p()
        shown = config.with_changes(instance_group=complete_groups(config))
        error = self._host.library.tr_model_open(
            *(c.byref(model), self._backend, config.name.encode()),
            *(str(version_dir.parent).encode(), int(version_dir.name)),
            *(config_json(shown).encode(), auto_complete),
        )
        self._host.check(error, f"model '{config.name}'")
        assert model.value is not None
        return model.value

    def _completed(self, config: ModelConfig, auto_complete: bool) -> ModelConfig:
        if not config.instance_group:
            config = config.with_changes(instance_group=self._preferred_groups(config.name))
        text = self._host.library.tr_model_set_config(self._handle)
        if text is None or not auto_complete:
            return config
        return completed_by(config, config_from_json(text.decode(), config.name))

    def _preferred_groups(self, name: str) -> tuple[InstanceGroup, ...]:
        """What the library prefers where a configuration says nothing."""
        found: list[InstanceGroup] = []
        while text := self._host.library.tr_backend_preferred_group(self._backend, len(found)):
            kind, count, *devices = map(int, text.split())
            found.append(
                InstanceGroup(f"{name}_{len(found)}", _KINDS[kind], max(count, 1), tuple(devices))
            )
        return tuple(found)

    @property
    def signature(self) -> Signature:
        return self._signature

    @property
    def config(self) -> ModelConfig:
        return self._config

    @property
    def memory_usage(self) -> Sequence[MemoryUsage]:
        """What the backend reports; see `core.telemetry.memory_usage.ReportsMemory`."""
        found: list[MemoryUsage] = []
        size = c.c_int64()
        while place := self._host.library.tr_model_memory(self._handle, len(found), c.byref(size)):
            kind, _, number = place.decode().partition(" ")
            found.append(MemoryUsage("GPU" if kind == "GPU" else "CPU", int(number), size.value))
        return found

    @property
    def problem(self) -> str:
        """What the first instance says that is not ready; see `core.backend.ReportsProblem`."""
        with self._lock:
            return next((said for each in self._instances if (said := each.problem)), "")

    @property
    def counters(self) -> Mapping[str, int]:
        """What the backend reports as its statistics; see `core.backend.ReportsCounters`."""
        with self._lock:
            said = [each.statistics for each in self._instances]
        return {key: sum(each[key] for each in said) for key in (said[0] if said else ())}

    def instance(self, group: InstanceGroup, device: int) -> NativeInstance:
        """See `core.backend.BackendModel.instance`."""
        with self._lock:
            name = f"{group.name or self._name}_{self._made}"
            self._made += 1
        return self.named_instance(name, group, device)

    def named_instance(self, name: str, group: InstanceGroup, device: int) -> NativeInstance:
        """An instance of that name."""
        if not self._handle:
            raise InternalError(f"model '{self._name}' was released")
        kind = InstanceKind.KIND_CPU if group.kind is InstanceKind.KIND_AUTO else group.kind
        policy = json.dumps({group.host_policy or f"{kind.value[5:].lower()}_{device}": {}})
        library = self._host.library
        handle = library.tr_instance_new(
            self._handle, name.encode(), _KINDS.index(kind), device, group.passive, policy.encode()
        )
        for profile in group.profile:
            library.tr_instance_add_profile(handle, profile.encode())
        for secondary in group.secondary_devices:
            library.tr_instance_add_device(handle, secondary.kind.encode(), secondary.device_id)
        self._host.check(library.tr_instance_open(handle), f"model '{self._name}', {name}")
        turn = self._turn(kind, device)
        made = NativeInstance(self._host, handle, self._handle, self._config, turn, self._gone)
        with self._lock:
            self._instances.append(made)
        return made

    def _turn(self, kind: InstanceKind, device: int) -> threading.Lock | None:
        """Who holds it executes, where a backend wants one instance at a time on a device."""
        blocking = self._host.library.tr_backend_device_blocking(self._backend)
        if not blocking or self._config.sequence_batching:
            return None
        with self._lock:
            return self._turns.setdefault((kind, device), threading.Lock())

    def _gone(self, instance: NativeInstance) -> None:
        with self._lock:
            self._instances.remove(instance)

    def finalize(self) -> None:
        """See `core.backend.BackendModel.finalize`."""
        handle, self._handle = self._handle, 0
        if handle:
            self._host.called.forget(handle)
            self._host.check(self._host.library.tr_model_close(handle), f"model '{self._name}'")
