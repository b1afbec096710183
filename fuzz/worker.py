# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One target under atheris: `python -m fuzz.worker TARGET [options of libFuzzer]`.

libFuzzer ends the process, so what was counted is written whenever it may be the last time.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from pathlib import Path

import atheris

OWN = ["triton_ros"]
PARSERS = ["yaml", "google.protobuf.text_format", "google.protobuf.json_format"]
OWN_ALONE = ("pipelines_file",)
"""Their parser is another target's too, and slow when it is instrumented."""
ADDRESS_SPACE = 12 << 30
"""So that a finding ends this process and nothing else."""
_OFTEN = 1000


def main() -> None:
    """Fuzz until libFuzzer has had enough."""
    name, counts, *options = sys.argv[1:]
    instrumented = OWN if name in OWN_ALONE else OWN + PARSERS
    with atheris.instrument_imports(include=instrumented):
        from fuzz.targets import TARGETS  # noqa: PLC0415  (what it imports is instrumented)
    from fuzz.target import Checker  # noqa: PLC0415

    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    checker = Checker(TARGETS[name])
    path, draft = Path(counts), Path(f"{counts}.{os.getpid()}")

    def one(data: bytes) -> None:
        checker.check(data)
        if (checker.taken + checker.refused) % _OFTEN == 0:
            draft.write_text(json.dumps({"taken": checker.taken, "refused": checker.refused}))
            draft.replace(path)

    atheris.Setup([sys.argv[0], *options], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
