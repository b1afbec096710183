# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A server of toy models behind the real frontends, on ports of its own; and keys for TLS."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from toy_models import Toy, onnx_add_sub, onnx_failing, onnx_identity, write_repository
from tritonclient.grpc import service_pb2

from triton_ros.core.server import InferenceServer
from triton_ros.core.server_options import ServerOptions
from triton_ros.frontends.serving import Frontends
from triton_ros.main import make_server, start_frontends

IN_PROCESS = 'parameters { key: "IN_PROCESS" value { string_value: "true" } }'
REPEAT_CONFIG = f"""
backend: "python"
model_transaction_policy {{ decoupled: true }}
input [{{ name: "IN" data_type: TYPE_INT32 dims: [-1] }}]
output [{{ name: "OUT" data_type: TYPE_INT32 dims: [1] }}]
{IN_PROCESS}
"""
REPEAT = """
import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        for request in requests:
            values = pb_utils.get_input_tensor_by_name(request, "IN").as_numpy()
            sender = request.get_response_sender()
            for value in values:
                if request.is_cancelled():
                    break
                tensor = pb_utils.Tensor("OUT", np.array([value], np.int32))
                sender.send(pb_utils.InferenceResponse([tensor]))
            sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
"""
SUM_CONFIG = f"""
backend: "python"
max_batch_size: 4
input [{{ name: "IN" data_type: TYPE_INT32 dims: [1] }}]
output [{{ name: "OUT" data_type: TYPE_INT32 dims: [1] }}]
sequence_batching {{
  control_input [
    {{ name: "START" control [{{ kind: CONTROL_SEQUENCE_START int32_false_true: [0, 1] }}] }}
  ]
}}
{IN_PROCESS}
"""
SUM = """
import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        self.total = 0

    def execute(self, requests):
        responses = []
        for request in requests:
            value = pb_utils.get_input_tensor_by_name(request, "IN").as_numpy()
            if pb_utils.get_input_tensor_by_name(request, "START").as_numpy()[0, 0]:
                self.total = 0
            self.total += int(value[0, 0])
            out = pb_utils.Tensor("OUT", np.array([[self.total]], np.int32))
            responses.append(pb_utils.InferenceResponse([out]))
        return responses
"""
SEEN_CONFIG = f"""
backend: "python"
input [{{ name: "IN" data_type: TYPE_INT32 dims: [1] }}]
output [{{ name: "OUT" data_type: TYPE_STRING dims: [1] }}]
{IN_PROCESS}
"""
SEEN = """
import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        return [
            pb_utils.InferenceResponse(
                [pb_utils.Tensor("OUT", np.array([request.parameters()], np.object_))]
            )
            for request in requests
        ]
"""
"""Answers the parameters of its request, as JSON."""

CLASSES = (
    'max_batch_size: 4 input [{ name: "x" data_type: TYPE_FP32 dims: [4] }]'
    ' output [{ name: "y" data_type: TYPE_FP32 dims: [4] label_filename: "labels.txt" }]'
)


def python_toy(config: str, source: str) -> Toy:
    """A model of the Python backend, in this process."""
    return Toy(source.encode(), config, "model.py")


def toys() -> dict[str, Toy]:
    """What most tests serve."""
    kinds = ("BOOL", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64")
    kinds += ("FP16", "FP32", "FP64", "BYTES")
    found = {f"identity_{kind.lower()}": Toy(onnx_identity(kind, ("N", None))) for kind in kinds}
    found |= {
        "add_sub": Toy(onnx_add_sub()),
        "failing": Toy(onnx_failing()),
        "classes": Toy(onnx_identity(), CLASSES, extra={"labels.txt": b"cat\ndog\ncow\n"}),
        "repeat": python_toy(REPEAT_CONFIG, REPEAT),
        "sum": python_toy(SUM_CONFIG, SUM),
        "seen": python_toy(SEEN_CONFIG, SEEN),
    }
    return found


@dataclass(frozen=True)
class Served:
    """What serves, and where."""

    server: InferenceServer
    frontends: Frontends
    repository: Path

    @property
    def http(self) -> str:
        return self.frontends.addresses["http"]

    @property
    def grpc(self) -> str:
        return self.frontends.addresses["grpc"]

    @property
    def metrics(self) -> str:
        return self.frontends.addresses["metrics"]

    @property
    def in_flight(self) -> int:
        """Inferences of network clients that are under way."""
        return self.frontends.plane.inference.in_flight


@contextmanager
def serving(
    path: Path,
    models: Mapping[str, Toy],
    streams: Callable[[], Any] = tuple,
    server_options: ServerOptions | None = None,
    **options: Any,
) -> Iterator[Served]:
    """Every protocol on free ports; all models are loaded.  Nothing of it is left afterwards."""
    path.mkdir(exist_ok=True)
    write_repository(path, models)
    values = {f"{protocol}_port": 0 for protocol in ("http", "grpc", "metrics")}
    values |= {f"allow_{protocol}": True for protocol in ("http", "grpc", "metrics")} | options
    wanted = server_options or ServerOptions(load_model=("*",), exit_timeout_secs=5.0)
    before = {thread.name for thread in threading.enumerate()}
    with make_server([path], wanted) as server:
        for load in server.start().values():
            load.result(60)
        frontends = start_frontends(server, values, streams)
        assert frontends is not None
        try:
            yield Served(server, frontends, path)
        finally:
            frontends.close()
    left = {t.name for t in threading.enumerate() if t.name.startswith("triton_ros")} - before
    assert not left, left


@dataclass(frozen=True)
class Keys:
    """Files of an authority, of a server for 127.0.0.1, and of a client."""

    path: Path

    @property
    def server(self) -> dict[str, str]:
        """Options of a server with TLS."""
        return {
            "server_cert": str(self.path / "server.pem"),
            "server_key": str(self.path / "server.key"),
        }

    @property
    def mutual(self) -> dict[str, str]:
        """And of one that wants certificates of its clients."""
        return {**self.server, "root_cert": self.file("ca.pem")}

    def file(self, name: str) -> str:
        return str(self.path / name)


def make_keys(path: Path) -> Keys:
    """By the openssl program; skips the test where there is none."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed: it makes the keys of the TLS tests")

    def run(*arguments: str) -> None:
        subprocess.run([openssl, *arguments], cwd=path, check=True, capture_output=True)

    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    ca = ("-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca", "-days", "2")
    run("req", "-x509", *new, *ca)
    for name in ("server", "client"):
        (path / f"{name}.ext").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost")
        request = ("-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        run("req", *new, *request)
        signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2")
        files = ("-in", f"{name}.csr", "-out", f"{name}.pem", "-extfile", f"{name}.ext")
        run("x509", "-req", *files, *signing)
    return Keys(path)


def slow_request() -> Any:
    """Of gRPC, for the model `slow`."""
    message = service_pb2.ModelInferRequest(model_name="slow")
    message.inputs.add(name="x", datatype="FP32", shape=[1, 4])
    message.raw_input_contents.append(bytes(16))
    return message
