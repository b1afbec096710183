# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Model repositories for measurements: models of the demo's, copied under other names."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.processes import REPOSITORY


@contextmanager
def copies(names: Mapping[str, str], instances: int = 1) -> Iterator[Path]:
    """A repository: by its new name, the model that is copied; each with so many instances."""
    with TemporaryDirectory() as root:
        for name, model in names.items():
            shutil.copytree(REPOSITORY / model, Path(root) / name)
            config = Path(root) / name / "config.pbtxt"
            text = config.read_text().replace(f'"{model}"', f'"{name}"')
            config.write_text(re.sub(r"count: \d+", f"count: {instances}", text))
        yield Path(root)
