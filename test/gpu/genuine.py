# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Imports NVIDIA's own bindings over the empty libraries that `tools/get_tensorrt_api.py` made."""

from __future__ import annotations

import ctypes
import importlib
import sys
from pathlib import Path
from types import ModuleType


def load_genuine(directory: Path) -> ModuleType:
    """The module of one release; a process can have but one."""
    for library in sorted(directory.glob("stub/lib*.so.*")):
        ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
    sys.path.insert(0, str(directory))
    try:
        return importlib.import_module("tensorrt_bindings")
    finally:
        sys.path.remove(str(directory))
