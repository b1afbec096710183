# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Every complaint in docs/complaints.md is answered by a test that exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_each_complaint_names_a_test() -> None:
    text = (ROOT / "docs/complaints.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if re.match(r"\| \d+ \|", line)]
    assert [int(row.split("|")[1]) for row in rows] == list(range(1, 26))
    for row in rows:
        found = re.search(r"`(test/[\w/]+\.py)::(test_\w+)` \|$", row)
        assert found, row
        tree = ast.parse((ROOT / found[1]).read_text(encoding="utf-8"))
        names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert found[2] in names, f"{found[1]} has no {found[2]}"
