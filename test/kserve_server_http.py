# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""`kserve_server.Remote` by HTTP: the standard library's server."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import threading
import zlib
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
from kserve_server import Fault, Remote, Seen

from triton_ros.backends.kserve.tensor_bytes import from_bytes, to_bytes
from triton_ros.core.errors import Code, TritonError
from triton_ros.core.request import Cancellation, InferenceResponse
from triton_ros.core.tensor import datatype_of

HTTP_CODES = {Code.INVALID_ARG: 400, Code.NOT_FOUND: 404, Code.UNAVAILABLE: 503}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    allow_reuse_address = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no news."""


class HttpServer:
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
        if self.path == "/v2":
            about = {"name": "test", "version": "1", "extensions": self.served.extensions}
            self._reply(200, json.dumps(about).encode())
            return
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
