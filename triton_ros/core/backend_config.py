# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Settings of a whole backend: Triton's ``--backend-config=<backend>,<setting>=<value>``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TypeAlias

from triton_ros.core.errors import ConfigError

BackendSettings: TypeAlias = Mapping[str, str]
EMPTY: BackendSettings = MappingProxyType({})


def parse_backend_config(entries: Iterable[str]) -> dict[str, dict[str, str]]:
    """``<backend>,<setting>=<value>`` entries by backend; raises `ConfigError`.

    Whether a backend knows a setting is said when its first model loads.
    """
    found: dict[str, dict[str, str]] = {}
    for entry in entries:
        backend, comma, setting = entry.partition(",")
        key, equals, value = setting.partition("=")
        if not (backend and comma and key and equals):
            raise ConfigError(f"backend_config '{entry}': accepted are <backend>,<setting>=<value>")
        if key in found.setdefault(backend, {}):
            raise ConfigError(f"backend_config: '{backend},{key}' is given twice")
        found[backend][key] = value
    return found
