# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One row of the tables of parameters: its default, what is accepted, and the check of a value."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from triton_ros.core.errors import ConfigError

_KINDS = {bool: "bool", int: "integer", float: "double", str: "string"}


@dataclass(frozen=True, slots=True)
class Spec:
    """One parameter; `choices`, `low` and `high` limit its value."""

    name: str
    default: bool | int | float | str | list[str] | list[float]
    description: str
    live: bool = False
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    parse: Callable[[Any], object] | None = None
    """Raises `ConfigError` for a value of the right type that means nothing."""

    @property
    def accepted(self) -> str:
        """What is accepted, in words."""
        if self.choices:
            return " | ".join(self.choices)
        if self._doubles:
            return f"{len(self._doubles)} doubles"
        kind = "string array" if isinstance(self.default, list) else _KINDS[type(self.default)]
        if self.low is None:
            return kind
        return f"{kind} {self.low:g} " + ("or more" if self.high is None else f".. {self.high:g}")

    @property
    def _doubles(self) -> list[float]:
        """The default, of an array of doubles; such an array has one length."""
        given = self.default if isinstance(self.default, list) else []
        return [entry for entry in given if isinstance(entry, float)]

    def check(self, name: str, value: Any) -> Any:
        """The value in the parameter's type; raises `ConfigError` naming what is accepted."""
        value = self.coerced(value)
        if not self._fits(value):
            raise ConfigError(f"parameter '{name}' is {value!r}; accepted: {self.accepted}")
        if self.parse is not None:
            try:
                self.parse(value)
            except ConfigError as error:
                raise ConfigError(f"parameter '{name}' is {value!r}: {error}") from None
        return value

    def _fits(self, value: Any) -> bool:
        if self._doubles:
            return _are_finite(value, len(self._doubles))
        if type(value) is not type(self.default):
            return False
        if isinstance(value, list):
            return all(isinstance(entry, str) for entry in value)
        if isinstance(value, str):
            return not self.choices or value in self.choices
        good = self.low is None or bool(self.low <= value)  # for NaN neither this nor "<" holds
        return good and (self.high is None or bool(value <= self.high))

    def coerced(self, value: Any) -> Any:
        """A whole number as a decimal one where that is wanted; other values as they are."""
        if isinstance(self.default, float) and type(value) is int:
            return float(value)
        if self._doubles:
            return _as_doubles(value)
        if isinstance(self.default, list) and isinstance(value, (list, tuple, bytes)):
            return list(value) or [""]  # ROS takes an empty list for bytes, whatever it is for
        return value


def _are_finite(value: Any, count: int) -> bool:
    if not isinstance(value, list) or len(value) != count:
        return False
    return all(isinstance(entry, float) and math.isfinite(entry) for entry in value)


def _as_doubles(value: Any) -> Any:
    """A list of decimal numbers, where it is one of numbers (ROS hands over arrays)."""
    if isinstance(value, (str, bytes)) or not isinstance(value, Sequence):
        return value
    numbers = [type(entry) in (int, float) for entry in value]
    return [float(entry) for entry in value] if all(numbers) else list(value)


def entries(value: list[str]) -> tuple[str, ...]:
    """What a list says; ROS has no empty lists, so one empty entry stands for none."""
    return tuple(entry for entry in value if entry)
