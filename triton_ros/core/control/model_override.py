# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Loads that bring their own configuration, or their own files.

A configuration that came with a load stays in force over plain loads until the model's files change
or it is unloaded.  Files that came with a load make a temporary directory that replaces the model's
own until it is unloaded; it is removed when the last version that was loaded from it is closed.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from triton_ros.core.config.config_json import config_from_json
from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.control.model_repository import ModelDirectory, ModelRepository
from triton_ros.core.control.model_signature import ModelSignature, take_signature
from triton_ros.core.control.model_source import ModelSource
from triton_ros.core.errors import (
    ConfigError,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    OutOfBoundsError,
    TritonError,
)

FILE_PREFIX = "file:"


@dataclass(frozen=True, slots=True)
class Override:
    """What a load brought; `directory` is None if it was only a configuration."""

    config: ModelConfig
    directory: ModelDirectory | None = None
    signature: ModelSignature = field(default_factory=ModelSignature)
    """Of the model's own files when it came: a configuration holds as long as they are these."""

    def holds(self, signature: ModelSignature) -> bool:
        """Whether it is still in force over a plain load; `signature` is of the model's own files
        now.
        """
        return self.directory is not None or signature == self.signature

    @property
    def exists(self) -> bool:
        """Whether there is a temporary directory."""
        return self.directory is not None and self.directory.path.parent.exists()

    def remove(self) -> None:
        """Remove the temporary directory, if there is one."""
        if self.directory is not None:
            shutil.rmtree(self.directory.path.parent, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class LoadOrder:
    """What is asked of a load."""

    config: str = ""
    """JSON of the configuration to use instead of the model's own."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """To be used instead of the model's own, by ``<version>/<path>``."""
    explicit: bool = True
    """Asked for by name, not pulled in by an ensemble."""
    always: bool = True
    """Load again what is loaded and did not change."""
    fallback: bool = False
    """The last version that loaded may stand in for those that fail."""
    version: int | None = None
    """Only this one, whatever the version policy says."""


class ModelSources:
    """What models are loaded from, with the overrides that are in force."""

    def __init__(self, repository: ModelRepository, config_name: str = "") -> None:
        self._repository = repository
        self._config_name = config_name
        self._overrides: dict[str, Override] = {}
        self._written: list[Override] = []
        self._lock = threading.Lock()

    def open(self, name: str, order: LoadOrder) -> tuple[ModelSource, Override | None]:
        """What a load would use, and the override (a new one or the one in force) if it would use
        one.  A new one that comes to nothing has to be removed by the caller.

        Raises `TritonError`.
        """
        if order.files and not order.config:
            raise InvalidArgumentError(
                f"failed to load '{name}', failed to poll from model repository:"
                " Load parameter 'config' must be specified for model file override"
            )
        own, missing = self._own(name)
        signature = take_signature(own.path) if own else ModelSignature()
        override = self._overrides.get(name)
        if order.config:
            config = config_from_json(order.config, name)
            override = Override(
                config, write_files(name, order.files) if order.files else None, signature
            )
            with self._lock:
                self._written = [o for o in self._written if o.exists] + [override]
        elif override and not override.holds(signature):
            override = None
        if override and override.directory:
            own, signature = override.directory, take_signature(override.directory.path)
        if own is None:
            raise missing
        config = override.config if override else own.read_config(self._config_name)
        return ModelSource(own, config, signature), override

    def find_config(self, name: str) -> ModelConfig:
        """What a plain load would use, but for changes of the files.  Raises `TritonError`."""
        override = self._overrides.get(name)
        if override:
            return override.config
        return self._repository.find(name).read_config(self._config_name)

    def located(self, error: ConfigError, source: ModelSource) -> ConfigError:
        """The error with file and line of the model's own configuration."""
        return source.directory.located(error, self._config_name)

    def replace(self, name: str, override: Override | None) -> Override | None:
        """Put an override (or none) in force; the one that was, if it has to be removed now."""
        before = self._overrides.pop(name, None)
        if override:
            self._overrides[name] = override
        return before if before is not override else None

    def in_force(self, name: str) -> Override | None:
        """The override that the served versions were loaded with."""
        return self._overrides.get(name)

    def close(self) -> None:
        """Remove what overrides left on disk, whoever may still use it."""
        for override in self._written:
            override.remove()

    def _own(self, name: str) -> tuple[ModelDirectory | None, TritonError]:
        try:
            return self._repository.find(name), NotFoundError("")
        except NotFoundError as error:
            return None, error


def write_files(name: str, files: Mapping[str, bytes]) -> ModelDirectory:
    """A temporary model directory with these files, by their path in it (``1/model.onnx``, with or
    without ``file:`` in front).

    Raises `InvalidArgumentError` for a path that leaves the directory or cannot be a file's, and
    `InternalError` if there is no room.  Nothing is left behind then.
    """
    root = Path(tempfile.mkdtemp(prefix="triton_ros_")).resolve()
    try:
        directory = root / name
        directory.mkdir()
        for key, data in files.items():
            _write(directory, key.removeprefix(FILE_PREFIX), data)
    except BaseException as error:
        shutil.rmtree(root, ignore_errors=True)
        if isinstance(error, OSError):
            if error.errno == errno.ENAMETOOLONG:
                raise InvalidArgumentError(
                    f"model '{name[:50]}': a name or path of its files is too long"
                ) from error
            raise InternalError(f"model '{name}': its files cannot be written: {error}") from error
        raise
    return ModelDirectory(name, directory)


def _write(directory: Path, relative: str, data: bytes) -> None:
    shown = f"{FILE_PREFIX}{relative}"
    try:
        path = Path(os.path.realpath(f"{directory}/{relative}"))
    except ValueError as error:  # a zero byte
        raise InvalidArgumentError(f"Invalid file parameter '{shown}': {error}") from error
    if directory not in path.parents:
        raise OutOfBoundsError(
            f"Invalid file parameter '{shown}' with normalized path '{path}' must stay within"
            " model directory."
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise InvalidArgumentError(
            f"Invalid file parameter '{shown}', directory has been created as a file"
        ) from error
