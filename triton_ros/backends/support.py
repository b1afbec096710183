# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What every backend says in the same words: model files, parameters, inputs that do not fit."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from triton_ros.core.backend import Signature
from triton_ros.core.backend_config import BackendSettings
from triton_ros.core.config.config_lines import PlacedError
from triton_ros.core.config.config_proto_scheduling import QUEUE_PARAMETERS
from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.errors import (
    ConfigError,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    UnsupportedError,
    missing_package,
)
from triton_ros.core.tensor import Array, TensorSpec, datatype_of

_LOG = logging.getLogger(__name__)


def import_failure(error: ImportError, backend: str, package: str) -> UnsupportedError:
    """What to raise when a runtime cannot be imported: not installed, or broken."""
    if isinstance(error, ModuleNotFoundError):
        return missing_package(f"the {backend} backend", package)
    return UnsupportedError(f"the {backend} backend cannot import '{package}': {error}")


def model_file(
    config: ModelConfig, version_dir: Path, *defaults: str, directory: bool = False
) -> Path:
    """Where the version's file (or, for some, directory) is; raises `NotFoundError` otherwise.

    It is the first of `defaults` that is there, unless the configuration names another.
    """
    names = (config.default_model_filename,) if config.default_model_filename else defaults
    for path in (version_dir / name for name in names):
        if path.is_file() or (directory and path.is_dir()):
            return path
    found = sorted(p.name for p in version_dir.iterdir()) if version_dir.is_dir() else []
    missing = " and ".join(f"{version_dir / name} does not exist" for name in names)
    raise NotFoundError(
        f"model '{config.name}': {missing}"
        f" (the version directory holds: {', '.join(found) or 'nothing'});"
        " default_model_filename names another file"
    )


def integer_parameter(config: ModelConfig, name: str, default: int) -> int:
    """A parameter that is an integer of 0 or more; raises `ConfigError` otherwise."""
    text = config.parameters.get(name)
    if text is None:
        return default
    try:
        value = int(text)
    except ValueError:
        value = -1
    if value < 0:
        raise ConfigError(
            f"model '{config.name}': parameters['{name}'] must be an integer of 0 or more,"
            f" got '{text}'"
        )
    return value


def check_settings(backend: str, settings: BackendSettings, accepted: tuple[str, ...] = ()) -> None:
    """Refuse settings of the whole backend that it does not know; raises `ConfigError`."""
    for key in settings:
        if key not in accepted:
            raise ConfigError(
                f"backend_config: '{backend},{key}' is not a setting of backend {backend};"
                f" accepted: {', '.join(accepted) or 'none'}"
            )


def check_heeded(
    config: ModelConfig,
    backend: str,
    optimization: tuple[str, ...] = (),
    group: tuple[str, ...] = (),
) -> None:
    """Refuse what this backend would not act on.

    `optimization` are the fields that it heeds (or all below a field), `group` those of
    ``profile`` and ``secondary_devices``.  Raises `ConfigError`.
    """
    accepted = (*optimization, "input_pinned_memory", "output_pinned_memory")
    for name in sorted(config.optimization.stated):
        if not any(f"{name}.".startswith(f"{heeded}.") for heeded in accepted):
            raise PlacedError(
                f"model '{config.name}': optimization.{name} does nothing for backend {backend};"
                f" accepted: {', '.join(accepted)}",
                *("optimization", *name.split(".")),
            )
    for index, each in enumerate(config.instance_group):
        for name in ("profile", "secondary_devices"):
            if getattr(each, name) and name not in group:
                raise PlacedError(
                    f"model '{config.name}': instance_group.{name} does nothing for backend"
                    f" {backend}; drop it",
                    *("instance_group", index, name),
                )


def warn_of_unknown_parameters(config: ModelConfig, known: Iterable[str]) -> None:
    """Log `parameters` that nobody reads: a slip, or a setting of Triton's that this has not.

    They are not refused, for a repository made for Triton has to load.
    """
    names = {*known, *QUEUE_PARAMETERS}
    for name in config.parameters:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            meant = (
                f", did you mean '{near[0]}'?" if near else f"; known: {', '.join(sorted(names))}"
            )
            _LOG.warning(
                "model '%s': parameters['%s'] does nothing for backend %s%s",
                *(config.name, name, config.backend, meant),
            )


def choice_parameter(
    config: ModelConfig, name: str, default: str, accepted: tuple[str, ...]
) -> str:
    """A parameter that is one of a few words; raises `ConfigError` otherwise."""
    value = config.parameters.get(name, default)
    if value not in accepted:
        raise ConfigError(
            f"model '{config.name}': parameters['{name}'] must be one of"
            f" {', '.join(accepted)}, got '{value}'"
        )
    return value


def check_inputs(signature: Signature, inputs: Mapping[str, Array]) -> None:
    """Raise `InvalidArgumentError` when names, datatypes or shapes are not the file's."""
    names = [spec.name for spec in signature.inputs]
    if inputs.keys() != set(names):
        missing = [n for n in names if n not in inputs]
        unknown = [n for n in inputs if n not in names]
        raise InvalidArgumentError(
            f"inputs must be {listed(names)};"
            f" missing: {listed(missing)}; unknown: {listed(unknown)}"
        )
    for spec in signature.inputs:
        _check_input(spec, inputs[spec.name])


def _check_input(spec: TensorSpec, value: Array) -> None:
    if value.dtype != spec.dtype and datatype_of(value.dtype) != spec.datatype:
        raise InvalidArgumentError(
            f"input '{spec.name}' must be {spec.datatype}, got {datatype_of(value.dtype)}"
        )
    if not spec.accepts(value.shape):
        raise InvalidArgumentError(
            f"input '{spec.name}' must have the shape {list(spec.dims)} (-1: any),"
            f" got {list(value.shape)}"
        )


def as_text(name: str, value: Array) -> Array:
    """A BYTES input with every element a `str`; `bytes` are read as UTF-8."""
    flat = [_text(name, item) for item in value.ravel().tolist()]
    out = np.empty(len(flat), np.object_)
    out[:] = flat
    return out.reshape(value.shape)


def _text(name: str, item: object) -> str:
    if isinstance(item, str):
        return item
    if not isinstance(item, bytes):
        raise InvalidArgumentError(
            f"input '{name}': elements must be str or bytes, got {type(item).__name__}"
        )
    try:
        return item.decode()
    except UnicodeDecodeError as error:
        raise InvalidArgumentError(
            f"input '{name}': an element of bytes is not UTF-8: {error}"
        ) from error


def released(name: str) -> InternalError:
    """The error of an `execute` after `finalize`."""
    return InternalError(f"model '{name}': this instance was released")


def listed(names: Iterable[str]) -> str:
    """Names in quotes, for a message."""
    return ", ".join(f"'{name}'" for name in names) or "none"
