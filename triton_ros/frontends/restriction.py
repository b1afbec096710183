# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which parts of the API need a key: Triton's restricted APIs, for both protocols.

A restriction is ``<api>[,<api>]:<header>=<value>``.  A value ``$NAME`` is read from the
environment, so that no secret stands in a parameter file; ``authorization=Bearer $NAME`` makes it a
bearer key.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from triton_ros.core.errors import ConfigError

GetHeader = Callable[[str], "str | None"]
"""A header's value by its name in lower case."""

BEARER_HEADER = "authorization"


class Api(Enum):
    """Triton's groups of the API."""

    HEALTH = "health"
    METADATA = "metadata"
    INFERENCE = "inference"
    SHARED_MEMORY = "shared-memory"
    MODEL_CONFIG = "model-config"
    MODEL_REPOSITORY = "model-repository"
    STATISTICS = "statistics"
    TRACE = "trace"
    LOGGING = "logging"


@dataclass(frozen=True, slots=True)
class Key:
    """What a request for a restricted API has to bring."""

    header: str
    value: str

    def fits(self, found: str | None) -> bool:
        """Whether a header's value is the key's; takes as long whatever the value is."""
        if found is None:
            return False
        # what a client sends need not be UTF-8: such bytes come as surrogates
        given = found.encode("utf-8", "surrogateescape")
        return hmac.compare_digest(given, self.value.encode("utf-8", "surrogateescape"))


def parse_restrictions(option: str, entries: Sequence[str]) -> Mapping[Api, Key]:
    """The keys by API; raises `ConfigError` naming the option."""
    found: dict[Api, Key] = {}
    for entry in entries:
        names, colon, rest = entry.partition(":")
        header, equals, value = rest.partition("=")
        if not (colon and equals and header.strip() and value):
            raise ConfigError(
                f"{option}: '{names}{colon}{header}...' is not '<api>[,<api>]:<header>=<value>'"
            )
        key = Key(header.strip().lower(), _expanded(option, value))
        for name in names.split(","):
            api = _api(option, name.strip())
            if api in found:
                raise ConfigError(f"{option}: '{api.value}' is restricted twice")
            found[api] = key
    return found


def _api(option: str, name: str) -> Api:
    try:
        return Api(name)
    except ValueError:
        known = ", ".join(api.value for api in Api)
        raise ConfigError(f"{option}: unknown api '{name}'; accepted: {known}") from None


def _expanded(option: str, value: str) -> str:
    before, dollar, name = value.partition("$")
    if not dollar:
        return value
    secret = os.environ.get(name, "")
    if not secret:
        raise ConfigError(f"{option}: the environment variable '{name}' is not set, or empty")
    return before + secret


class Restrictions:
    """The restricted APIs of one protocol.

    `prefix` is what the protocol puts before the headers' names; ``authorization`` has none.
    """

    def __init__(self, option: str, entries: Sequence[str], prefix: str = "") -> None:
        self._keys = {
            api: Key(_prefixed(prefix, key.header), key.value)
            for api, key in parse_restrictions(option, entries).items()
        }

    def restricts(self, api: Api) -> bool:
        """Whether the API needs a key."""
        return api in self._keys

    def missing(self, api: Api, header: GetHeader) -> str:
        """The header that a request for an API lacks, or has wrong; "" if it may pass."""
        key = self._keys.get(api)
        return "" if key is None or key.fits(header(key.header)) else key.header


def _prefixed(prefix: str, header: str) -> str:
    return header if header == BEARER_HEADER else prefix + header
