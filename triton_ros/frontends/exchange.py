# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the V2 protocols have in common: one inference call and its answers, as values.

The codecs (`v2_json`, `v2_proto`) make and read them; `inference` turns them into core's requests
and back.  Neither knows the other's side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from triton_ros.core.errors import TritonError
from triton_ros.core.request import Parameter
from triton_ros.core.tensor import Array


@dataclass(frozen=True, slots=True)
class RegionSlice:
    """A part of a registered region of shared memory: `byte_size` bytes from `offset` on."""

    region: str
    byte_size: int
    offset: int = 0


@dataclass(slots=True)
class CallInput:
    """One input tensor: its elements, or where they are."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: Array | RegionSlice


@dataclass(slots=True)
class WantedOutput:
    """One output that a call asks for by name, and how it wants it."""

    name: str
    binary: bool = False
    """HTTP only: behind the JSON."""
    classification: int = 0
    """As the so many highest classes; 0 for the tensor itself."""
    region: RegionSlice | None = None
    """Where it goes instead of into the answer."""


@dataclass(slots=True)
class InferCall:
    """One inference as a client sent it.

    `parameters` are those of the request, the protocol's own (`sequence_id`, `priority`, ...) still
    among them; `version` is the text of the address, "" for any.
    """

    model_name: str
    version: str = ""
    id: str = ""
    inputs: list[CallInput] = field(default_factory=list)
    outputs: list[WantedOutput] = field(default_factory=list)
    """Empty for all of them."""
    parameters: dict[str, Parameter] = field(default_factory=dict)
    headers: dict[str, Parameter] = field(default_factory=dict)
    """The forwarded ones: the model sees them as parameters."""


@dataclass(slots=True)
class AnswerOutput:
    """One output tensor; `data` is a `RegionSlice` if it was written there."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: Array | RegionSlice
    binary: bool = False

    @property
    def array_size(self) -> int:
        """Elements that are here."""
        return 0 if isinstance(self.data, RegionSlice) else self.data.size


@dataclass(slots=True)
class InferAnswer:
    """One answer to a call; a decoupled model gives any number of them."""

    model_name: str
    model_version: str
    id: str = ""
    outputs: list[AnswerOutput] = field(default_factory=list)
    parameters: dict[str, Parameter] = field(default_factory=dict)
    final: bool = True


Answered: TypeAlias = Callable[[InferAnswer | TritonError], None]
"""Gets the outcome of a call once, on the thread that finished it; must not block or raise."""
