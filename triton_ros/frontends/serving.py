# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""All the network servers of one inference server: opened together, closed together.

Each protocol's module is imported when its port is opened, so a robot that serves none needs none
of their libraries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from functools import partial
from importlib import import_module
from typing import Protocol, TypeAlias

from triton_ros.core.errors import missing_package
from triton_ros.core.server import InferenceServer
from triton_ros.core.telemetry.stream_figures import StreamFigures
from triton_ros.frontends.data_plane import DataPlane
from triton_ros.frontends.options import FrontendOptions
from triton_ros.frontends.shared_memory import OpenCuda, no_cuda

Streams: TypeAlias = Callable[[], Iterable[StreamFigures]]


class Frontend(Protocol):
    """One listening port."""

    @property
    def port(self) -> int: ...

    def start(self) -> None:
        """Raises `ConfigError` for an address or a port that cannot be had."""
        ...

    def close(self, timeout: float) -> None:
        """Refuse what is new, give what is under way `timeout` seconds, release everything."""
        ...


_MAKERS = {
    "grpc": ("triton_ros.frontends.grpc.frontend", "GrpcFrontend"),
    "metrics": ("triton_ros.frontends.metrics.frontend", "MetricsFrontend"),
    "http": ("triton_ros.frontends.http.frontend", "HttpFrontend"),
}
"""By protocol: where it is, and what it is called.  Made with the data plane and the options; of
metrics, with the streams, too.  Opened in this order: who hears over HTTP that the server is ready
can use the others.
"""


class Frontends:
    """The ports that `options` open, over one server."""

    def __init__(
        self,
        server: InferenceServer,
        options: FrontendOptions,
        version: str,
        streams: Streams = tuple,
        open_cuda: OpenCuda = no_cuda,
    ) -> None:
        self._options = options
        self.plane = DataPlane(server, options, version, open_cuda)
        self._streams = streams
        self._timeout = server.options.exit_timeout_secs
        self._open = ExitStack()
        self.addresses: dict[str, str] = {}
        """``host:port`` of each protocol that is served."""

    def start(self) -> None:
        """Open every port, or none: raises what the first one raised that cannot be opened."""
        with ExitStack() as opening:
            opening.callback(self.plane.close)
            for protocol in _MAKERS:
                if getattr(self._options, f"allow_{protocol}"):
                    opening.callback(partial(self._start(protocol).close, self._timeout))
            opening.callback(self.plane.stop)
            self._open = opening.pop_all()

    def close(self) -> None:
        """Refuse what is new, finish what is under way, close the ports."""
        self._open.close()
        self.addresses = {}

    def _start(self, protocol: str) -> Frontend:
        module, name = _MAKERS[protocol]
        more = (self._streams,) if protocol == "metrics" else ()
        try:
            make = getattr(import_module(module), name)
        except ModuleNotFoundError as error:
            raise missing_package(f"allow_{protocol}", str(error.name)) from error
        frontend: Frontend = make(self.plane, self._options, *more)
        frontend.start()
        host = getattr(self._options, f"{protocol}_address")
        self.addresses[protocol] = f"{host}:{frontend.port}"
        return frontend


def start_frontends(
    server: InferenceServer,
    values: Mapping[str, object],
    version: str,
    streams: Streams = tuple,
    open_cuda: OpenCuda = no_cuda,
) -> Frontends | None:
    """Open what `values` (by `FrontendOptions`' names) ask for; None if that is nothing.

    Raises `ConfigError` naming the value, `UnsupportedError` naming a package that is missing.
    """
    options = FrontendOptions.of(values)
    if not options.any:
        return None
    frontends = Frontends(server, options, version, streams, open_cuda)
    frontends.start()
    return frontends
