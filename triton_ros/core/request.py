# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Requests and responses: values that travel from a frontend to a model and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from triton_ros.core.errors import TritonError
from triton_ros.core.tensor import Array, Tensors

Parameter: TypeAlias = bool | int | float | str


@dataclass(slots=True)
class InferenceRequest:
    """One inference, as KServe V2 has it.

    `inputs` hold full shapes: the batch dim comes first when the model has one.  `tag` is the
    caller's own (a frame's header, say); it comes back on the response and nobody looks inside.
    """

    model_name: str
    inputs: Tensors
    model_version: int = -1
    id: str = ""
    outputs: tuple[str, ...] = ()
    """Names of the wanted outputs; empty for all."""
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    tag: Any = None


@dataclass(slots=True)
class Timing:
    """Where a request spent its time, in nanoseconds of the server's clock."""

    queue_ns: int = 0
    compute_input_ns: int = 0
    compute_infer_ns: int = 0
    compute_output_ns: int = 0
    batch_size: int = 0


@dataclass(slots=True)
class InferenceResponse:
    """The answer to one request; `outputs` are arrays that the receiver may keep."""

    model_name: str
    model_version: int
    outputs: dict[str, Array]
    id: str = ""
    tag: Any = None
    timing: Timing = field(default_factory=Timing)


Outcome: TypeAlias = InferenceResponse | TritonError
"""What becomes of a request: exactly one of these, exactly once."""

Done: TypeAlias = Callable[[Outcome], None]
"""Called once, on the thread that finished the request.  It must not block and must not raise."""
