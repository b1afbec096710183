# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Starts a worker in any interpreter: ``bootstrap.py <package directory> <module> <arguments>``.

Only this package is made importable, by its path: the folder that it lies in belongs to the host's
interpreter, whose numpy is not for another one.
"""

import importlib
import importlib.util
import sys


def _package(directory: str) -> None:
    spec = importlib.util.spec_from_file_location(
        "triton_ros", f"{directory}/__init__.py", submodule_search_locations=[directory]
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["triton_ros"] = module
    spec.loader.exec_module(module)


if __name__ == "__main__":
    sys.path.pop(0)  # this file's folder, whose modules are not for the model
    _package(sys.argv[1])
    importlib.import_module(sys.argv[2]).main(sys.argv[3:])
