# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Backend names to backends; a runtime is imported when the first model asks for it.

Five runtimes in one process cost 800 MB, so nothing is imported until it is named.  The cache
belongs to the registry, and the registry to whoever made it (`main`, a test): core is handed the
bound method `load_backend` and looks nothing up.

A name that is none of ours is a C or C++ backend's: whether there is a library of it is known when
a model is loaded, which may bring its own.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path

from triton_ros.backends.shared_library.backend import SharedLibraryBackend
from triton_ros.backends.shared_library.isolation import BackendSpec
from triton_ros.backends.shared_library.library_files import has_library
from triton_ros.core.backend import Backend
from triton_ros.core.backend_config import BackendSettings
from triton_ros.core.config.config_completion import DEFAULT_MAX_BATCH_SIZE
from triton_ros.core.errors import ConfigError

_BACKENDS = {
    "kserve": ("triton_ros.backends.kserve.backend", "KserveBackend"),
    "onnxruntime": ("triton_ros.backends.onnxruntime", "OnnxRuntimeBackend"),
    "openvino": ("triton_ros.backends.openvino", "OpenVinoBackend"),
    "pytorch": ("triton_ros.backends.pytorch", "PyTorchBackend"),
    "python": ("triton_ros.backends.python.backend", "PythonBackend"),
    "tensorflow": ("triton_ros.backends.tensorflow", "TensorFlowBackend"),
    "tensorrt": ("triton_ros.backends.tensorrt.backend", "TensorRtBackend"),
    "tflite": ("triton_ros.backends.tflite", "TfliteBackend"),
}


class BackendRegistry:
    """Makes each backend once.  Usable from many threads: backends hold no state of their own."""

    def __init__(
        self,
        settings: Mapping[str, BackendSettings] | None = None,
        backend_directory: Path | None = None,
        auto_complete: bool = True,
        default_max_batch_size: int = DEFAULT_MAX_BATCH_SIZE,
    ) -> None:
        """`settings` are those of each backend (see `core.backend_config`); `backend_directory`
        has libraries of C backends, and `auto_complete` lets models in code complete their
        configurations, with batches of `default_max_batch_size` where they say no other.

        Raises `ConfigError` for settings of a backend that does not exist.
        """
        self._settings = settings or {}
        self._directory = backend_directory
        self._auto_complete = auto_complete
        self._default_max_batch_size = default_max_batch_size
        self._made: dict[str, Backend] = {}
        for name in self._settings:
            if name not in _BACKENDS and not has_library(name, backend_directory):
                raise ConfigError(
                    f"backend_config: backend '{name}' does not exist; the backends are"
                    f" {', '.join(self.names)} and those in backend_directory"
                    f" ({backend_directory or 'not set'})"
                )

    @property
    def names(self) -> tuple[str, ...]:
        """The backends that exist without a library, installed or not."""
        return tuple(sorted(_BACKENDS))

    def load_backend(self, name: str) -> Backend:
        """The backend of that name, which for an unknown one looks for its library when it loads.

        Raises `UnsupportedError` when its runtime is not installed (the next call tries again).
        """
        made = self._made.get(name)
        if made is not None:
            return made
        settings = self._settings.get(name, {})
        backend: Backend
        if name in _BACKENDS:
            module, class_name = _BACKENDS[name]
            make = getattr(importlib.import_module(module), class_name)
            extra = {"auto_complete": self._auto_complete} if name == "python" else {}
            backend = make(settings, **extra)
        else:
            spec = BackendSpec(
                *(name, dict(settings), self._directory),
                *(self._auto_complete, self._default_max_batch_size),
            )
            backend = SharedLibraryBackend(spec, self.names)
        return self._made.setdefault(name, backend)
