# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which line of a ``config.pbtxt`` an error means.

The parser of text format forgets where a value stood.  So an error carries its place (the path of
fields to it), and only when there is one to report, the text is scanned again for the lines.  An
error without a place is located by the words in its message.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from triton_ros.core.errors import ConfigError

_TOKEN = re.compile(
    r"""\#[^\n]*|\n|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|[{}<>\[\]:,;]|[^\s{}<>\[\]:,;#"']+"""
)
_DEPTH = 20
_LABELS = ("name", "key", "model_name", "input_name", "target_name")


class PlacedError(ConfigError):
    """A `ConfigError` that knows the path of what it is about.

    The path has field names; after a repeated field, an index or the name (or key) of the entry.
    """

    def __init__(self, message: str, *place: str | int) -> None:
        super().__init__(message)
        self.place = place


def place_of(error: ConfigError) -> tuple[str | int, ...]:
    """The path of an error, empty if it has none."""
    return error.place if isinstance(error, PlacedError) else ()


@contextmanager
def placed(*place: str | int) -> Iterator[None]:
    """Errors inside are about something below `place`."""
    try:
        yield
    except ConfigError as error:
        raise PlacedError(str(error), *place, *place_of(error)) from error.__cause__


@dataclass(slots=True)
class _Field:
    name: str
    line: int
    value: str = ""
    fields: list[_Field] = field(default_factory=list)

    @property
    def label(self) -> str:
        """The name or key of a message."""
        return next((f.value for f in self.fields if f.name in _LABELS), "")

    @property
    def members(self) -> list[_Field]:
        """The fields; of a map's entry, those of its value."""
        inner = [f for f in self.fields if f.name == "value" and f.fields]
        return inner[0].fields if inner else self.fields

    def below(self) -> Iterator[_Field]:
        for child in self.fields:
            yield child
            yield from child.below()


def line_of(text: str, error: ConfigError) -> int:
    """The line that an error means, as exactly as can be told; 1 if it cannot."""
    here = _follow(_Field("", 0, fields=_Scanner(text).fields()), place_of(error))
    message = str(error)
    snakes = re.findall(r"[a-z0-9]+_[a-z0-9_]+", message)
    if place_of(error):
        if here.line and not here.fields:
            return here.line
        words = snakes + re.findall(r"[a-z][a-z_0-9]*", message)
        return _first(here, words, names_only=True) or max(here.line, 1)
    words = re.findall(r"'([^']+)'", message) + snakes
    if message.startswith("in ensemble"):  # it names a step by its model, without quotes
        words += re.findall(r"\bmodel ([^\s;,']+)", message)
    return _first(here, words, names_only=False) or 1


def _follow(root: _Field, place: tuple[str | int, ...]) -> _Field:
    """The field at a place, or the nearest one above it that is in the text."""
    here, group = root, list[_Field]()
    for part in place:
        if isinstance(part, int):
            if part >= len(group):
                break
            here, group = group[part], []
            continue
        labelled = [entry for entry in group if entry.label == part]
        group = [] if labelled else [f for f in here.members if f.name == part]
        if not labelled and not group:
            break
        here = (labelled or group)[0]
    return here


def _first(above: _Field, words: Iterable[str], names_only: bool) -> int:
    """The line of the first word that is a field's name (or value) below."""
    fields = list(above.below())
    for word in words:
        leaf = word.rsplit(".", 1)[-1]
        for found in fields:
            if found.name == leaf or (not names_only and found.value == leaf):
                return found.line
    return 0


class _Scanner:
    """The fields of a text that parses (of any other text, some)."""

    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, int]] = []
        line = 1
        for token in _TOKEN.findall(text):
            if token == "\n":
                line += 1
            elif token[0] not in "#,;:":
                self._tokens.append((token, line))
        self._tokens.reverse()

    def fields(self, depth: int = 0) -> list[_Field]:
        """Up to the end of the message."""
        found: list[_Field] = []
        while self._tokens:
            name, line = self._tokens.pop()
            if name in "}>":
                break
            if not self._next("["):
                found.append(self._value(name, line, depth))
                continue
            while self._tokens and not self._next("]"):
                found.append(self._value(name, self._tokens[-1][1], depth))
        return found

    def _next(self, token: str) -> bool:
        """Take the next token if it is this one."""
        if not self._tokens or self._tokens[-1][0] != token:
            return False
        self._tokens.pop()
        return True

    def _value(self, name: str, line: int, depth: int) -> _Field:
        value = self._tokens.pop()[0] if self._tokens else ""
        if value in ("{", "<"):
            return _Field(name, line, fields=self.fields(depth + 1) if depth < _DEPTH else [])
        while value[:1] in ("'", '"') and self._tokens and self._tokens[-1][0][0] in "'\"":
            self._tokens.pop()  # strings side by side are one; its beginning is enough here
        return _Field(name, line, value.strip("'\""))
