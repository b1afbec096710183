# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Backend names to backends; a runtime is imported when the first model asks for it.

Five runtimes in one process cost 800 MB, so nothing is imported until it is named.  The cache
belongs to the registry, and the registry to whoever made it (`main`, a test): core is handed the
bound method `load_backend` and looks nothing up.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from triton_ros.core.backend import Backend
from triton_ros.core.backend_config import BackendSettings
from triton_ros.core.errors import ConfigError, InvalidArgumentError

_BACKENDS = {
    "onnxruntime": ("triton_ros.backends.onnxruntime", "OnnxRuntimeBackend"),
    "openvino": ("triton_ros.backends.openvino", "OpenVinoBackend"),
    "pytorch": ("triton_ros.backends.pytorch", "PyTorchBackend"),
    "tflite": ("triton_ros.backends.tflite", "TfliteBackend"),
}


class BackendRegistry:
    """Makes each backend once.  Usable from many threads: backends hold no state of their own."""

    def __init__(self, settings: Mapping[str, BackendSettings] | None = None) -> None:
        """`settings` are those of each backend (see `core.backend_config`).

        Raises `ConfigError` for a backend that does not exist.
        """
        self._settings = settings or {}
        self._made: dict[str, Backend] = {}
        for name in self._settings:
            if name not in _BACKENDS:
                raise ConfigError(
                    f"backend_config: backend '{name}' does not exist; the backends are"
                    f" {', '.join(self.names)}"
                )

    @property
    def names(self) -> tuple[str, ...]:
        """The backends that exist, installed or not."""
        return tuple(sorted(_BACKENDS))

    def load_backend(self, name: str) -> Backend:
        """The backend of that name.

        Raises `InvalidArgumentError` for an unknown name and `UnsupportedError` when its runtime
        is not installed (the next call tries again).
        """
        made = self._made.get(name)
        if made is not None:
            return made
        try:
            module, class_name = _BACKENDS[name]
        except KeyError:
            raise InvalidArgumentError(
                f"backend '{name}' does not exist; the backends are {', '.join(self.names)}"
            ) from None
        make = getattr(importlib.import_module(module), class_name)
        backend: Backend = make(self._settings.get(name, {}))
        return self._made.setdefault(name, backend)
