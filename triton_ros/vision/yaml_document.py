# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A YAML file as a node that knows where each part stands, whatever the file says.

Aliases make a short file mean a long one, or one without end; so it is measured before anything is
made of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from triton_ros.core.errors import ConfigError

_DEEPEST, _LONGEST = 100, 1 << 22
"""Levels, and characters with every alias written out."""
_SHOWN = 300
"""Characters of a refused value."""


def composed(path: Path) -> tuple[Any, Any]:
    """What makes values of nodes (it raises `YAMLError`), and the top node; None for an empty file.

    Raises `ConfigError`.
    """
    try:
        loader = _Loader(path.read_text(encoding="utf-8"))
        node = loader.get_single_node()
        _measure(node, {})
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    except RecursionError as error:
        raise ConfigError(f"{path}: not YAML: it is nested too deep") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{path}:{line}: not YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML: {error}") from error
    return loader, node


def shown(value: Any) -> str:
    """A value as a refusal shows it."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _measure(node: Any, known: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """Levels and characters of a node; raises `MarkedYAMLError` for too many of them.

    `known` has those of the nodes that were measured, an alias being the node itself.
    """
    if id(node) in known:
        depth, length = known[id(node)]
    else:
        known[id(node)] = _DEEPEST, 0  # found again below itself, it has no end
        inner = [_measure(child, known) for child in _below(node)]
        depth = 1 + max((depth for depth, _ in inner), default=0)
        length = 1 + sum(length for _, length in inner)
        length += len(node.value) if isinstance(node, yaml.ScalarNode) else 0
        known[id(node)] = depth, length
    if depth > _DEEPEST or length > _LONGEST:
        what = "it is nested too deep" if depth > _DEEPEST else "it is too long with its aliases"
        raise yaml.MarkedYAMLError(problem=what, problem_mark=node.start_mark)
    return depth, length


def _below(node: Any) -> Iterable[Any]:
    if isinstance(node, yaml.MappingNode):
        return (child for pair in node.value for child in pair)
    return node.value if isinstance(node, yaml.SequenceNode) else ()


class _Loader(yaml.SafeLoader):
    """Refuses by `YAMLError` alone, whatever a tag says of a value."""

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        try:
            found = super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError, TypeError, OverflowError) as error:
            kind = node.tag.rpartition(":")[2]
            raise yaml.constructor.ConstructorError(
                None, None, f"{shown(node.value)} is no {kind}", node.start_mark
            ) from error
        if isinstance(found, int) and not -(1 << 63) <= found < 1 << 64:
            raise yaml.constructor.ConstructorError(
                None, None, "an integer has more than 64 bits", node.start_mark
            )
        return found
