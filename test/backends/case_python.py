# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The Python backend's toys, in processes of their own and in this one."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import toy_python
from conformance_case import Case, Made, alive

_FILE = "model.py"


def workers() -> int:
    """Living worker processes that this one has started.

    By their parent: the kernel's list of a task's children leaves some out while others end.
    """
    found = 0
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            state, parent = (process / "stat").read_text().rpartition(")")[2].split()[:2]
            command = (process / "cmdline").read_bytes()
        except OSError:
            continue
        found += int(parent) == os.getpid() and state != "Z" and b"bootstrap.py" in command
    return found


def _made(write: Callable[..., bytes], **parameters: str) -> Callable[..., Made]:
    fields: dict[str, Any] = {"parameters": parameters} if parameters else {}

    def make(*arguments: Any, **keywords: Any) -> Made:
        return Made({_FILE: write(*arguments, **keywords)}, fields)

    return make


def _case(**parameters: str) -> Case:
    return Case(
        backend="python",
        filename=_FILE,
        package="",
        modules=(),
        alive=workers,
        identity=_made(toy_python.python_identity, **parameters),
        affine=_made(toy_python.python_affine, **parameters),
        add_sub=_made(toy_python.python_add_sub, **parameters),
        failing=_made(toy_python.python_failing, **parameters),
        strings_are_text=False,
        has_bf16=False,
        checks_inputs=False,
        refuses_gpu=False,
    )


CASES = [
    replace(_case(), slow=_made(toy_python.python_slow)),
    replace(
        _case(IN_PROCESS="true"),
        name="python-in-process",
        alive=alive("PythonModule"),
    ),
]
