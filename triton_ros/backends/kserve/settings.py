# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The parameters of a model whose backend is "kserve", checked and typed."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from triton_ros.backends.support import choice_parameter, integer_parameter
from triton_ros.core.config.config_proto_scheduling import QUEUE_PARAMETERS
from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.errors import ConfigError

_LOG = logging.getLogger(__name__)

HEADER = "header_env."
"""A parameter ``header_env.<header>`` names the environment variable that holds its value."""

NAMES = (
    *("url", "protocol", "remote_model", "remote_version", "fallback_model", "http_data"),
    *("timeout_ms", "attempt_timeout_ms", "connect_timeout_ms"),
    *("retries", "retry_on", "backoff_ms", "backoff_max_ms"),
    *("breaker_failures", "breaker_open_ms", "max_in_flight", "max_hops", "max_response_mb"),
    *("compression", "tls", "tls_ca_file", "tls_cert_file", "tls_key_file"),
)
_NOT_OURS = frozenset(
    ("connection", "content-encoding", "content-length", "content-type", "host", "te")
) | frozenset(("accept-encoding", "inference-header-content-length", "transfer-encoding"))
_URL = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(?P<port>[0-9]{1,5})")
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")
_VALUE = re.compile(r"[\x20-\x7e]+")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Tls:
    """The files' contents are read by the protocol; all lie in the model's directory."""

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None


