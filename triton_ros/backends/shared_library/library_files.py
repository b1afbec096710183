# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Where a backend's library is, whether it is one, and a copy of it that nobody changes.

A library is searched in the version's directory, the model's, and below the backend directory,
and never leaves them.

What is opened is a private copy: a file that is overwritten in place (by ``cp``, while its old
content is mapped) would crash the process, and opening the same file again would give the old
content.  The copy stands beside links to its original's neighbours, so that what the library loads
from its own directory (``$ORIGIN``) is found.

The dynamic linker trusts a file: a truncated one kills the process.  So its header and segments are
checked before.
"""

from __future__ import annotations

import atexit
import hashlib
import re
import shutil
import struct
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from triton_ros.core.errors import InvalidArgumentError

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_MACHINES = {3: "x86", 40: "ARM", 62: "x86-64", 183: "AArch64", 243: "RISC-V"}
_ET_DYN, _PT_LOAD = 3, 1


@dataclass(frozen=True)
class LibraryFile:
    """A library as it was read: two of the same digest and path are the same."""

    path: Path
    data: bytes
    digest: str


def library_name(backend: str) -> str:
    """The file name that a backend's library has."""
    return f"libtriton_{backend}.so"


def search_path(backend: str, version_dir: Path, backend_directory: Path | None) -> list[Path]:
    """Triton's order: the version's directory, the model's, the backend's."""
    name = library_name(backend)
    found = [version_dir / name, version_dir.parent / name]
    if backend_directory is not None:
        found.append(backend_directory / backend / name)
    return found


def has_library(backend: str, backend_directory: Path | None) -> bool:
    """Whether the backend directory has one of this name."""
    if backend_directory is None or not _NAME.fullmatch(backend):
        return False
    return (backend_directory / backend / library_name(backend)).is_file()


def find_library(
    backend: str, version_dir: Path, backend_directory: Path | None
) -> LibraryFile | None:
    """The backend's library, None where there is none.

    Raises `InvalidArgumentError` for a file that is no library for this machine, or a link that
    leads out of its directory.
    """
    if not _NAME.fullmatch(backend):  # it becomes a part of a path
        return None
    for path in search_path(backend, version_dir, backend_directory):
        if path.is_file():
            root = path.parent
            if not path.resolve().is_relative_to(root.resolve()):
                raise InvalidArgumentError(f"{path} is a link that leads out of {root}")
            return _read(path.resolve())
    return None


@contextmanager
def private_copy(library: LibraryFile) -> Iterator[Path]:
    """A copy of what was read, to open; the links to its neighbours last as long as the process."""
    directory = Path(tempfile.mkdtemp(prefix=f"{library.path.stem}_", dir=_private_root()))
    for neighbour in library.path.parent.iterdir():
        if neighbour.name != library.path.name:
            (directory / neighbour.name).symlink_to(neighbour.resolve())
    copy = directory / library.path.name
    copy.write_bytes(library.data)
    try:
        yield copy
    finally:
        copy.unlink()  # what is mapped stays; a process that is killed leaves only links behind


@cache
def _private_root() -> str:
    root = tempfile.mkdtemp(prefix="triton_ros_libraries_")
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    return root


def _read(path: Path) -> LibraryFile:
    data = path.read_bytes()
    reason = _problem(data)
    if reason:
        raise InvalidArgumentError(f"{path} is not a library that can be loaded: {reason}")
    return LibraryFile(path, data, hashlib.sha256(data).hexdigest())


def _problem(data: bytes) -> str:
    """Why the linker should not see these bytes; empty when it may."""
    if not data:
        return "it is empty"
    if len(data) < 64 or data[:4] != b"\x7fELF":
        return "it is no ELF file"
    own = _own_header()
    bits, order = data[4], data[5]
    if (bits, order) != (own[4], own[5]):
        return "it is for a machine of another word size or byte order"
    kind, machine = struct.unpack_from("<HH" if order == 1 else ">HH", data, 16)
    (ours,) = struct.unpack_from("<H" if order == 1 else ">H", own, 18)
    if machine != ours:
        return f"it is for {_machine(machine)}, this process is {_machine(ours)}"
    if kind != _ET_DYN:
        return "it is an ELF file, but no shared library"
    return _truncated(data, bits == 2, "<" if order == 1 else ">")


def _truncated(data: bytes, wide: bool, order: str) -> str:
    """Whether a segment lies beyond the file's end."""
    if wide:
        offset, size, count = (
            struct.unpack_from(f"{order}Q", data, 32)[0],
            *struct.unpack_from(f"{order}HH", data, 54),
        )
    else:
        offset, size, count = (
            struct.unpack_from(f"{order}I", data, 28)[0],
            *struct.unpack_from(f"{order}HH", data, 42),
        )
    if not count or offset + size * count > len(data):
        return "it is truncated or damaged"
    for index in range(count):
        at = offset + index * size
        if wide:
            kind, _flags, begin = struct.unpack_from(f"{order}IIQ", data, at)
            (length,) = struct.unpack_from(f"{order}Q", data, at + 32)
        else:
            kind, begin = struct.unpack_from(f"{order}II", data, at)
            (length,) = struct.unpack_from(f"{order}I", data, at + 16)
        if kind == _PT_LOAD and begin + length > len(data):
            return "it is truncated or damaged"
    return ""


@cache
def _own_header() -> bytes:
    with open(sys.executable, "rb") as file:
        return file.read(64)


def _machine(number: int) -> str:
    return _MACHINES.get(number, f"machine {number}")
