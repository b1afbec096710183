# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Toys on a remote V2 server (here in this process), by both protocols."""

from __future__ import annotations

import atexit
import tempfile
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import toy_models
from conformance_case import Case, Made, alive, missing
from toy_models import Toy, write_model

_MISSING = missing("grpc", "pip install grpcio")
TIMEOUT = 60


class _Far:
    """Serves whatever ONNX file it is given, under a name that it makes up."""

    def __init__(self, protocol: str) -> None:
        from kserve_server import Remote  # noqa: PLC0415  (needs grpcio)

        from triton_ros.backends.registry import BackendRegistry  # noqa: PLC0415
        from triton_ros.core.server import InferenceServer  # noqa: PLC0415

        self._directory = tempfile.TemporaryDirectory()
        self._path = Path(self._directory.name)
        self._server = InferenceServer([self._path], BackendRegistry().load_backend)
        self._remote = Remote(self._server, protocol).start()
        self._known: dict[bytes, str] = {}
        atexit.register(self._close)

    def made(self, data: bytes) -> Made:
        name = self._known.setdefault(data, f"toy_{len(self._known)}")
        if not self._server.model_ready(name):
            write_model(self._path / name, Toy(data, "max_batch_size: 16"))
            self._server.load_model(name).result(TIMEOUT)
        parameters = {"url": self._remote.url, "remote_model": name}
        return Made({}, {"parameters": {**parameters, "protocol": self._remote.protocol}})

    def _close(self) -> None:
        self._remote.stop()
        self._server.close()
        self._directory.cleanup()


far = cache(_Far)


def _toy(protocol: str, write: Callable[..., bytes]) -> Callable[..., Made]:
    def make(*arguments: Any, **keywords: Any) -> Made:
        return far(protocol).made(write(*arguments, **keywords))

    return make


def _case(protocol: str, transport: str) -> Case:
    toy = partial(_toy, protocol)
    return Case(
        backend="kserve",
        name=f"kserve-{protocol}",
        filename="",
        package="",
        modules=(),
        alive=alive(transport),
        identity=toy(toy_models.onnx_identity),
        affine=toy(toy_models.onnx_affine),
        add_sub=toy(toy_models.onnx_add_sub),
        slow=toy(lambda: toy_models.onnx_slow(200_000)),
        failing=toy(toy_models.onnx_failing),
        strings_are_text=False,
        has_bf16=False,
        checks_inputs=False,
        names_its_file=False,
        missing=_MISSING,
    )


CASES = [_case("grpc", "GrpcTransport"), _case("http", "HttpTransport")]