@dataclass(frozen=True, slots=True)
class RemoteSettings:
    """How a remote model is asked; times are in seconds."""

    model: str
    """Its name here, for messages."""
    addresses: tuple[Address, ...]
    protocol: str
    remote_model: str
    remote_version: str
    fallback_model: str
    http_data: str
    timeout_s: float
    attempt_timeout_s: float
    connect_timeout_s: float
    retries: int
    retry_on: str
    backoff_s: float
    backoff_max_s: float
    breaker_failures: int
    breaker_open_ns: int
    max_in_flight: int
    max_hops: int
    max_response_bytes: int
    compression: str
    tls: Tls | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Secrets: never in a message."""

    @staticmethod
    def of(config: ModelConfig, model_dir: Path) -> RemoteSettings:
        """Raises `ConfigError` that names the parameter, its value and what is accepted."""
        _refuse_unknown(config)
        timeout = _least(config, "timeout_ms", 5000, 1) / 1e3
        attempt = integer_parameter(config, "attempt_timeout_ms", 0) / 1e3
        return RemoteSettings(
            model=config.name,
            addresses=_addresses(config),
            protocol=choice_parameter(config, "protocol", "grpc", ("grpc", "http")),
            remote_model=config.parameters.get("remote_model", "") or config.name,
            remote_version=_version(config),
            fallback_model=_fallback(config),
            http_data=choice_parameter(config, "http_data", "auto", ("auto", "binary", "json")),
            timeout_s=timeout,
            attempt_timeout_s=min(attempt or timeout, timeout),
            connect_timeout_s=_least(config, "connect_timeout_ms", 1000, 1) / 1e3,
            retries=integer_parameter(config, "retries", 1),
            retry_on=choice_parameter(
                config, "retry_on", "unavailable", ("unavailable", "connection")
            ),
            backoff_s=integer_parameter(config, "backoff_ms", 50) / 1e3,
            backoff_max_s=integer_parameter(config, "backoff_max_ms", 1000) / 1e3,
            breaker_failures=integer_parameter(config, "breaker_failures", 5),
            breaker_open_ns=_least(config, "breaker_open_ms", 2000, 1) * 1_000_000,
            max_in_flight=_least(config, "max_in_flight", 16, 1),
            max_hops=integer_parameter(config, "max_hops", 4),
            max_response_bytes=_least(config, "max_response_mb", 256, 1) << 20,
            compression=choice_parameter(
                config, "compression", "none", ("none", "gzip", "deflate")
            ),
            tls=_tls(config, model_dir),
            headers=_headers(config),
        )


def warn_of_open_secrets(settings: RemoteSettings) -> None:
    """Log where a secret goes over a network that anybody may listen to."""
    for address in settings.addresses:
        local = address.host in ("localhost", "::1") or address.host.startswith("127.")
        if settings.headers and settings.tls is None and not local:
            _LOG.warning(
                "model '%s': the header %s goes to %s without encryption: parameters['tls']",
                *(settings.model, ", ".join(settings.headers), address),
            )


def _wrong(config: ModelConfig, name: str, accepted: str) -> ConfigError:
    return ConfigError(
        f"model '{config.name}': parameters['{name}'] must be {accepted},"
        f" got '{config.parameters.get(name, '')}'"
    )


def _refuse_unknown(config: ModelConfig) -> None:
    for name in config.parameters:
        if name not in (*NAMES, *QUEUE_PARAMETERS) and not name.startswith(HEADER):
            raise ConfigError(
                f"model '{config.name}': parameters['{name}'] is none of backend kserve;"
                f" accepted: {', '.join(NAMES)}, {HEADER}<header>"
            )
    if "http_data" in config.parameters and config.parameters.get("protocol") != "http":
        raise _wrong(config, "http_data", "left out unless protocol is http")


def _least(config: ModelConfig, name: str, default: int, least: int) -> int:
    value = integer_parameter(config, name, default)
    if value < least:
        raise _wrong(config, name, f"{least} or more")
    return value


def _addresses(config: ModelConfig) -> tuple[Address, ...]:
    found = []
    for word in config.parameters.get("url", "").split(","):
        match = _URL.fullmatch(word.strip())
        if match is None or not 0 < int(match["port"]) < 65536:
            raise _wrong(
                config,
                "url",
                "<host>:<port>, or several with commas between, without http:// or grpc://"
                " (protocol and tls say that)",
            )
        found.append(Address(match["host"].strip("[]"), int(match["port"])))
    if len(set(found)) != len(found):
        raise _wrong(config, "url", "different servers")
    return tuple(found)


def _version(config: ModelConfig) -> str:
    version = config.parameters.get("remote_version", "")
    if version and not re.fullmatch("[1-9][0-9]{0,18}", version):
        raise _wrong(config, "remote_version", "an integer of 1 or more, or left out (the newest)")
    return version


def _fallback(config: ModelConfig) -> str:
    name = config.parameters.get("fallback_model", "")
    if name == config.name:
        raise _wrong(config, "fallback_model", "another model")
    return name


def _tls(config: ModelConfig, model_dir: Path) -> Tls | None:
    wanted = choice_parameter(config, "tls", "false", ("false", "true")) == "true"
    names = ("tls_ca_file", "tls_cert_file", "tls_key_file")
    if not wanted:
        for name in names:
            if name in config.parameters:
                raise _wrong(config, name, "left out, or given with tls true")
        return None
    ca, cert, key = (_file(config, name, model_dir) for name in names)
    if (cert is None) != (key is None):
        raise ConfigError(
            f"model '{config.name}': parameters['tls_cert_file'] and ['tls_key_file'] belong"
            " together; only one is given"
        )
    return Tls(ca, cert, key)


def _file(config: ModelConfig, name: str, model_dir: Path) -> Path | None:
    """Below the model's directory, whatever links there are."""
    if name not in config.parameters:
        return None
    root = model_dir.resolve()
    path = (root / config.parameters[name]).resolve()
    if root not in path.parents or not path.is_file():
        raise _wrong(config, name, "a file in the model's directory")
    return path


def _headers(config: ModelConfig) -> dict[str, str]:
    found = {}
    for parameter, variable in config.parameters.items():
        if not parameter.startswith(HEADER):
            continue
        name = parameter.removeprefix(HEADER)
        if not _NAME.fullmatch(name) or name in _NOT_OURS or name.startswith("grpc-"):
            raise ConfigError(
                f"model '{config.name}': parameters['{parameter}']: '{name}' cannot be set; it must"
                f" be a header in lower case, not grpc-* and none of {', '.join(sorted(_NOT_OURS))}"
            )
        if name.endswith("-bin"):
            raise ConfigError(
                f"model '{config.name}': parameters['{parameter}']: binary headers (-bin) are not"
                " accepted"
            )
        value = os.environ.get(variable, "")
        if not _VALUE.fullmatch(value):  # not shown: it is a secret
            raise ConfigError(
                f"model '{config.name}': parameters['{parameter}'] names the environment variable"
                f" '{variable}', which must be set to printable ASCII characters"
            )
        found[name] = value
    return found
