# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""LiteRT's delegates, as `cpu_execution_accelerator` names them.

XNNPACK is in the runtime and on by itself (``parameters`` ``xnnpack`` 0 turns it off).  Any other
is a shared library with TFLite's external-delegate interface, found by the system's loader
(``armnn``, ``edgetpu``) or beside the model (``external``).  Each interpreter has its own.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triton_ros.backends.support import choice_parameter
from triton_ros.core.config.config_lines import PlacedError
from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.config.optimization_config import Accelerator
from triton_ros.core.errors import UnsupportedError

OPTIMIZATION = ("execution_accelerators.cpu_execution_accelerator",)
PARAMETERS = ("num_threads", "xnnpack")

_LIBRARIES = {"armnn": "libarmnnDelegate.so", "edgetpu": "libedgetpu.so.1"}
_PLACE = ("optimization", "execution_accelerators", "cpu_execution_accelerator")


@dataclass(frozen=True, slots=True)
class Delegates:
    """What an interpreter is made with."""

    libraries: tuple[tuple[str, Accelerator], ...]
    xnnpack: bool

    def arguments(self, model: str, interpreter_module: Any) -> dict[str, Any]:
        """Of `Interpreter`; raises `UnsupportedError` for a delegate that cannot be loaded."""
        types = interpreter_module.OpResolverType
        plain = types.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        return {
            "experimental_delegates": [
                _load(model, interpreter_module, *library) for library in self.libraries
            ],
            "experimental_op_resolver_type": types.AUTO if self.xnnpack else plain,
        }


def delegates(config: ModelConfig, version_dir: Path) -> Delegates:
    """Those that the configuration asks for; raises `ConfigError`."""
    xnnpack = choice_parameter(config, "xnnpack", "1", ("0", "1")) == "1"
    found = []
    for index, accelerator in enumerate(config.optimization.cpu_execution_accelerator):
        library = _LIBRARIES.get(accelerator.name, "")
        if accelerator.name == "external":
            library = _beside(config, accelerator, version_dir, index)
        if not library:
            raise PlacedError(
                f"model '{config.name}': cpu_execution_accelerator '{accelerator.name}' is unknown"
                f" to backend tflite; accepted: {', '.join(_LIBRARIES)}, external",
                *(*_PLACE, index, "name"),
            )
        found.append((library, accelerator))
    return Delegates(tuple(found), xnnpack)


def _beside(config: ModelConfig, accelerator: Accelerator, version_dir: Path, index: int) -> str:
    """The file that ``external`` names, in the version's directory."""
    name = accelerator.parameters.get("library", "")
    path = (version_dir / name).resolve()
    inside = path.is_relative_to(version_dir.resolve()) and path.is_file()
    if not name or not inside:
        raise PlacedError(
            f"model '{config.name}': accelerator external needs parameter 'library', a file in"
            f" {version_dir}; got '{name}'",
            *(*_PLACE, index, "parameters", "library"),
        )
    return str(path)


def _load(model: str, interpreter_module: Any, library: str, accelerator: Accelerator) -> Any:
    options = {key: value for key, value in accelerator.parameters.items() if key != "library"}
    try:
        ctypes.CDLL(library)  # whose refusal LiteRT would not survive without a noise
        return interpreter_module.load_delegate(library, options)
    except (OSError, ValueError, AttributeError) as error:
        raise UnsupportedError(
            f"model '{model}': cpu_execution_accelerator '{accelerator.name}' cannot be loaded"
            f" from {library}: {'; '.join(str(error).splitlines())}"
        ) from error
