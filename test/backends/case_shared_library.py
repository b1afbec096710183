# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A C backend's toys for the conformance suite: the library lies in the version's directory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance_case import Case, Made, alive
from toy_models import Dims
from toy_shared_library import FILENAME, NO_COMPILER, library, toy_fields

from triton_ros.core.config.model_config import InputConfig, OutputConfig
from triton_ros.core.tensor import TensorSpec

Make = Callable[..., Made]


def _made(fields: dict[str, Any]) -> Made:
    return Made({FILENAME: library()}, fields)


def _isolated(make: Make) -> Make:
    """The same toy in a process of its own."""

    def made(*arguments: Any, **keywords: Any) -> Made:
        toy = make(*arguments, **keywords)
        parameters = {**toy.fields["parameters"], "PROCESS_ISOLATION": "true"}
        return replace(toy, fields={**toy.fields, "parameters": parameters})

    return made


def _identity(datatype: str = "FP32") -> Made:
    return _made(toy_fields("identity", datatype))


def _affine(scale: float = 2.0, offset: float = 1.0, dims: Dims = ("N", 4)) -> Made:
    own = tuple(d if isinstance(d, int) else -1 for d in dims[1:])
    return _made(toy_fields("affine", dims=own, scale=scale, offset=offset))


def _add_sub() -> Made:
    sides = {
        side: tuple(kind(TensorSpec(f"{name}{i}", "FP32", (16,))) for i in range(2))
        for side, kind, name in (
            ("input", InputConfig, "INPUT"),
            ("output", OutputConfig, "OUTPUT"),
        )
    }
    return _made({**toy_fields("add_sub"), **sides})


def _failing() -> Made:
    fields = toy_fields("gather", "INT64", (1,))
    return _made({**fields, "output": (OutputConfig(TensorSpec("y", "FP32", (1,))),)})


def _alive() -> int:
    from triton_ros.backends.shared_library.host import host  # noqa: PLC0415 (it is compiled)

    living = host().living
    return living["models"] + living["instances"]


def _slow() -> Made:
    return _made(toy_fields("slow"))


IN_PROCESS = Case(
    backend="toy",
    filename=FILENAME,
    package="",
    modules=(),
    alive=_alive,
    identity=_identity,
    affine=_affine,
    add_sub=_add_sub,
    slow=_slow,
    failing=_failing,
    strings_are_text=False,
    has_bf16=False,
    checks_inputs=False,
    refuses_gpu=False,
    names_its_file=False,
    name="shared_library",
    missing=NO_COMPILER,
)
CASES = [
    IN_PROCESS,
    replace(
        IN_PROCESS,
        name="shared_library-isolated",
        alive=alive("WorkerProcess"),
        identity=_isolated(_identity),
        affine=_isolated(_affine),
        add_sub=_isolated(_add_sub),
        slow=_isolated(_slow),
        failing=_isolated(_failing),
    ),
]
