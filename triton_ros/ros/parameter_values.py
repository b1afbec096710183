# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Parameters without a node: what a parameter file says, checked by the same table.

For commands that run before there is a robot, or beside one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from triton_ros.core.errors import ConfigError
from triton_ros.ros.parameters import find_spec, unknown_name
from triton_ros.ros.pipelines_file import read_pipelines
from triton_ros.ros.stream_settings import (
    STREAM,
    STREAMS,
    StreamSettings,
    stream_names,
    stream_settings,
)
from triton_ros.vision.yaml_fields import read_mapping

_PARAMETERS = "ros__parameters"


def read_parameter_file(path: Path, node: str = "triton_ros") -> dict[str, Any]:
    """The parameters by full name of a node without a namespace; raises `ConfigError`."""
    found: dict[str, Any] = {}
    for key, section in read_mapping(path).items():
        if key.strip("/") not in ("**", "*", node):
            continue
        if not isinstance(section, dict) or not isinstance(section.get(_PARAMETERS), dict):
            raise ConfigError(f"{path}: '{key}' must hold '{_PARAMETERS}'")
        found |= dict(_flat(section[_PARAMETERS], ""))
    if not found:
        raise ConfigError(f"{path}: no parameters of a node '/**' or '/{node}'")
    return found


def _flat(section: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in section.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def problems_of(values: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with parameters, one message each."""
    for name, value in values.items():
        spec = find_spec(name)
        if spec is None:
            if problem := unknown_name(name):
                yield problem
            continue
        try:
            spec.check(name, value)
        except ConfigError as error:
            yield str(error)


def streams_of(values: Mapping[str, Any]) -> dict[str, StreamSettings]:
    """All streams' settings by name; raises `ConfigError`."""
    return {name: _stream(name, values) for name in stream_names(values)}


def _stream(stream: str, values: Mapping[str, Any]) -> StreamSettings:
    chosen = {}
    for leaf, spec in STREAM.items():
        name = f"{STREAMS}{stream}.{leaf}"
        chosen[leaf] = spec.check(name, values[name]) if name in values else spec.default
    return stream_settings(stream, chosen)


def read_values(params_file: Path | None, pipelines: Path | None) -> dict[str, Any]:
    """What a parameter file and a pipelines file say together; the former wins.

    Raises `ConfigError`.
    """
    values = read_parameter_file(params_file) if params_file else {}
    named = values.get("pipelines_file", "")
    if pipelines is None and named:
        pipelines = Path(os.path.expanduser(named))
    return (read_pipelines(pipelines).parameters if pipelines else {}) | values
