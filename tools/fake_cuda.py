# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Compiles `test/gpu/fake_cuda` into a ``libcuda.so.1``, once per state of its source.

The prototypes come from the real ``cuda.h``.  Every function that it declares and the fake has not
becomes an alias of one that answers CUDA_ERROR_NOT_SUPPORTED, so that whatever is linked against
CUDA's driver library also loads against this one.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
SOURCE = CHECKOUT / "test/gpu/fake_cuda"
_DECLARED = re.compile(r"\b(cu[A-Z]\w+) *\(")
_DEFINED = re.compile(r" [TW] (cu[A-Z]\w+)$", re.MULTILINE)
_NOT_SUPPORTED = 801


class CompileError(Exception):
    """What is missing, or what the compiler said."""


def library_directory(build: Path) -> Path:
    """Where this source's library is, once compiled."""
    digest = hashlib.sha256()
    for path in (*sorted(SOURCE.iterdir()), Path(__file__)):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return build / "fake_cuda" / digest.hexdigest()[:16]


def compile_library(build: Path, includes: Sequence[Path]) -> Path:
    """``libcuda.so.1`` below `build`; raises `CompileError`."""
    target = library_directory(build)
    library = target / "libcuda.so.1"
    if library.is_file():
        return library
    if shutil.which("g++") is None:
        raise CompileError("g++ is missing: on Debian and Ubuntu, apt install g++")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as name:
        work = Path(name)
        _compile(work, [f"-I{path}" for path in includes])
        made = work / "made"
        made.mkdir()
        (work / library.name).rename(made / library.name)
        (made / "libcuda.so").symlink_to(library.name)
        shutil.rmtree(target, ignore_errors=True)
        made.rename(target)
    return library


def _compile(work: Path, include: list[str]) -> None:
    flags = ["-std=c++17", "-Wall", "-Wextra", "-Werror", "-fPIC", "-O1", "-g", *include]

    def one(path: Path) -> Path:
        made = work / f"{path.stem}.o"
        _run(["g++", *flags, "-c", str(path), "-o", str(made)])
        return made

    with ThreadPoolExecutor(2) as pool:
        objects = list(pool.map(one, sorted(SOURCE.glob("*.cpp"))))
    defined = set(_DEFINED.findall(_run(["nm", "--defined-only", *map(str, objects)])))
    rest = work / "rest.c"
    rest.write_text(_aliases(_declared(include) - defined))
    _run(["gcc", "-w", "-fPIC", "-c", str(rest), "-o", str(work / "rest.o")])
    library = str(work / "libcuda.so.1")
    link = ["g++", "-shared", "-Wl,-soname,libcuda.so.1", "-Wl,-z,defs", "-o", library]
    _run([*link, *map(str, objects), str(work / "rest.o"), "-ldl", "-lpthread"])


def _declared(include: list[str]) -> set[str]:
    """The functions of cuda.h, under their plain names and under those with a version."""
    names: set[str] = set()
    for header in ("cuda.h", "cudaProfiler.h"):
        for more in ([], ["-D__CUDA_API_VERSION_INTERNAL"]):
            command = ["g++", "-E", *include, *more, "-include", header, "-x", "c++", "/dev/null"]
            names.update(_DECLARED.findall(_run(command)))
    return names


def _aliases(names: set[str]) -> str:
    lines = [f"int fakecuda_not_supported(void) {{ return {_NOT_SUPPORTED}; }}"]
    alias = '__attribute__((alias("fakecuda_not_supported")))'
    return "\n".join([*lines, *(f"int {name}(void) {alias};" for name in sorted(names)), ""])


def _run(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise CompileError(f"{command[0]}: {error.strerror}") from error
    if done.returncode:
        said = "\n".join(done.stderr.splitlines()[:12])
        raise CompileError(f"{' '.join(command[:2])} ... failed:\n{said}")
    return done.stdout
