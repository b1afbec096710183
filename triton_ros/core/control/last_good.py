# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The version of each model that loaded last, remembered on disk.

At the next start it serves where the versions that should serve do not load.  A version is known by
the content of its directory, so one that was exchanged since does not count.  The file is written
whole or not at all; one that cannot be read or written costs a warning, never a model.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from pathlib import Path
from typing import Any

from triton_ros.core.control.model_repository import ModelDirectory
from triton_ros.core.control.model_signature import content_digest

_LOG = logging.getLogger(__name__)

_BROKEN = (
    OSError,
    ValueError,
    ArithmeticError,  # a version of 1e400
    TypeError,
    KeyError,
    AttributeError,
    RecursionError,
)
"""What reading a damaged file may raise."""


class LastGood:
    """``{model: {"version": 2, "signature": "..."}}`` in a file; None for no memory at all."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._known = self._read()

    def version(self, name: str, directory: ModelDirectory) -> int | None:
        """The version of a model that loaded last, if it is still there as it was."""
        with self._lock:
            known = self._known.get(name)
        if known is None or known["version"] not in directory.versions():
            return None
        version: int = known["version"]
        if content_digest(directory.version_dir(version)) != known["signature"]:
            _LOG.warning("model '%s': version %d, the last that loaded, changed", name, version)
            return None
        return version

    def loaded(self, name: str, version: int, directory: ModelDirectory) -> None:
        """A version (the highest of those that serve) loaded."""
        if self._path is None:
            return
        signature = content_digest(directory.version_dir(version))
        with self._lock:
            before = self._known.get(name)
            self._known[name] = {"version": version, "signature": signature}
            if self._known[name] != before:
                self._write(self._path)

    def _read(self) -> dict[str, dict[str, Any]]:
        if self._path is None or not self._path.exists():
            return {}
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
            return {
                str(name): {
                    "version": int(entry["version"]),
                    "signature": str(entry["signature"]),
                }
                for name, entry in found.items()
            }
        except _BROKEN as error:
            _LOG.warning("last_good_file '%s' cannot be read: %s", self._path, error)
            return {}

    def _write(self, path: Path) -> None:
        fresh = path.with_name(f".{path.name}.new")
        try:
            with fresh.open("w", encoding="utf-8") as file:
                json.dump(self._known, file, indent=1, sort_keys=True)
                file.flush()
                os.fsync(file.fileno())  # or a power cut could leave an empty file
            fresh.replace(path)
        except OSError as error:
            _LOG.warning("last_good_file '%s' cannot be written: %s", path, error)
