# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Tiny PyTorch models, written in milliseconds: TorchScript, and `torch.export` packages.

TorchScript is compiled from text, since it needs no module's source file then.  Every writer
returns the file's bytes.
"""

from __future__ import annotations

import functools
import io
import warnings
from collections.abc import Callable, Sequence
from typing import Any

DTYPES = {
    "BOOL": "bool",
    "UINT8": "uint8",
    "UINT16": "uint16",
    "UINT32": "uint32",
    "UINT64": "uint64",
    "INT8": "int8",
    "INT16": "int16",
    "INT32": "int32",
    "INT64": "int64",
    "FP16": "float16",
    "FP32": "float32",
    "FP64": "float64",
    "BF16": "bfloat16",
}


def script(code: str) -> bytes:
    """A TorchScript file with this ``def forward(self, ...)``."""
    import torch  # noqa: PLC0415 (optional)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        module: Any = type("Toy", (torch.jit.ScriptModule,), {})()  # a type defines forward once
        module.define(f"{code}\n")
        buffer = io.BytesIO()
        torch.jit.save(module, buffer)
    return buffer.getvalue()


def script_identity() -> bytes:
    """``y = x``: the very same tensor."""
    return script("def forward(self, x):\n    return x")


def script_affine(scale: float = 2.0, offset: float = 1.0) -> bytes:
    """``y = scale * x + offset``."""
    return script(f"def forward(self, x):\n    return x * {scale} + {offset}")


def script_add_sub(names: Sequence[str] = ("INPUT0", "INPUT1")) -> bytes:
    """The sum and the difference, as a tuple."""
    a, b = names
    return script(f"def forward(self, {a}, {b}):\n    return ({a} + {b}, {a} - {b})")


def script_slow(turns: int = 60, width: int = 50_000) -> bytes:
    """[N,4] -> [N,4]: so many sines of so many copies of x, and the greatest of them."""
    return script(
        "def forward(self, x):\n"
        f"    y = x.unsqueeze(0).repeat({width}, 1, 1)\n"
        f"    for i in range({turns}):\n"
        "        y = y.sin()\n"
        "    return y.amax(0)"
    )


def script_failing() -> bytes:
    """``y = [10, 20, 30, 40][x]``; any other index fails."""
    return script("def forward(self, x):\n    return torch.tensor([10.0, 20.0, 30.0, 40.0])[x]")


def package(
    forward: Callable[..., Any],
    examples: Sequence[Any],
    shapes: Any = None,
    buffers: dict[str, Any] | None = None,
    **keywords: Any,
) -> bytes:
    """A `torch.export` package of ``forward(self, *examples, **keywords)``."""
    import torch  # noqa: PLC0415 (optional)

    kind = type("Toy", (torch.nn.Module,), {"forward": forward})
    module: Any = kind()
    for name, value in (buffers or {}).items():
        module.register_buffer(name, value)
    program = torch.export.export(module, tuple(examples), keywords, dynamic_shapes=shapes)
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    return buffer.getvalue()


def batch(most: int | None = None) -> Any:
    """A dim with a name, and perhaps a bound."""
    import torch  # noqa: PLC0415 (optional)

    return torch.export.Dim("N", max=most)


@functools.cache
def package_identity(datatype: str = "FP32") -> bytes:
    """``{"y": x}``, [N,4]."""
    import torch  # noqa: PLC0415 (optional)

    def forward(self: Any, x: Any) -> Any:
        return {"y": x}

    x = torch.zeros(3, 4).to(getattr(torch, DTYPES.get(datatype, "float32")))
    return package(forward, [x], ({0: batch()},))


@functools.cache
def package_affine(
    scale: float = 2.0, offset: float = 1.0, dims: Sequence[int | str | None] = ("N", 4)
) -> bytes:
    """``{"y": scale * x + offset}``."""
    import torch  # noqa: PLC0415 (optional)

    def forward(self: Any, x: Any) -> Any:
        return {"y": x * self.scale + self.offset}

    variable = {
        i: torch.export.Dim(f"D{i}") for i, dim in enumerate(dims) if not isinstance(dim, int)
    }
    example = torch.zeros([d if isinstance(d, int) else 3 + i for i, d in enumerate(dims)])
    weights = {"scale": torch.tensor(scale), "offset": torch.tensor(offset)}
    return package(forward, [example], (variable,), weights)


@functools.cache
def package_add_sub() -> bytes:
    """Triton's `simple`."""
    import torch  # noqa: PLC0415 (optional)

    def forward(self: Any, INPUT0: Any, INPUT1: Any) -> Any:
        return {"OUTPUT0": INPUT0 + INPUT1, "OUTPUT1": INPUT0 - INPUT1}

    n = batch()
    return package(forward, [torch.zeros(3, 16), torch.ones(3, 16)], ({0: n}, {0: n}))


@functools.cache
def package_slow(turns: int = 60, width: int = 50_000) -> bytes:
    """As `script_slow`."""
    import torch  # noqa: PLC0415 (optional)

    def forward(self: Any, x: Any) -> Any:
        y = x.unsqueeze(0).repeat(width, 1, 1)
        for _ in range(turns):
            y = y.sin()
        return {"y": y.amax(0)}

    return package(forward, [torch.zeros(3, 4)], ({0: batch()},))


@functools.cache
def package_failing() -> bytes:
    """As `script_failing`."""
    import torch  # noqa: PLC0415 (optional)

    def forward(self: Any, x: Any) -> Any:
        return {"y": self.table[x]}

    table = {"table": torch.tensor([10.0, 20.0, 30.0, 40.0])}
    return package(forward, [torch.zeros(3, 1, dtype=torch.int64)], ({0: batch()},), table)
