# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Models for the Python backend, as text.  They are written as one would write them for Triton."""

from __future__ import annotations

from textwrap import dedent, indent

TRITON_TYPES = {"BYTES": "TYPE_STRING"}


def python_model(
    execute: str,
    inputs: dict[str, tuple[str, list[int]]],
    outputs: dict[str, tuple[str, list[int]]],
    *,
    batch: int = 8,
    extra: str = "",
) -> bytes:
    """A file that completes its own configuration; `execute` is the body, with ``requests``."""
    adds = [
        f"config.add_{side}({{'name': '{name}', 'data_type': '{_type(kind)}', 'dims': {dims}}})"
        for side, tensors in (("input", inputs), ("output", outputs))
        for name, (kind, dims) in tensors.items()
    ]
    text = f"""\
import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    @staticmethod
    def auto_complete_config(config):
        config.set_max_batch_size({batch})
{indent(chr(10).join(adds), " " * 8)}
        return config

    def execute(self, requests):
{indent(dedent(execute).strip(), " " * 8)}

{indent(dedent(extra).strip(), " " * 4)}
"""
    return text.encode()


def _type(datatype: str) -> str:
    return TRITON_TYPES.get(datatype, f"TYPE_{datatype}")


def one_by_one(expression: str, inputs: dict[str, str] | None = None, output: str = "y") -> str:
    """The body of an `execute` that answers each request with an expression of its inputs."""
    named = inputs or {"x": "x"}
    lines = ["responses = []", "for request in requests:"]
    lines += [
        f"    {variable} = pb_utils.get_input_tensor_by_name(request, '{name}').as_numpy()"
        for name, variable in named.items()
    ]
    lines += [
        f"    tensor = pb_utils.Tensor('{output}', {expression})",
        "    responses.append(pb_utils.InferenceResponse([tensor]))",
        "return responses",
    ]
    return "\n".join(lines)


def python_identity(datatype: str = "FP32", dims: tuple[int | str | None, ...] = ("N", 4)) -> bytes:
    """``y = x``."""
    spec = {"x": (datatype, _dims(dims))}
    return python_model(one_by_one("x"), spec, {"y": (datatype, _dims(dims))})


def python_affine(
    scale: float = 2.0, offset: float = 1.0, dims: tuple[int | str | None, ...] = ("N", 4)
) -> bytes:
    """``y = scale * x + offset``, FP32."""
    body = one_by_one(f"np.float32({scale}) * x + np.float32({offset})")
    return python_model(body, {"x": ("FP32", _dims(dims))}, {"y": ("FP32", _dims(dims))})


def python_add_sub() -> bytes:
    """Triton's `simple`."""
    body = """
        responses = []
        for request in requests:
            a, b = (
                pb_utils.get_input_tensor_by_name(request, name).as_numpy()
                for name in ("INPUT0", "INPUT1")
            )
            responses.append(
                pb_utils.InferenceResponse(
                    [pb_utils.Tensor("OUTPUT0", a + b), pb_utils.Tensor("OUTPUT1", a - b)]
                )
            )
        return responses
    """
    spec = ("FP32", [16])
    return python_model(body, {"INPUT0": spec, "INPUT1": spec}, {"OUTPUT0": spec, "OUTPUT1": spec})


def python_slow() -> bytes:
    """Computes for about 0.3 s, holding its own interpreter's lock all the time."""
    body = "total = sum(i * i for i in range(4_000_000))\n" + one_by_one(
        "x + np.float32(total > 0)"
    )
    return python_model(body, {"x": ("FP32", [4])}, {"y": ("FP32", [4])})


def python_failing() -> bytes:
    """``y = [10, 20, 30, 40][x]``; any other index raises."""
    body = one_by_one("np.float32([10, 20, 30, 40])[x]")
    return python_model(body, {"x": ("INT64", [1])}, {"y": ("FP32", [1])})


def _dims(dims: tuple[int | str | None, ...]) -> list[int]:
    """Without the batch dim."""
    return [dim if isinstance(dim, int) else -1 for dim in dims[1:]]
