# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the network servers do, with the names of Triton's command line.  Checked at construction.

Two defaults are not Triton's: nothing listens unless it is asked to, and what listens does so on
loopback.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import cast

from triton_ros.core.errors import ConfigError
from triton_ros.frontends.restriction import parse_restrictions

_RANGES: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("http_port", "grpc_port", "metrics_port"), (0, 65535)),
    "http_max_input_size": (1, 1 << 40),
    "grpc_max_message_size": (1, (1 << 31) - 1),
    "max_connections": (1, 100_000),
    "max_in_flight": (1, 100_000),
    "max_request_rate": (0, 1e9),
    "http_header_timeout_secs": (0.01, 3600),
    "http_idle_timeout_secs": (0.01, 86400),
}
_FILES = ("server_cert", "server_key", "root_cert")
_PATTERNS = ("http_header_forward_pattern", "grpc_header_forward_pattern")
_RESTRICTIONS = ("http_restricted_api", "grpc_restricted_protocol")


@dataclass(frozen=True, slots=True)
class FrontendOptions:
    """Options of the HTTP, gRPC and metrics servers."""

    allow_http: bool = False
    http_address: str = "127.0.0.1"
    http_port: int = 8000
    """0 for any that is free."""
    http_max_input_size: int = 64 << 20
    """Bytes of a body, before and after decompression."""
    http_header_timeout_secs: float = 10.0
    """Ours: how long a client may take for a request's head, and then for each part of its body."""
    http_idle_timeout_secs: float = 75.0
    """Ours: how long a connection may stay without a request, or take nothing of its answer."""
    http_header_forward_pattern: str = ""
    """Headers in whose names this is found (in any case) become parameters of the request."""
    http_restricted_api: tuple[str, ...] = ()
    """``<api>[,<api>]:<header>=<value>``; a value ``$NAME`` is that environment variable's."""
    allow_grpc: bool = False
    grpc_address: str = "127.0.0.1"
    grpc_port: int = 8001
    grpc_max_message_size: int = (1 << 31) - 1
    """Ours: bytes of one message that comes in."""
    grpc_header_forward_pattern: str = ""
    grpc_restricted_protocol: tuple[str, ...] = ()
    allow_metrics: bool = False
    metrics_address: str = "127.0.0.1"
    metrics_port: int = 8002
    server_cert: Path | None = None
    """Ours: PEM files for TLS on every port that is open (Triton has one set for gRPC only)."""
    server_key: Path | None = None
    root_cert: Path | None = None
    """With it, clients need a certificate that it signed (mutual TLS)."""
    allow_model_control: bool = True
    """Ours: whether the network may load and unload.  ROS may, either way."""
    allow_client_shm: bool = False
    max_connections: int = 256
    """Ours: of HTTP, and of gRPC, which has as many calls at once."""
    max_in_flight: int = 1024
    """Ours: inferences of all clients that are under way; more are refused as unavailable."""
    max_request_rate: float = 0.0
    """Ours: requests per second of one client's address, with bursts of a second's worth; 0 for
    any number."""

    def __post_init__(self) -> None:
        for name in (f.name for f in fields(self) if f.type == "bool"):
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(f"{name} is {getattr(self, name)!r}; accepted: true, false")
        for name, (least, most) in _RANGES.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ConfigError(f"{name} is {value!r}; accepted: a number")
            if not least <= value <= most:  # NaN neither
                raise ConfigError(f"{name} is {value}; accepted: {least} .. {most}")
        for name in _PATTERNS:
            _check_pattern(name, getattr(self, name))
        for name in _RESTRICTIONS:
            parse_restrictions(name, getattr(self, name))
        self._check_tls()

    @staticmethod
    def of(values: Mapping[str, object]) -> FrontendOptions:
        """From plain values, as parameter files and command lines have them: "" is no file.

        Raises `ConfigError`, also for a name that is none of the options'.
        """
        known = {f.name for f in fields(FrontendOptions)}
        if unknown := sorted(set(values) - known):
            raise ConfigError(
                f"unknown option '{unknown[0]}'; accepted: {', '.join(sorted(known))}"
            )
        given = dict(values)
        for name in _FILES:
            path = given.get(name)
            if isinstance(path, str):
                given[name] = Path(os.path.expanduser(path)) if path else None
        for name in _RESTRICTIONS:
            given[name] = tuple(cast("Iterable[str]", given.get(name, ())))
        return FrontendOptions(**given)  # type: ignore[arg-type]

    @property
    def any(self) -> bool:
        """Whether anything listens."""
        return self.allow_http or self.allow_grpc or self.allow_metrics

    def _check_tls(self) -> None:
        if (self.server_cert is None) != (self.server_key is None):
            raise ConfigError("server_cert and server_key go together; accepted: both or neither")
        if self.root_cert is not None and self.server_cert is None:
            raise ConfigError("root_cert is for mutual TLS, which needs server_cert and server_key")
        for name in _FILES:
            path = getattr(self, name)
            if path is not None and not path.is_file():
                raise ConfigError(f"{name} is '{path}'; accepted: a file that is there")


def _check_pattern(name: str, pattern: str) -> None:
    try:
        re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        raise ConfigError(
            f"{name} is {pattern!r}; accepted: a regular expression: {error}"
        ) from error
