# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The real `tensorrt` Python module of several releases, importable without TensorRT's libraries.

NVIDIA's bindings are wheels of one megabyte on PyPI.  What they are linked against (libnvinfer and
its like, gigabytes and not on PyPI) is replaced by empty libraries with the right names: classes,
signatures, properties and enum values are then the real ones, and nothing can execute.
The wheels are under NVIDIA's licence: fetched here, by exact version and sha256, never committed.
"""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from fetch import FetchError, Package, fetch

PYTHON = (3, 11)
MACHINE = "x86_64"
"""What the wheels pinned below are for."""
_STUB = re.compile(r" U ((?:create|get(?:Nv|Builder|Plugin)|initLib|_ZN\d*nv|_ZT[IV]N8nv)\w*)$")
_NEEDED = re.compile(r"\[(libnv\w+\.so\.\d+)\]")


@dataclass(frozen=True)
class Bindings:
    """One release."""

    version: str
    package: Package


def _bindings(release: str, name: str, tag: str, sha256: str) -> Bindings:
    filename = f"{name.replace('-', '_')}-{release}-cp311-none-{tag}_x86_64.whl"
    return Bindings(release, Package("pip", name, release, filename, sha256))


RELEASES = (
    _bindings(
        *("8.6.1", "tensorrt-bindings", "manylinux_2_17"),
        "705cfab5c60f0bed7d939559d880165a761bd9ac0f4203004948a760eef99838",
    ),
    _bindings(
        *("10.3.0", "tensorrt-cu12-bindings", "manylinux_2_17"),
        "59ace22d7f2ca1e9dcde2cb0cb5916912cb3cd5a9d72dd7852be0160d9b3a0ee",
    ),
    _bindings(
        *("10.16.1.11", "tensorrt-cu12-bindings", "manylinux_2_28"),
        "150ef2b672487e29a8ea916353467c3e199994fb33589167e3641a928e243aa7",
    ),
    _bindings(
        *("11.4.0.106", "tensorrt-cu12-bindings", "manylinux_2_28"),
        "e2ab48f316bbff6a7a44a30e94a9ceb0d2cf6645ff39feadecfa68d7cb7a94bf",
    ),
)
"""JetPack 5 and 6 have 8.5/8.6 and 10.3; the others are the last of their kind."""


def bindings_directory(build: Path, version: str) -> Path:
    """Where a release's `tensorrt_bindings` package is, once fetched; ``stub`` is beside it."""
    return build / "tensorrt_bindings" / version


def get(build: Path) -> None:
    """Fetch and unpack every release; raises `FetchError`."""
    if sys.version_info[:2] != PYTHON or platform.machine() != MACHINE:
        wanted = ".".join(map(str, PYTHON))
        raise FetchError(
            f"the TensorRT bindings are pinned for CPython {wanted} on Linux {MACHINE} only; this"
            f" is {platform.python_version()} on {platform.machine()}"
        )
    for release in RELEASES:
        target = bindings_directory(build, release.version)
        if target.is_dir():
            continue
        wheel = fetch(release.package, build / "downloads")
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as name:
            made = Path(name) / "made"
            zipfile.ZipFile(wheel).extractall(made)
            _stub_libraries(made)
            made.rename(target)


def _stub_libraries(made: Path) -> None:
    """Empty libraries for what the bindings are linked against, with the symbols they want."""
    module = next((made / "tensorrt_bindings").glob("tensorrt*.so"))
    tools = ("nm", "readelf", "gcc")
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        raise FetchError(f"{' and '.join(missing)} missing: on Debian and Ubuntu, apt install gcc")
    stub = made / "stub"
    stub.mkdir()
    undefined = _output(["nm", "-D", "--undefined-only", str(module)]).splitlines()
    symbols = [found[1] for line in undefined if (found := _STUB.search(line))]
    for name in _NEEDED.findall(_output(["readelf", "-d", str(module)])):
        wanted = symbols if name.startswith("libnvinfer.so") else []
        source = stub / "stub.c"
        source.write_text("\n".join([*(f"void* {s}(void) {{ return 0; }}" for s in wanted), ""]))
        flags = ["-w", "-shared", "-fPIC", f"-Wl,-soname,{name}"]
        _output(["gcc", *flags, "-o", str(stub / name), str(source)])


def _output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise FetchError(f"{command[0]} failed: {done.stderr.strip()}")
    return done.stdout
