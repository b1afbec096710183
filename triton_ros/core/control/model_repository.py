# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What is on disk: models, versions, files.  Reads; never loads.

Layout, as Triton has it: ``<root>/<model>/{config.pbtxt, configs/<name>.pbtxt, <labels>,
<version>/<file>}``.  Version directories are 64-bit integers without a leading zero; everything
else in a model's directory (``warmup``, ``initial_state``, ``configs``) is its own business.  What
begins with a dot is no model.

Names, and paths in a configuration, stay inside.  Links to files are followed: who may write into
the repository decides what is in it (``colcon build --symlink-install`` makes nothing but links).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from triton_ros.core.config import config_pbtxt
from triton_ros.core.config.config_lines import PlacedError
from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.errors import (
    ConfigError,
    InvalidArgumentError,
    NotFoundError,
    OutOfBoundsError,
)

CUSTOM_CONFIGS = "configs"

_HIGHEST_VERSION = 2**63 - 1
"""Versions are 64-bit integers to clients."""

_SHOWN_NAMES = 20


@dataclass(frozen=True, slots=True)
class ModelDirectory:
    """One model on disk."""

    name: str
    path: Path

    def config_file(self, config_name: str = "") -> Path:
        """``configs/<config_name>.pbtxt`` where the model has it, else ``config.pbtxt``."""
        if config_name:
            custom = self.path / CUSTOM_CONFIGS / f"{config_name}.pbtxt"
            if custom.exists():
                return custom
        return self.path / config_pbtxt.FILE_NAME

    def read_config(self, config_name: str = "") -> ModelConfig:
        """Its configuration; one with only the name where there is no file."""
        path = self.config_file(config_name)
        if not path.exists():
            return ModelConfig(self.name)
        return config_pbtxt.read_config(path, self.name)

    def located(self, error: ConfigError, config_name: str = "") -> ConfigError:
        """The error with the configuration's file and line in front, if there is such a file."""
        return config_pbtxt.located(error, self.config_file(config_name))

    def labels(self, config: ModelConfig) -> Mapping[str, tuple[str, ...]]:
        """The labels of the outputs that have some: a line each, in the order of the classes.

        Raises `ConfigError` for a file that cannot be read.
        """
        found = {}
        for output in config.output:
            if not output.label_filename:
                continue
            path = self.path / output.label_filename
            try:
                text = path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise PlacedError(
                    f"model '{self.name}', output '{output.spec.name}': label_filename"
                    f" '{output.label_filename}' cannot be read: {error}",
                    *("output", output.spec.name, "label_filename"),
                ) from error
            found[output.spec.name] = tuple(line.rstrip("\r") for line in _lines(text))
        return found

    def versions(self) -> tuple[int, ...]:
        """The version directories, ascending."""
        names = [entry.name for entry in self.path.iterdir() if entry.is_dir()]
        return tuple(sorted(int(name) for name in names if _is_version(name)))

    def version_dir(self, version: int) -> Path:
        return self.path / str(version)


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def _is_version(name: str) -> bool:
    if not name.isascii() or not name.isdigit() or (name.startswith("0") and name != "0"):
        return False
    return int(name) <= _HIGHEST_VERSION


def _is_name(name: str) -> bool:
    """Whether a directory's name can be a model's: not hidden (a version control's, an editor's),
    and text, or no index that has it could be sent to anybody.
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return not name.startswith(".")


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN_NAMES
    shown = ", ".join(names[:_SHOWN_NAMES]) or "none"
    return f"{shown} and {more} more" if more > 0 else shown


def _is_dir(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that is too long for the file system is no directory either
        return False


class ModelRepository:
    """One or several root directories, read afresh at every question."""

    def __init__(self, roots: Sequence[Path]) -> None:
        if not roots:
            raise ConfigError("model_repository: at least one directory is needed")
        for root in roots:
            if not root.is_dir():
                raise ConfigError(f"model_repository: '{root}' is not a directory")
        self.roots = tuple(dict.fromkeys(root.resolve() for root in roots))

    def names(self) -> tuple[str, ...]:
        """Every model's name, sorted."""
        found = {
            entry.name
            for root in self.roots
            if root.is_dir()
            for entry in root.iterdir()
            if entry.is_dir() and _is_name(entry.name)
        }
        return tuple(sorted(found))

    def find(self, name: str) -> ModelDirectory:
        """The directory of a model.

        Raises `InvalidArgumentError` for a name that could leave the repository or stands in two
        roots, and `NotFoundError` for one that stands in none.
        """
        if not name.strip():
            raise InvalidArgumentError(
                "Model name cannot be empty. Please enter a valid name to deploy."
            )
        if name in (".", "..") or any(part in name for part in ("/", "\\", "\0")):
            raise OutOfBoundsError(
                f"invalid model name '{name}',"
                " model name must not contain path traversal characters"
            )
        places = [root / name for root in self.roots if _is_name(name) and _is_dir(root / name)]
        if not places:
            raise NotFoundError(
                f"model '{name}' is not in the model repository; it has: {_listed(self.names())}"
            )
        if len(places) > 1:
            raise InvalidArgumentError(f"model '{name}' appears in two or more repositories")
        if places[0].resolve().parent not in self.roots:
            raise OutOfBoundsError(f"model '{name}' is a link that leaves the model repository")
        return ModelDirectory(name, places[0])
