# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Reads a small YAML file field by field, so that every complaint names file, line and field.

The nodes of the document keep where each stood, which plain loading forgets.  A `Fields` is one
mapping of the file; whoever reads it asks for each field with its type and range, then calls
`finish`, which refuses what nobody asked for (a misspelt key would otherwise be a setting that does
nothing).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import yaml

from triton_ros.core.errors import ConfigError
from triton_ros.vision.yaml_document import composed, shown

_REQUIRED: Any = object()


def read_fields(path: Path) -> Fields:
    """The top mapping of a YAML file; raises `ConfigError`."""
    loader, node = composed(path)
    return Fields(path, loader, node, "")


def read_mapping(path: Path) -> dict[str, Any]:
    """The top mapping of a YAML file as plain values; raises `ConfigError`."""
    loader, node = composed(path)
    try:
        found = loader.construct_document(node) if node else None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise ConfigError(f"{path}:1: the file must be a mapping of fields to values")
    return {str(key): value for key, value in found.items()}


class Fields:
    """One mapping of the file.  The readers take a `default` for a field that may be missing."""

    def __init__(self, path: Path, loader: Any, node: Any, name: str, line: int = 1) -> None:
        self._path = path
        self._loader = loader
        self._name = name
        self._line = line
        self._nodes: dict[str, Any] = {}
        self._lines: dict[str, int] = {}
        self._asked: list[str] = []
        if not isinstance(node, yaml.MappingNode):
            self._fail(self._line, name or "the file", "must be a mapping of fields to values")
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._fail(key.start_mark.line + 1, name or "the file", "has a key that is no name")
            if key.value in self._nodes:
                self._fail(key.start_mark.line + 1, self._full(key.value), "is given twice")
            self._nodes[key.value] = value
            self._lines[key.value] = key.start_mark.line + 1

    def __contains__(self, field: str) -> bool:
        return field in self._nodes

    @property
    def given(self) -> tuple[str, ...]:
        """The fields that are there, in their order."""
        return tuple(self._nodes)

    def beside(self, field: str, name: str) -> Path:
        """A file that a field names, in this file's directory or below it; refuses others."""
        if name.startswith("/") or "\0" in name or ".." in Path(name).parts:
            self.fail(field, f"must stay inside the model's directory, got {shown(name)}")
        return self._path.parent / name

    def fail(self, field: str, problem: str) -> NoReturn:
        """Refuse a field: ``vision.yaml:7: head.format must be ...``."""
        self._fail(self._lines.get(field, self._line), self._full(field), problem)

    def section(self, field: str) -> Fields:
        """The mapping under a field that must be there."""
        self._asked.append(field)
        if field not in self._nodes:
            self.fail(field, "is missing")
        return Fields(
            self._path, self._loader, self._nodes[field], self._full(field), self._lines[field]
        )

    def text(self, field: str, default: str = _REQUIRED) -> str:
        """A string that is not empty."""
        found: str = self._read(field, default, "text", lambda v: v if _is_text(v) else None)
        return found

    def choice(self, field: str, accepted: Sequence[str], default: str = _REQUIRED) -> str:
        """One of the accepted strings."""
        words = f"one of {', '.join(accepted)}"
        found: str = self._read(field, default, words, lambda v: v if v in accepted else None)
        return found

    def flag(self, field: str, default: bool = _REQUIRED) -> bool:
        """True or false."""
        found: bool = self._read(
            field, default, "true or false", lambda v: v if isinstance(v, bool) else None
        )
        return found

    def integer(self, field: str, low: int, high: int, default: int = _REQUIRED) -> int:
        """A whole number from `low` to `high`."""
        words = f"a whole number from {low} to {high}"
        found: int = self._read(
            field, default, words, lambda v: v if _is_integer(v) and low <= v <= high else None
        )
        return found

    def number(
        self, field: str, low: float = -math.inf, high: float = math.inf, default: float = _REQUIRED
    ) -> float:
        """A number, or a fraction such as ``1/255``, from `low` to `high`."""

        def convert(value: Any) -> float | None:
            number = number_of(value)
            return None if number is None or not low <= number <= high else number

        found: float = self._read(field, default, _range(low, high), convert)
        return found

    def numbers(
        self, field: str, count: int, default: float | tuple[float, ...]
    ) -> tuple[float, ...]:
        """A tuple of `count` numbers, given as a list or as one number that stands for all."""
        usual = default if isinstance(default, tuple) else (default,) * count

        def convert(value: Any) -> tuple[float, ...] | None:
            items = value if isinstance(value, list) else [value] * count
            given = tuple(n for n in map(number_of, items) if n is not None)
            return given if len(given) == len(items) == count else None

        words = "a number" if count == 1 else f"a number, or a list of {count} numbers"
        found: tuple[float, ...] = self._read(field, usual, words, convert)
        return found

    def integers(
        self, field: str, low: int, high: int, default: tuple[int, ...] = _REQUIRED
    ) -> tuple[int, ...]:
        """A list of whole numbers (a single one may stand without brackets)."""

        def convert(value: Any) -> tuple[int, ...] | None:
            items = value if isinstance(value, list) else [value]
            good = items and all(_is_integer(i) and low <= i <= high for i in items)
            return tuple(items) if good else None

        words = f"a list of whole numbers from {low} to {high}"
        found: tuple[int, ...] = self._read(field, default, words, convert)
        return found

    def whole_numbers_or_word(
        self, field: str, low: int, high: int, known: Mapping[str, tuple[int, ...]]
    ) -> tuple[int, ...]:
        """A list of whole numbers, or a word that stands for one."""

        def convert(value: Any) -> tuple[int, ...] | None:
            if isinstance(value, str):
                return known.get(value)
            if not isinstance(value, list) or not value:
                return None
            good = all(_is_integer(i) and low <= i <= high for i in value)
            return tuple(value) if good else None

        words = f"a list of whole numbers from {low} to {high}, or {' or '.join(known)}"
        found: tuple[int, ...] = self._read(field, _REQUIRED, words, convert)
        return found

    def floats(
        self, field: str, low: float, high: float, default: tuple[float, ...] = _REQUIRED
    ) -> tuple[float, ...]:
        """A list of numbers of any length (a single one may stand without brackets)."""

        def convert(value: Any) -> tuple[float, ...] | None:
            items = value if isinstance(value, list) else [value]
            given = tuple(n for n in map(number_of, items) if n is not None and low <= n <= high)
            return given if items and len(given) == len(items) else None

        words = f"a list of numbers from {low:g} to {high:g}"
        found: tuple[float, ...] = self._read(field, default, words, convert)
        return found

    def texts(self, field: str) -> tuple[str, ...]:
        """A list of strings (a single one may stand without brackets); empty when missing."""

        def convert(value: Any) -> tuple[str, ...] | None:
            items = value if isinstance(value, list) else [value]
            return tuple(items) if items and all(map(_is_text, items)) else None

        found: tuple[str, ...] = self._read(field, (), "a list of names", convert)
        return found

    def names(self, field: str) -> tuple[str, ...] | str:
        """A list of strings, or one string (the name of a file); empty when it is missing."""

        def convert(value: Any) -> tuple[str, ...] | str | None:
            if _is_text(value):
                return str(value)
            good = isinstance(value, list) and value and all(_is_text(v) for v in value)
            return tuple(value) if good else None

        words = "a list of names, or the name of a file with one a line"
        found: tuple[str, ...] | str = self._read(field, (), words, convert)
        return found

    def plain(self, field: str) -> Any:
        """Whatever value stands there, to be checked by somebody else."""
        return self._read(field, _REQUIRED, "a value", lambda v: v)

    def finish(self) -> None:
        """Refuse the fields that nobody asked for."""
        for field, line in self._lines.items():
            if field not in self._asked:
                accepted = ", ".join(self._asked)
                self._fail(line, self._full(field), f"is not a field; the fields are {accepted}")

    def _read(self, field: str, default: Any, accepted: str, convert: Callable[[Any], Any]) -> Any:
        """The converted value; `convert` answers None for one that is not `accepted`."""
        self._asked.append(field)
        if field not in self._nodes:
            if default is _REQUIRED:
                self.fail(field, "is missing")
            return default
        try:
            value = self._loader.construct_object(self._nodes[field], deep=True)
        except yaml.YAMLError as error:
            self.fail(field, f"cannot be read: {error}")
        found = convert(value)
        if found is None:
            self.fail(field, f"must be {accepted}, got {shown(value)}")
        return found

    def _full(self, field: str) -> str:
        return f"{self._name}.{field}" if self._name else field

    def _fail(self, line: int, field: str, problem: str) -> NoReturn:
        raise ConfigError(f"{self._path}:{line}: {field} {problem}")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def number_of(value: Any) -> float | None:
    """The number that a scalar means, if it means one (YAML takes 1e-3 for text)."""
    if isinstance(value, (bool, list, dict)):
        return None
    try:
        upper, *lower = map(float, str(value).split("/"))
        number = upper / lower[0] if lower else upper
    except (ValueError, ZeroDivisionError):
        return None
    return number if math.isfinite(number) and len(lower) < 2 else None


def _range(low: float, high: float) -> str:
    if low == -math.inf and high == math.inf:
        return "a number"
    if high == math.inf:
        return f"a number of {low:g} or more"
    return f"a number from {low:g} to {high:g}"
