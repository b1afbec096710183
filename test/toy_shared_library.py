# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The tests' C backend (``toy_backend/*.c``), compiled once, and models for it."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from triton_ros.backends.shared_library.build import build_backend
from triton_ros.core.config.model_config import InputConfig, ModelConfig, OutputConfig
from triton_ros.core.tensor import TensorSpec

SOURCES = sorted(Path(__file__).with_name("toy_backend").glob("*.c"))
FILENAME = "libtriton_toy.so"
NO_COMPILER = "" if shutil.which("cc") else "no C compiler is installed: apt install gcc"


@cache
def library(*extra: str) -> bytes:
    """The toy's library; `extra` are further lines of C."""
    with tempfile.TemporaryDirectory() as work:
        more = Path(work) / "more.c"
        more.write_text("\n".join(extra) + "\nextern int no_empty_file;\n")
        return build_backend([*SOURCES, more], Path(work) / FILENAME).read_bytes()


def toy_fields(
    kind: str, datatype: str = "FP32", dims: tuple[int, ...] = (4,), **parameters: object
) -> dict[str, Any]:
    """Fields of the configuration of a toy with one input `x` and one output `y`."""
    return {
        "max_batch_size": 8,
        "input": (InputConfig(TensorSpec("x", datatype, dims)),),
        "output": (OutputConfig(TensorSpec("y", datatype, dims)),),
        "parameters": {"kind": kind, **{k: str(v) for k, v in parameters.items()}},
        "stated": frozenset({"max_batch_size"}),
    }


def toy_config(kind: str, **fields: Any) -> ModelConfig:
    """A toy's configuration, with some fields changed."""
    return ModelConfig("toy", **{**toy_fields(kind), **fields})


def wait_until(condition: Callable[[], bool]) -> None:
    """Look now and then, for 10 s at most: for what nobody tells."""
    moment = threading.Event()
    for _ in range(1000):
        if condition():
            return
        moment.wait(0.01)
    raise AssertionError("it did not happen")
