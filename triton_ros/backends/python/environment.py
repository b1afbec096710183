# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The interpreter that a model runs with: the server's own, or what `EXECUTION_ENV_PATH` names.

That is a virtual or conda environment, as a directory or as an archive (conda-pack's tar.gz).  An
archive is unpacked once, under its content's hash; no member of it may leave that directory.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tarfile
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from triton_ros.core.errors import ConfigError, InternalError, InvalidArgumentError

_MODEL_DIRECTORY = "$$TRITON_MODEL_DIRECTORY"


@dataclass(frozen=True)
class Interpreter:
    """A Python and the variables that it needs."""

    python: str = sys.executable
    variables: dict[str, str] = field(default_factory=lambda: dict(os.environ))


def interpreter(model: str, path: str, model_dir: Path) -> Interpreter:
    """The one of that `EXECUTION_ENV_PATH`; raises `ConfigError` or `InvalidArgumentError`."""
    if not path:
        return Interpreter()
    place = f"model '{model}': parameters['EXECUTION_ENV_PATH'] '{path}'"
    named = Path(path.replace(_MODEL_DIRECTORY, str(model_dir.resolve())))
    if not named.is_absolute():
        raise ConfigError(f"{place} must be absolute, or begin with {_MODEL_DIRECTORY}")
    if path.startswith(_MODEL_DIRECTORY) and not named.resolve().is_relative_to(
        model_dir.resolve()
    ):
        raise ConfigError(f"{place} leaves the model's directory")
    if named.is_file():
        named = _unpacked(named, place)
    python = named / "bin" / "python"
    if not os.access(python, os.X_OK):
        raise ConfigError(
            f"{place} must be an environment's directory or its archive: there is no {python}"
        )
    variables = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    libraries = [str(named / "lib"), variables.get("LD_LIBRARY_PATH", "")]
    variables["LD_LIBRARY_PATH"] = ":".join(filter(None, libraries))
    variables["PATH"] = f"{named / 'bin'}:{variables.get('PATH', '')}"
    return Interpreter(str(python), variables)


def cache_directory() -> Path:
    """Where archives are unpacked."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "triton_ros" / "python_environments"


def _unpacked(archive: Path, place: str) -> Path:
    digest = hashlib.sha256()
    with archive.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    target = cache_directory() / digest.hexdigest()[:32]
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=target.parent))
    try:
        with tarfile.open(archive) as tar:
            _extract(tar, work)
        work.chmod(0o755)
        work.rename(target)  # whole or not at all; another load may have been faster
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise InvalidArgumentError(f"{place} cannot be unpacked: {error}") from error
    except OSError as error:  # a full disk, say
        if not target.is_dir():
            raise InternalError(f"{place} cannot be unpacked: {error}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return target


def _extract(tar: tarfile.TarFile, work: Path) -> None:
    """`tarfile`'s own filter where it has one (3.11.4, 3.10.12), else the same by hand."""
    if hasattr(tarfile, "data_filter"):
        tar.extractall(work, filter="data")
        return
    for member in tar.getmembers():
        inside = (work / member.name).resolve().is_relative_to(work)
        linked = (work / member.name).parent / member.linkname
        if member.islnk():
            linked = work / member.linkname
        links = member.issym() or member.islnk()
        if not inside or not (member.isfile() or member.isdir() or links):
            raise ValueError(f"'{member.name}' would leave the directory")
        if links and not linked.resolve().is_relative_to(work):
            raise ValueError(f"'{member.name}' links to '{member.linkname}', outside")
        tar.extract(member, work)
