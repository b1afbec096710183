# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Every complaint and every fault in docs/ names a test that exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def rows(page: str) -> list[str]:
    """The rows of a page's tables, without their heads."""
    lines = (ROOT / "docs" / page).read_text(encoding="utf-8").splitlines()
    return [
        line
        for before, line in zip(["", *lines], lines, strict=False)
        if line.startswith("| ") and (before.startswith(("| ", "|---")))
    ]


def check_names_a_test(row: str) -> None:
    found = re.search(r"`(test/[\w/]+\.py)::(test_\w+)` \|$", row)
    assert found, row
    tree = ast.parse((ROOT / found[1]).read_text(encoding="utf-8"))
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert found[2] in names, f"{found[1]} has no {found[2]}"


def test_each_complaint_names_a_test() -> None:
    complaints = rows("complaints.md")
    assert [int(row.split("|")[1]) for row in complaints] == list(range(1, 26))
    for row in complaints:
        check_names_a_test(row)


def test_each_fault_names_a_test() -> None:
    faults = rows("faults.md")
    assert len(faults) > 30
    for row in faults:
        check_names_a_test(row)
