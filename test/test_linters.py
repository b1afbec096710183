# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The house style that ruff has no rule for (`make lint` runs ruff and mypy).

ament_copyright's check is the header, ament_pep257's are ruff's D rules.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("triton_ros", "launch", "tools", "demo", "benchmarks", "fuzz", "test")
SOURCES = sorted([ROOT / "setup.py", *(p for f in FOLDERS for p in (ROOT / f).rglob("*.py"))])
HEADER = [
    "# Copyright 2026 triton_ros contributors",
    "# SPDX-License-Identifier: Apache-2.0",
]
FUNCTION_LINES = 80
FILE_LINES = 400
"""The style says about 300; this is where about ends."""


def complaints(name: str, source: str) -> Iterator[str]:
    """What the house style has against a file."""
    lines = source.splitlines()
    if lines[:2] != HEADER:
        yield f"{name}:1: must start with the two lines of the header"
    tree = ast.parse(source)
    if not ast.get_docstring(tree):
        yield f"{name}:3: must say in a docstring what the module is for"
    if len(lines) > FILE_LINES:
        yield f"{name}: {len(lines)} lines, at most {FILE_LINES}"
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES:
                yield f"{name}:{node.lineno}: {node.name} has {length} lines"


def test_house_style() -> None:
    assert len(SOURCES) > 30, "the walk does not see the sources"
    found = [c for p in SOURCES for c in complaints(str(p.relative_to(ROOT)), p.read_text())]
    assert not found, "\n".join(found)


GOOD = "\n".join([*HEADER, '"""A module."""', ""])


@pytest.mark.parametrize(
    "source",
    [
        '"""No header."""',
        "\n".join([*HEADER, "x = 1"]),
        GOOD + "x = 1\n" * FILE_LINES,
        GOOD + "def f():\n" + "    x = 1\n" * FUNCTION_LINES,
    ],
)
def test_planted_complaints_are_seen(source: str) -> None:
    assert len(list(complaints("planted.py", source))) == 1


def test_good_file_passes() -> None:
    assert not list(complaints("good.py", GOOD))
