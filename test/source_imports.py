# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which modules a piece of source imports, and where: the eyes of the tests on structure.

An AST walk, so that an import inside a function, under ``if TYPE_CHECKING`` or by name through
`importlib.import_module("...")` is seen, and nothing has to be installed or run.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Import:
    """One imported module.  `lazy` when it is not done by importing the file."""

    module: str
    line: int
    lazy: bool

    @property
    def top(self) -> str:
        """The distribution-like first part: `google` of `google.protobuf`."""
        return self.module.partition(".")[0]


def imports(source: str, package: str = "") -> list[Import]:
    """Every import of `source`, in order of lines; `package` is what relative ones start from."""
    return sorted(_walk(ast.parse(source), package, False), key=lambda found: found.line)


def _walk(node: ast.AST, package: str, lazy: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        for module in _modules(child, package):
            yield Import(module, getattr(child, "lineno", 0), lazy)
        inside = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        yield from _walk(child, package, lazy or inside)


def _modules(node: ast.AST, package: str) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = _absolute(node, package)
        # `from triton_ros import ros` imports triton_ros.ros: the names count too.
        return [f"{base}.{alias.name}" if alias.name != "*" else base for alias in node.names]
    if isinstance(node, ast.Call) and _called(node.func) in {"import_module", "__import__"}:
        first = node.args[0] if node.args else None
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            return [first.value]
    return []


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parents = package.split(".")
    parents = parents[: len(parents) - node.level + 1]
    return ".".join([*parents, *([node.module] if node.module else [])])


def _called(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""
