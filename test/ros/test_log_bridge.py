# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What core logs reaches the node's log, at its level, for as long as the node is configured."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from triton_ros.ros.log_bridge import bridged


class Recorder:
    """In the place of a node's logger."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def __getattr__(self, level: str) -> Any:
        return lambda text: self.lines.append((level, text))


def test_each_level_and_the_end() -> None:
    found, core = Recorder(), logging.getLogger("triton_ros.core.anything")
    with bridged(found):  # type: ignore[arg-type]
        core.debug("nothing of this")
        core.info("model '%s'", "m")
        core.warning("a %d", 1)
        core.error("b")
        logging.getLogger("another_package").error("not ours")
    core.error("too late")
    assert found.lines == [("info", "model 'm'"), ("warning", "a 1"), ("error", "b")]


def test_where_an_exception_came_from_is_told() -> None:
    found = Recorder()
    with bridged(found):  # type: ignore[arg-type]
        try:
            raise ValueError("why")
        except ValueError:
            logging.getLogger("triton_ros.core.anything").exception("it raised")
    ((level, text),) = found.lines
    assert level == "error"
    assert text.startswith("it raised\nTraceback")
    assert text.endswith("ValueError: why")


def test_it_is_undone_after_an_error() -> None:
    package = logging.getLogger("triton_ros")
    before = (package.level, list(package.handlers))
    with pytest.raises(ValueError, match="why"), bridged(Recorder()):  # type: ignore[arg-type]
        raise ValueError("why")
    assert (package.level, package.handlers) == before
