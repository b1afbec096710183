# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether a model's files changed, seen from outside.

Triton compares the newest modification time, so it misses a roll-back to older files.  A signature
has every file with its size, times and inode: whatever is done to a file shows.  What shows need
not be a change of content (`touch`, a copy of the same); `content_digest` tells, at the price of
reading everything.

Hidden files do not count: they are what `rsync` and editors write before they rename.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_CONFIG = "config.pbtxt"
_CONFIGS = "configs"
_BLOCK = 1 << 20
_NOTHING = Path(os.devnull) / "nothing"
"""The file that stands for an empty directory."""

Stat = tuple[int, int, int, int]
"""Size, mtime_ns, inode, ctime_ns; of what cannot be read, zeros."""


@dataclass(frozen=True, slots=True)
class ModelSignature:
    """The files of a model's directory, by their path in it."""

    files: tuple[tuple[str, Stat], ...] = ()

    def version(self, version: int) -> tuple[tuple[str, Stat], ...]:
        """Those of a version."""
        return tuple(entry for entry in self.files if entry[0].startswith(f"{version}/"))

    @property
    def shared(self) -> tuple[tuple[str, Stat], ...]:
        """Those of all versions (labels, warm-up data), without configurations."""
        return tuple(
            (path, stat)
            for path, stat in self.files
            if path != _CONFIG and not (top := path.partition("/")[0]).isdigit() and top != _CONFIGS
        )


def take_signature(directory: Path) -> ModelSignature:
    """The signature of a directory as it is now; an empty one for a directory that is not there."""
    return ModelSignature(tuple(sorted((name, _stat(path)) for name, path in _walk(directory))))


def content_digest(directory: Path) -> str:
    """A hash of every path and every byte below a directory.

    Files that cannot be read count with their name only.
    """
    digest = hashlib.blake2b(digest_size=16)
    for name, path in sorted(_walk(directory)):
        digest.update(f"{len(name)}:{name}:".encode(errors="surrogateescape"))
        try:
            digest.update(f"{path.stat().st_size}:".encode())
            with path.open("rb") as file:
                while block := file.read(_BLOCK):
                    digest.update(block)
        except OSError:
            digest.update(b"?")
    return digest.hexdigest()


def _stat(path: Path) -> Stat:
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0, 0)
    return (found.st_size, found.st_mtime_ns, found.st_ino, found.st_ctime_ns)


def _walk(
    directory: Path, prefix: str = "", above: tuple[tuple[int, int], ...] = ()
) -> Iterator[tuple[str, Path]]:
    """Every file by its path below the directory; links are followed, not in circles.

    An empty directory stands for itself: a version may be one.
    """
    try:
        here = directory.stat()
        with os.scandir(directory) as entries:
            names = [entry.name for entry in entries if not entry.name.startswith(".")]
    except OSError:
        return
    identity = (here.st_dev, here.st_ino)
    if identity in above:
        return
    for name in names:
        path = directory / name
        if path.is_dir():
            below = list(_walk(path, f"{prefix}{name}/", (*above, identity)))
            yield from below or [(f"{prefix}{name}/", _NOTHING)]
        else:
            yield f"{prefix}{name}", path
