# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What is traced, and how often: Triton's trace settings as a checked value.

A model's settings are the global ones with some replaced.  Values arrive as the trace extension
sends them (strings, or lists of strings) or as plain numbers; None (an empty list) takes a
replacement back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Flag
from typing import Any, TypeAlias

from triton_ros.core.errors import InvalidArgumentError

SettingValue: TypeAlias = str | int | Sequence[str] | None
"""A setting as somebody gives it."""

_UINT32 = (0, 2**32 - 1)
_NUMBERS = {
    "trace_rate": ("rate", _UINT32),
    "trace_count": ("count", (-1, 2**31 - 1)),
    "log_frequency": ("log_frequency", _UINT32),
}
_NAMES = ("trace_level", *_NUMBERS, "trace_file")

SETTINGS = len(_NAMES)
"""How many there are."""


class TraceLevel(Flag):
    """What a trace holds."""

    OFF = 0
    TIMESTAMPS = 1
    TENSORS = 2

    @property
    def names(self) -> tuple[str, ...]:
        """Triton's list: ``OFF``, or one or both of the others."""
        both = (TraceLevel.TIMESTAMPS, TraceLevel.TENSORS)
        return tuple(str(level.name) for level in both if level in self) or ("OFF",)


@dataclass(frozen=True, slots=True)
class TraceSettings:
    """One set of settings; raises `InvalidArgumentError` if it traces and cannot be followed."""

    level: TraceLevel = TraceLevel.OFF
    rate: int = 1000
    """Every so many requests, one is traced."""
    count: int = -1
    """How many traces are still to be taken; -1 for no limit."""
    log_frequency: int = 0
    """So many traces go into one numbered file, ``<file>.<n>``; 0 for one file, ``<file>``."""
    file: str = ""

    def __post_init__(self) -> None:
        for name, (field, limits) in _NUMBERS.items():
            _check_range(name, getattr(self, field), limits)
        if self.level is TraceLevel.OFF:
            return
        for bad, reason in (
            (self.rate == 0, "sample rate must be non-zero; trace_rate is 0, accepted: 1 or more"),
            (not self.file, "trace file name is not given; trace_file is '', accepted: a path"),
        ):
            if bad:
                raise InvalidArgumentError(f"Attempting to set invalid trace setting :{reason}")

    def as_json(self) -> dict[str, str | list[str]]:
        """The trace extension's answer."""
        return {
            "trace_level": list(self.level.names),
            "trace_rate": str(self.rate),
            "trace_count": str(self.count),
            "log_frequency": str(self.log_frequency),
            "trace_file": self.file,
            "trace_mode": "triton",
        }


def parse_settings(values: Mapping[str, SettingValue]) -> dict[str, Any]:
    """Fields of `TraceSettings` from settings by Triton's names; None where one is taken back.

    Raises `InvalidArgumentError` that names setting, value and what is accepted.
    """
    fields: dict[str, Any] = {}
    for name, value in values.items():
        if name == "trace_level":
            fields["level"] = _levels(value)
        elif name == "trace_file":
            fields["file"] = _one(name, value)
        elif name in _NUMBERS:
            field, limits = _NUMBERS[name]
            fields[field] = _number(name, _one(name, value), limits)
        else:
            raise InvalidArgumentError(
                f"unknown trace setting '{name}'; accepted: {', '.join(_NAMES)}"
            )
    return fields


def _one(name: str, value: SettingValue) -> str | None:
    """The single value of a setting, None if it has none."""
    if value is None or isinstance(value, str | int):
        return None if value is None else str(value)
    if len(value) > 1:
        raise InvalidArgumentError(
            f"Unable to parse '{name}', got: {', '.join(value)}; accepted: one value"
        )
    return value[0] if value else None


def _levels(value: SettingValue) -> TraceLevel | None:
    names = [str(value)] if isinstance(value, str | int) else list(value or ())
    if not names:
        return None
    level = TraceLevel.OFF
    for name in names:
        if name == "OFF" and len(names) > 1:
            raise InvalidArgumentError(
                "Expect only one trace level 'OFF' is specified, got:"
                f" {', '.join(names)}; accepted for trace_level: OFF alone, or TIMESTAMPS, TENSORS"
            )
        if name not in TraceLevel.__members__:
            raise InvalidArgumentError(
                f"Unable to parse 'trace_level', got: {name}; accepted: OFF, TIMESTAMPS, TENSORS"
            )
        level |= TraceLevel[name]
    return level


def _number(name: str, text: str | None, limits: tuple[int, int]) -> int | None:
    if text is None:
        return None
    try:
        number = int(text)
    except ValueError:
        raise InvalidArgumentError(
            f"Unable to parse '{name}', got: {text}; accepted: a whole number"
        ) from None
    _check_range(name, number, limits)
    return number


def _check_range(name: str, number: int, limits: tuple[int, int]) -> None:
    least, most = limits
    if name == "trace_count" and number < least:
        raise InvalidArgumentError(
            f"Unable to parse 'trace_count'. Expecting value >= {least}, got: {number}"
        )
    if not least <= number <= most:
        raise InvalidArgumentError(
            f"Unable to parse '{name}', value is out of range [ {least}, {most} ], got: {number}"
        )
