# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""README's parameter table, written from the node's own: `python -m tools.parameter_table`."""

from __future__ import annotations

from pathlib import Path

from triton_ros.ros.parameter_spec import Spec
from triton_ros.ros.parameters import NODE_SPECS
from triton_ros.ros.stream_settings import STREAM_SPECS

README = Path(__file__).resolve().parent.parent / "README.md"
BEGIN, END = "<!-- parameters: python -m tools.parameter_table -->\n", "<!-- end -->"


def table() -> str:
    """All parameters as Markdown."""
    rows = [_row(spec.name, spec) for spec in NODE_SPECS]
    rows += [_row(f"streams.<stream>.{spec.name}", spec) for spec in STREAM_SPECS]
    head = "| parameter | default | accepted | live | |\n|---|---|---|---|---|\n"
    return head + "\n".join(rows) + "\n"


def _row(name: str, spec: Spec) -> str:
    default = str(spec.default).replace("'", '"') if spec.default != "" else '""'
    accepted = spec.accepted.replace("|", "\\|")
    live = "live" if spec.live else ""
    return f"| `{name}` | `{default}` | {accepted} | {live} | {spec.description} |"


def with_table(text: str) -> str:
    """README's text with the table between its marks brought up to date."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{table()}{END}{after}"


if __name__ == "__main__":
    README.write_text(with_table(README.read_text(encoding="utf-8")), encoding="utf-8")
