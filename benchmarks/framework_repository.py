# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""`python -m benchmarks.framework_repository DIRECTORY`: one small model for every framework.

Each is ``y = 2 x + 1`` for x [N, 4] (or as wide as ``--width`` says), in the framework's own
format, so that a repository in which all of them serve side by side is there in a second.  The
writers are the tests' toys; frameworks that are not installed are left out.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parent.parent
TOYS = ("test", "test/gpu", "test/backends", "test/backends/kserve")


def cases() -> Iterator[Any]:
    """Of the conformance suite: what can be written here and runs without help."""
    sys.path[:0] = [str(CHECKOUT / folder) for folder in TOYS]
    for path in sorted((CHECKOUT / "test/backends").glob("case_*.py")):
        for case in importlib.import_module(path.stem).CASES:
            if case.filename and not (case.missing or case.fixture):
                yield case


def write(directory: Path, width: int = 4) -> list[str]:
    """The models' names."""
    names = []
    for case in cases():
        from conformance_case import as_pbtxt  # noqa: PLC0415 (on the path by now)

        name = case.id.replace("-", "_")
        made = case.affine(dims=("N", width))
        made.write(directory / name / "1")
        text = f'backend: "{case.backend}"\n{as_pbtxt(made.fields)}\n'
        if "max_batch_size" not in made.fields:
            text += "max_batch_size: 8\n"
        text += "instance_group { count: 1 kind: KIND_CPU }\n"
        (directory / name / "config.pbtxt").write_text(text)
        names.append(name)
    return names


def main() -> None:
    """Write them and say which."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--width", type=int, default=4, help="of x and y")
    given = parser.parse_args()
    print("\n".join(write(given.directory, given.width)))


if __name__ == "__main__":
    main()
