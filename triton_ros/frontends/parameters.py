# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The parameters of an inference call: which are the protocol's own, and which are the model's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from triton_ros.core.errors import InvalidArgumentError
from triton_ros.core.request import Parameter

RESERVED = (
    *("sequence_id", "sequence_start", "sequence_end", "priority", "timeout", "headers"),
    "binary_data_output",
)

_UINT64 = 1 << 64


@dataclass(slots=True)
class CallParameters:
    """A call's parameters, told apart."""

    sequence_id: int | str = 0
    sequence_start: bool = False
    sequence_end: bool = False
    priority: int = 0
    timeout: int = 0
    """Microseconds."""
    binary_data_output: bool = False
    empty_final_response: bool = False
    free: dict[str, Parameter] = field(default_factory=dict)
    """What the model gets."""


def split_parameters(given: Mapping[str, Parameter]) -> CallParameters:
    """Raises `InvalidArgumentError` for one of the wrong type and for a reserved name."""
    found = CallParameters()
    for name, value in given.items():
        if name == "sequence_id":
            found.sequence_id = value if isinstance(value, str) else _unsigned(name, value)
        elif name in ("sequence_start", "sequence_end", "binary_data_output"):
            setattr(found, name, _flag(name, value))
        elif name in ("priority", "timeout"):
            setattr(found, name, _unsigned(name, value))
        elif name == "triton_enable_empty_final_response":
            found.empty_final_response = _flag(name, value)
        elif name.startswith("triton_"):
            raise InvalidArgumentError(
                "parameter keys starting with 'triton_' are reserved for Triton usage and should"
                " not be specified."
            )
        else:
            found.free[name] = value
    return found


def forwarded_headers(
    pattern: re.Pattern[str] | None, headers: Iterable[tuple[str, str]]
) -> dict[str, Parameter]:
    """The headers in whose names the pattern is found, as parameters.

    Raises `InvalidArgumentError` for one whose name is the protocol's own, or that is no UTF-8.
    """
    if pattern is None:
        return {}
    found: dict[str, Parameter] = {}
    for name, value in headers:
        if pattern.search(name):
            if name.lower() in RESERVED or name.lower().startswith("triton_"):
                raise InvalidArgumentError(
                    f"Header '{name}' is reserved for Triton usage and cannot be forwarded."
                )
            found[name] = _text(name, value)
    return found


def _text(name: str, value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidArgumentError(
            f"Header '{name}' cannot be forwarded: accepted: a value in UTF-8"
        ) from error
    return value


def _flag(name: str, value: Parameter) -> bool:
    if not isinstance(value, bool):
        raise InvalidArgumentError(
            f"parameter '{name}' is {value!r}; accepted: a boolean (true, false)"
        )
    return value


def _unsigned(name: str, value: Parameter) -> int:
    if type(value) is not int or not 0 <= value < _UINT64:
        raise InvalidArgumentError(
            f"parameter '{name}' is {value!r}; accepted: an unsigned integer of 64 bits"
        )
    return value
