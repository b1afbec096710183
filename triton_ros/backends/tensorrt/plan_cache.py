# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Plans that were built on this machine, kept by what they were built from and for.

A plan fits one release of TensorRT and one kind of GPU, so both are part of its key: after an
upgrade it is not found, and built again.  Files appear whole or not at all.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
import threading
from collections.abc import Iterable
from pathlib import Path

from triton_ros.core.errors import ConfigError

_LOG = logging.getLogger(__name__)


def default_directory() -> Path:
    """Below ``$XDG_CACHE_HOME``, else ``~/.cache``."""
    root = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(root) / "triton_ros" / "plans"


class PlanCache:
    """A directory; `building` is held by who builds, for parallel builds spoil each other's timing.

    A plan is a program: the directory belongs to the user who runs this, and nobody else may write.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.building = threading.Lock()

    def path(self, key: str, suffix: str) -> Path:
        """Where a thing is kept, or would be."""
        return self._directory / f"{key}.{suffix}"

    def read(self, key: str, suffix: str = "plan") -> bytes | None:
        """None when there is none.  Raises `ConfigError` for a directory that others may write."""
        try:
            data = self.path(key, suffix).read_bytes()
        except OSError:
            return None
        self._check()
        return data

    def write(self, key: str, data: bytes, suffix: str = "plan") -> None:
        """Keep it; where that cannot be (a full disk), say so and go on."""
        try:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._check()
            handle, name = tempfile.mkstemp(dir=self._directory, suffix=".part")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                os.replace(name, self.path(key, suffix))
            except BaseException:
                os.unlink(name)
                raise
        except OSError as error:
            _LOG.warning("%s cannot be kept: %s", self.path(key, suffix), error)

    def forget(self, key: str) -> None:
        """Remove a plan."""
        self.path(key, "plan").unlink(missing_ok=True)

    def _check(self) -> None:
        found = self._directory.stat()
        if found.st_uid not in (os.getuid(), 0) or found.st_mode & 0o022:
            raise ConfigError(
                f"backend_config: 'tensorrt,plan-cache-directory' {self._directory} can be written"
                " by others, and a plan is a program: it must be this user's alone (chmod go-w)"
            )


def key_of(parts: Iterable[str | bytes]) -> str:
    """A name for what these parts together determine."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()[:32]
