# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A small real KServe V2 server for tests: gRPC or HTTP on loopback, over an `InferenceServer`.

Only what a client of inference needs: readiness, metadata, configuration, inference (binary
extension, streams).  What goes wrong is planted: `before` sees every inference and may block or
raise `Fault`, `alter` changes answers, and `stop` ends it, with what it is at if wanted.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
import numpy as np
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc import service_pb2_grpc

from triton_ros.backends.kserve.tensor_bytes import from_bytes, to_bytes
from triton_ros.core.errors import Code, TritonError
from triton_ros.core.request import Cancellation, InferenceRequest, InferenceResponse
from triton_ros.core.server import InferenceServer
from triton_ros.core.tensor import Array, datatype_of

HTTP_CODES = {Code.INVALID_ARG: 400, Code.NOT_FOUND: 404, Code.UNAVAILABLE: 503}
GRPC_CODES = {
    Code.INVALID_ARG: grpc.StatusCode.INVALID_ARGUMENT,
    Code.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Code.UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    Code.UNSUPPORTED: grpc.StatusCode.UNIMPLEMENTED,
}


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
    ready: bool = True
    half: bool = False
    """Hang up within the answer (HTTP)."""
    credentials: Any = None
    """gRPC's server credentials, or an `ssl.SSLContext`."""
    seen: list[Seen] = field(default_factory=list)
    cancelled: threading.Event = field(default_factory=threading.Event)

    def start(self) -> Remote:
        self._serving: _Grpc | _Http = (_Grpc if self.protocol == "grpc" else _Http)(self)
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


def _value(parameter: Any) -> Any:
    return getattr(parameter, parameter.WhichOneof("parameter_choice"))


class _Grpc(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]
    def __init__(self, remote: Remote) -> None:
        self._remote = remote
        self._server = grpc.server(ThreadPoolExecutor(32), options=[("grpc.so_reuseport", 0)])
        service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(self, self._server)
        address = f"127.0.0.1:{remote.port}"
        if remote.credentials is None:
            self.port = self._server.add_insecure_port(address)
        else:
            self.port = self._server.add_secure_port(address, remote.credentials)
        assert self.port, f"{address} is taken"
        self._server.start()

    def stop(self) -> None:
        self._server.stop(0).wait(10)

    def ModelReady(self, request: Any, context: Any) -> Any:
        return pb.ModelReadyResponse(ready=self._remote.is_ready(request.name, request.version))

    def ModelMetadata(self, request: Any, context: Any) -> Any:
        with _grpc_errors(context):
            return pb.ModelMetadataResponse(**self._remote.describe(request.name, request.version))

    def ModelConfig(self, request: Any, context: Any) -> Any:
        with _grpc_errors(context):
            config = self._remote.config(request.name, request.version)
            return pb.ModelConfigResponse(config=config)

    def ModelInfer(self, request: Any, context: Any) -> Any:
        with _grpc_errors(context):
            (response,) = self._answers(request, context)
            return response

    def ModelStreamInfer(self, requests: Any, context: Any) -> Iterator[Any]:
        for request in requests:
            try:
                for response in self._answers(request, context):
                    yield pb.ModelStreamInferResponse(infer_response=response)
            except (TritonError, Fault) as error:
                if isinstance(error, Fault) and isinstance(error.status, str):
                    context.abort(getattr(grpc.StatusCode, error.status), str(error))
                yield pb.ModelStreamInferResponse(error_message=str(error))
            final = pb.ModelInferResponse(model_name=request.model_name)
            final.parameters["triton_final_response"].bool_param = True
            yield pb.ModelStreamInferResponse(infer_response=final)

    def _answers(self, request: Any, context: Any) -> Iterator[Any]:
        token = Cancellation()

        def ended() -> None:
            if not token.cancelled:
                self._remote.cancelled.set()
            token.cancel()

        context.add_callback(ended)
        inputs = {
            tensor.name: from_bytes(tensor.name, tensor.datatype, tensor.shape, raw)
            for tensor, raw in zip(request.inputs, request.raw_input_contents, strict=True)
        }
        seen = Seen(
            request.model_name,
            request.model_version,
            {name: _value(p) for name, p in request.parameters.items()},
            dict(context.invocation_metadata()),
            inputs,
            tuple(output.name for output in request.outputs),
            request.id,
        )
        for response in self._remote.infer(seen, token):
            yield _grpc_response(seen, response)
        token.cancel()


def _grpc_response(seen: Seen, response: InferenceResponse) -> Any:
    message = pb.ModelInferResponse(model_name=seen.model, id=response.id)
    for name, value in response.parameters.items():
        kind = {bool: "bool_param", int: "int64_param", str: "string_param"}[type(value)]
        setattr(message.parameters[name], kind, value)
    for name, array in response.outputs.items():
        message.outputs.add(name=name, datatype=datatype_of(array.dtype), shape=array.shape)
        message.raw_output_contents.append(bytes(to_bytes(name, array)))
    return message


