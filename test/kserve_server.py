# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A small real KServe V2 server for tests: gRPC or HTTP on loopback, over an `InferenceServer`.

Only what a client of inference needs: readiness, metadata, configuration, inference (binary
extension, streams).  What goes wrong is planted: `before` sees every inference and may block or
raise `Fault`, `alter` changes answers, and `stop` ends it, with what it is at if wanted.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from triton_ros.core.request import Cancellation, InferenceRequest, InferenceResponse
from triton_ros.core.server import InferenceServer
from triton_ros.core.tensor import Array


class Fault(Exception):
    """Answered as it is: an HTTP status, or the name of a gRPC status; 0 hangs up (HTTP)."""

    def __init__(self, status: int | str, body: str = "planted") -> None:
        super().__init__(body)
        self.status = status


@dataclass(frozen=True)
class Seen:
    """An inference that came, as it came."""

    model: str
    version: str
    parameters: Mapping[str, Any]
    headers: Mapping[str, str]
    inputs: Mapping[str, Array]
    outputs: tuple[str, ...] = ()
    id: str = ""


@dataclass
class Remote:
    """`server`'s models by `protocol`; a port of 0 is any, and stays the same from then on."""

    server: InferenceServer
    protocol: str = "grpc"
    port: int = 0
    before: Callable[[Seen], None] = lambda seen: None
    alter: Callable[[dict[str, Array]], dict[str, Array]] = lambda outputs: outputs
    metadata: dict[str, Any] | None = None
    """Instead of the model's own."""
    has_config: bool = True
    extensions: tuple[str, ...] = ("binary_tensor_data",)
    ready: bool = True
    half: bool = False
    """Hang up within the answer (HTTP)."""
    credentials: Any = None
    """gRPC's server credentials, or an `ssl.SSLContext`."""
    seen: list[Seen] = field(default_factory=list)
    cancelled: threading.Event = field(default_factory=threading.Event)

    def start(self) -> Remote:
        # here, because they know this module
        from kserve_server_grpc import GrpcServer  # noqa: PLC0415
        from kserve_server_http import HttpServer  # noqa: PLC0415

        self._serving: Any = (GrpcServer if self.protocol == "grpc" else HttpServer)(self)
        self.port = self._serving.port
        return self

    def stop(self) -> None:
        """At once: what is under way is cut off."""
        self._serving.stop()

    def __enter__(self) -> Remote:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"127.0.0.1:{self.port}"

    # what both protocols serve -----------------------------------------------------------------

    def describe(self, name: str, version: str) -> dict[str, Any]:
        if self.metadata is not None:
            return self.metadata
        described = self.server.describe(name, int(version or -1))
        config = described.config
        batch = [-1] if config.max_batch_size else []
        sides = {"inputs": config.input, "outputs": config.output}
        return {
            "name": name,
            "versions": [str(described.version)],
            "platform": "test",
            **{
                side: [
                    {
                        "name": t.spec.name,
                        "datatype": t.spec.datatype,
                        "shape": [*batch, *t.spec.dims],
                    }
                    for t in tensors
                ]
                for side, tensors in sides.items()
            },
        }

    def config(self, name: str, version: str) -> dict[str, Any]:
        if not self.has_config:
            raise Fault(404 if self.protocol == "http" else "UNIMPLEMENTED", "no configuration")
        config = self.server.describe(name, int(version or -1)).config
        found: dict[str, Any] = {"name": name, "max_batch_size": config.max_batch_size}
        found["model_transaction_policy"] = {"decoupled": config.decoupled}
        if config.sequence_batching:
            found["sequence_batching"] = {}
        return found

    def is_ready(self, name: str, version: str) -> bool:
        return self.ready and self.server.model_ready(name, int(version or -1))

    def infer(self, seen: Seen, token: Cancellation) -> Iterator[InferenceResponse]:
        self.seen.append(seen)
        self.before(seen)
        free = dict(seen.parameters)
        request = InferenceRequest(
            seen.model,
            dict(seen.inputs),
            int(seen.version or -1),
            seen.id,
            seen.outputs,
            correlation_id=free.pop("sequence_id", 0),
            sequence_start=free.pop("sequence_start", False),
            sequence_end=free.pop("sequence_end", False),
            priority=free.pop("priority", 0),
            timeout_us=free.pop("timeout", 0),
            parameters=free,
            cancellation=token,
        )
        for response in self.server.infer_stream(request):
            yield InferenceResponse(
                seen.model,
                response.model_version,
                self.alter(response.outputs),
                response.id,
                parameters=response.parameters,
            )
