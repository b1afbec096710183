# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Compiles the host, and backends against its headers: ``python -m <this module>``.

Without arguments it builds the host into the cache and prints where it is; with sources, a backend:

    python -m triton_ros.backends.shared_library.build -o libtriton_mine.so mine.c
    python -m triton_ros.backends.shared_library.build --examples <backend directory>

The cache is keyed by the sources, the command and the machine, so that an update of this package
is a new library, and a home directory that two machines share holds one for each.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from triton_ros.core.errors import InternalError, InvalidArgumentError, UnsupportedError

HERE = Path(__file__).resolve().parent
NATIVE = HERE / "native"
INCLUDE = NATIVE / "include"
EXAMPLES = HERE / "examples"
HOST = "libtritonserver.so"
"""The name that backends are linked to."""

_C = ("-std=c99", "-D_GNU_SOURCE")
_CXX = ("-std=c++17",)
_FLAGS = ("-O3", "-fPIC", "-shared", "-pthread", "-Wall", "-Wextra")
_TIMEOUT = 300.0


def cache_directory() -> Path:
    """Where built hosts are kept: below ``$XDG_CACHE_HOME``, else ``~/.cache``."""
    root = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(root) / "triton_ros" / "shared_library"


def host_library() -> Path:
    """The built host; compiles it if the cache has none.

    Raises `UnsupportedError` where there is no compiler and `InternalError` where it fails.
    """
    sources = sorted(NATIVE.glob("*.c"))
    flags = (*_C, *_FLAGS, f"-Wl,-soname,{HOST}", "-Wl,--no-undefined", f"-I{INCLUDE}")
    target = cache_directory() / _key(sources, flags) / HOST
    if not target.is_file():
        _compile([_compiler("cc"), *flags, *map(str, sources), "-ldl", "-lm"], target)
    return target


def build_backend(sources: Sequence[Path], target: Path) -> Path:
    """Compile a backend of C or C++ sources against our headers, linked to the host.

    Raises as `host_library` does, and `InvalidArgumentError` for a source that is not there.
    """
    for source in sources:
        if not source.is_file():
            raise InvalidArgumentError(f"{source} does not exist")
    plain = all(source.suffix == ".c" for source in sources)
    host = host_library()
    command = [_compiler("cc" if plain else "c++"), *(_C if plain else _CXX), *_FLAGS]
    command += [f"-I{INCLUDE}", *map(str, sources), f"-L{host.parent}", f"-l:{HOST}", "-lm"]
    _compile(command, target)
    return target


def build_examples(directory: Path) -> list[Path]:
    """Compile the example backends into ``<directory>/<name>/libtriton_<name>.so``."""
    return [
        build_backend([source], directory / source.stem / f"libtriton_{source.stem}.so")
        for source in sorted(EXAMPLES.glob("*.c"))
    ]


def _key(sources: Sequence[Path], flags: Sequence[str]) -> str:
    digest = hashlib.sha256(" ".join(flags).replace(str(HERE), "").encode())
    for path in (*sources, *sorted(NATIVE.rglob("*.h"))):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return f"{platform.machine()}-{digest.hexdigest()[:20]}"


def _compiler(kind: str) -> str:
    """The compiler that ``CC`` or ``CXX`` names, else the system's."""
    named = os.environ.get({"cc": "CC", "c++": "CXX"}[kind])
    for candidate in (named,) if named else (kind, {"cc": "gcc", "c++": "g++"}[kind]):
        found = shutil.which(candidate)
        if found:
            return found
    package = {"cc": "gcc", "c++": "g++"}[kind]
    raise UnsupportedError(
        f"backends in C need a compiler for their host, and '{named or kind}' was not found:"
        f" apt install {package} libc6-dev"
    )


def _compile(command: Sequence[str], target: Path) -> None:
    """Run the compiler; the target appears at once and whole."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as work:
            made = Path(work) / target.name
            done = subprocess.run(
                [*command, "-o", str(made)],
                capture_output=True,
                text=True,
                timeout=_TIMEOUT,
                check=False,
            )
            if done.returncode:
                raise InternalError(f"{target.name} cannot be compiled:\n{done.stderr.strip()}")
            os.replace(made, target)
            if done.stderr:  # warnings are for whoever wrote it
                print(done.stderr.rstrip(), file=sys.stderr)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnsupportedError(f"{target} cannot be built: {error}") from error


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="Compile the host of C backends, or a backend.")
    parser.add_argument("sources", nargs="*", type=Path, help="of a backend, in C or C++")
    parser.add_argument("-o", "--output", type=Path, help="its libtriton_<name>.so")
    parser.add_argument(
        "--examples", type=Path, metavar="DIR", help="compile the examples into DIR"
    )
    given = parser.parse_args(arguments)
    if bool(given.sources) != bool(given.output):
        parser.error("sources and --output go together")
    if given.sources:
        print(build_backend(given.sources, given.output))
    elif given.examples:
        print(*build_examples(given.examples), sep="\n")
    else:
        print(host_library())
    return 0


if __name__ == "__main__":
    sys.exit(main())
