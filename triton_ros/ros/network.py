# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The network servers beside the node, from configure to cleanup: a port that main fills.

They answer while the node is inactive, too, as its model services do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol, TypeAlias

from rclpy.impl.rcutils_logger import RcutilsLogger

from triton_ros.core.server import InferenceServer
from triton_ros.core.telemetry.stream_figures import StreamFigures


class Frontends(Protocol):
    """What is open."""

    @property
    def addresses(self) -> Mapping[str, str]:
        """``host:port`` by protocol."""
        ...

    def close(self) -> None: ...


Figures: TypeAlias = Callable[[], Iterable[StreamFigures]]
StartFrontends: TypeAlias = Callable[
    [InferenceServer, Mapping[str, Any], Figures], "Frontends | None"
]
"""Opens what the values ask for; raises `ConfigError` naming one that cannot be."""


class Network:
    """The ports that `start` opens."""

    def __init__(self, start: StartFrontends, logger: RcutilsLogger) -> None:
        self._start = start
        self._logger = logger
        self.addresses: Mapping[str, str] = {}
        """``host:port`` by protocol, of what is served now."""

    @contextmanager
    def opened(
        self, server: InferenceServer, values: Mapping[str, Any], figures: Figures
    ) -> Iterator[None]:
        """Served within the block."""
        frontends = self._start(server, values, figures)
        if frontends is None:
            yield
            return
        self.addresses = dict(frontends.addresses)
        for protocol, address in self.addresses.items():
            self._logger.info(f"KServe V2: {protocol} on {address}")
        try:
            yield
        finally:
            self.addresses = {}
            frontends.close()