@contextlib.contextmanager
def _grpc_errors(context: Any) -> Iterator[None]:
    try:
        yield
    except Fault as error:
        context.abort(getattr(grpc.StatusCode, str(error.status)), str(error))
    except TritonError as error:
        context.abort(GRPC_CODES.get(error.code, grpc.StatusCode.INTERNAL), str(error))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no news."""


class _Http:
    def __init__(self, remote: Remote) -> None:
        self._live: set[socket.socket] = set()
        live = self._live

        class Handler(_Handler):
            served = remote

            def setup(self) -> None:
                live.add(self.request)
                super().setup()

            def finish(self) -> None:
                super().finish()
                live.discard(self.request)

        self._server = _Server(("127.0.0.1", remote.port), Handler)
        if remote.credentials is not None:
            self._server.socket = remote.credentials.wrap_socket(
                self._server.socket, server_side=True
            )
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        for each in list(self._live):
            with contextlib.suppress(OSError):
                socket.socket.shutdown(each, socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    served: Remote

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads it."""

    def do_GET(self) -> None:
        name, version, verb = self._place()
        with self._errors():
            if verb == "ready":
                self._reply(200 if self.served.is_ready(name, version) else 400, b"")
                return
            get = self.served.config if verb == "config" else self.served.describe
            self._reply(200, json.dumps(get(name, version)).encode())

    def do_POST(self) -> None:
        name, version, _ = self._place()
        data = self.rfile.read(int(self.headers["Content-Length"]))
        encoding = self.headers.get("Content-Encoding", "identity")
        data = {"gzip": gzip.decompress, "deflate": zlib.decompress, "identity": bytes}[encoding](
            data
        )
        end = int(self.headers.get("Inference-Header-Content-Length", len(data)))
        head = json.loads(data[:end])
        inputs, at = {}, end
        for entry in head["inputs"]:
            size = entry.get("parameters", {}).get("binary_data_size")
            if size is None:
                dtype: Any = np.object_ if entry["datatype"] == "BYTES" else None
                value = np.array(entry["data"], dtype).reshape(entry["shape"])
                kind = {"FP32": np.float32, "FP64": np.float64, "BYTES": np.object_}
                inputs[entry["name"]] = value.astype(kind.get(entry["datatype"], value.dtype))
            else:
                part = data[at : at + size]
                inputs[entry["name"]] = from_bytes(
                    entry["name"], entry["datatype"], entry["shape"], part
                )
                at += size
        free = dict(head.get("parameters", {}))
        wanted = [o.get("parameters", {}).get("binary_data") for o in head.get("outputs", ())]
        binary = free.pop("binary_data_output", False) or any(wanted)
        seen = Seen(
            name,
            version,
            free,
            {k.lower(): v for k, v in self.headers.items()},
            inputs,
            tuple(output["name"] for output in head.get("outputs", ())),
            head.get("id", ""),
        )
        with self._errors():
            (response,) = self.served.infer(seen, Cancellation())
            self._answer(response, bool(binary))

    def _answer(self, response: InferenceResponse, binary: bool) -> None:
        parts, outputs = [], []
        for name, array in response.outputs.items():
            entry: dict[str, Any] = {"name": name, "shape": list(array.shape)}
            entry["datatype"] = datatype_of(array.dtype)
            if binary:
                parts.append(bytes(to_bytes(name, array)))
                entry["parameters"] = {"binary_data_size": len(parts[-1])}
            else:
                entry["data"] = [
                    v.decode() if isinstance(v, bytes) else v for v in array.ravel().tolist()
                ]
            outputs.append(entry)
        head: dict[str, Any] = {"outputs": outputs, "parameters": dict(response.parameters)}
        data = json.dumps(head).encode()
        size = {"Inference-Header-Content-Length": str(len(data))} if binary else {}
        self._reply(200, b"".join([data, *parts]), size)

    def _reply(self, status: int, data: bytes, headers: Mapping[str, str] | None = None) -> None:
        headers = dict(headers or {})
        accepted = self.headers.get("Accept-Encoding", "identity")
        if accepted in ("gzip", "deflate"):
            data = gzip.compress(data) if accepted == "gzip" else zlib.compress(data)
            headers["Content-Encoding"] = accepted
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.served.half and status == 200 and data:
            self.wfile.write(data[: len(data) // 2])
            self.close_connection = True
            return
        self.wfile.write(data)

    def _place(self) -> tuple[str, str, str]:
        parts = self.path.split("/")[3:]
        version = parts[2] if parts[1:2] == ["versions"] else ""
        return parts[0], version, parts[-1]

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except Fault as error:
            if not error.status:
                self.close_connection = True
                return
            self._reply(int(error.status), json.dumps({"error": str(error)}).encode())
        except TritonError as error:
            body = json.dumps({"error": str(error)}).encode()
            self._reply(HTTP_CODES.get(error.code, 500), body)
