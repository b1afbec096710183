# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Load on a V2 server: requests that were made before, by threads that each have a connection.

The client knows nothing of V2 while it measures: it sends bytes and reads answers to their end.
What it costs itself is the same for every server.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tritonclient.grpc import service_pb2
from tritonclient.utils import shared_memory

from benchmarks.kserve_servers import Server
from triton_ros import InferenceRequest, make_server
from triton_ros.main import tune_process

SIZES = {"small": 16, "image": 3 * 640 * 640}
"""Elements of FP32."""

Send = Callable[[], None]
_METHOD = "/inference.GRPCInferenceService/ModelInfer"
_WARM = 5


@dataclass(frozen=True)
class Figures:
    """Of one cell."""

    rate: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float


@dataclass(frozen=True)
class Load:
    """What is sent, how, by how many callers at once, for how long."""

    size: str
    way: str
    callers: int
    seconds: float

    @property
    def key(self) -> tuple[str, str, int]:
        """Of its cell."""
        return self.size, self.way, self.callers

    @property
    def protocol(self) -> str:
        """Without the shared memory."""
        return self.way.partition("+")[0]


def run_load(server: Server, load: Load) -> Figures:
    """One cell of one server."""
    nbytes = SIZES[load.size] * 4
    with _regions(server, load, nbytes) as regions:
        makers = [
            (lambda region=region: _http(server, load, region))
            if load.protocol == "http"
            else (lambda region=region: _grpc(server, load, region))
            for region in regions
        ]
        return _measure(makers, load.seconds, server.cpu_seconds)


def in_process(repository: Path, size: str, callers: int, seconds: float) -> Figures:
    """The same model in this process, by `server.infer`."""
    tune_process()
    x = np.zeros(SIZES[size], np.float32)
    with make_server([repository]) as server:
        server.load_model("identity").result()

        def maker() -> Send:
            return lambda: void(server.infer(InferenceRequest("identity", {"x": x})))

        return _measure([maker] * callers, seconds, time.process_time)


def void(_: object) -> None:
    """Of an expression, a statement."""


def _measure(
    makers: list[Callable[[], Send]], seconds: float, cpu_seconds: Callable[[], float]
) -> Figures:
    latencies: list[list[float]] = [[] for _ in makers]
    ready = threading.Barrier(len(makers) + 1)
    ending = [0.0]

    def work(maker: Callable[[], Send], found: list[float]) -> None:
        send = maker()
        for _ in range(_WARM):
            send()
        ready.wait()
        while (start := time.perf_counter()) < ending[0]:
            send()
            found.append(time.perf_counter() - start)

    threads = [
        threading.Thread(target=work, args=arguments)
        for arguments in zip(makers, latencies, strict=True)
    ]
    for thread in threads:
        thread.start()
    ending[0] = time.perf_counter() + seconds + 60
    ready.wait()
    begin, cpu = time.perf_counter(), cpu_seconds()
    ending[0] = begin + seconds
    for thread in threads:
        thread.join()
    passed, cpu = time.perf_counter() - begin, cpu_seconds() - cpu
    ordered = sorted(each for found in latencies for each in found)
    count = len(ordered)
    p50, p99 = ordered[count // 2], ordered[min(count - 1, count * 99 // 100)]
    return Figures(count / passed, p50 * 1e3, p99 * 1e3, cpu / count * 1e3)


# requests ----------------------------------------------------------------------------------------


def _http(server: Server, load: Load, region: str) -> Send:
    request = _http_request(SIZES[load.size], region)
    connection = socket.create_connection(("127.0.0.1", server.http_port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    buffer = bytearray(1 << 20)

    def send() -> None:
        connection.sendall(request)
        data = b""
        while b"\r\n\r\n" not in data:
            part = connection.recv(1 << 16)
            if not part:
                raise SystemExit(f"{server.name} hung up")
            data += part
        head, _, rest = data.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"{server.name}: {data[:300]!r}")
        left = _length(head) - len(rest)
        while left > 0:
            left -= connection.recv_into(buffer, min(left, len(buffer)))

    return send


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise SystemExit("an answer without Content-Length")


def _http_request(elements: int, region: str) -> bytes:
    size = elements * 4
    entry: dict[str, Any] = {"name": "x", "datatype": "FP32", "shape": [elements]}
    output: dict[str, Any] = {"name": "y"}
    entry["parameters"], output["parameters"] = {"binary_data_size": size}, {"binary_data": True}
    tail = bytes(size)
    if region:
        place = {"shared_memory_region": region, "shared_memory_byte_size": size}
        entry["parameters"] = place
        output["parameters"] = {**place, "shared_memory_offset": size}
        tail = b""
    head = json.dumps({"inputs": [entry], "outputs": [output]}).encode()
    lines = [
        "POST /v2/models/identity/infer HTTP/1.1",
        "Host: localhost",
        f"Inference-Header-Content-Length: {len(head)}",
        f"Content-Length: {len(head) + len(tail)}",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + head + tail


def _grpc(server: Server, load: Load, region: str) -> Send:
    import grpc  # noqa: PLC0415 (in the load's own process only)

    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    options.append(("grpc.use_local_subchannel_pool", 1))  # a connection for each caller
    channel = grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}", options)
    call = channel.unary_unary(_METHOD)
    request = _grpc_request(SIZES[load.size], region)
    return lambda: void(call(request))


def _grpc_request(elements: int, region: str) -> bytes:
    size = elements * 4
    message = service_pb2.ModelInferRequest(model_name="identity")
    tensor = message.inputs.add(name="x", datatype="FP32", shape=[elements])
    output = message.outputs.add(name="y")
    if not region:
        message.raw_input_contents.append(bytes(size))
    for offset, each in ((0, tensor), (size, output)) if region else ():
        each.parameters["shared_memory_region"].string_param = region
        each.parameters["shared_memory_byte_size"].int64_param = size
        each.parameters["shared_memory_offset"].int64_param = offset
    data: bytes = message.SerializeToString()
    return data


@contextmanager
def _regions(server: Server, load: Load, nbytes: int) -> Iterator[list[str]]:
    """A region a caller, for input and output; empty names where none is wanted."""
    if "+shm" not in load.way:
        yield [""] * load.callers
        return
    names = [f"bench{number}" for number in range(load.callers)]
    made = [shared_memory.create_shared_memory_region(n, f"/{n}", 2 * nbytes) for n in names]
    try:
        for name in names:
            body = {"key": f"/{name}", "offset": 0, "byte_size": 2 * nbytes}
            _post(server, f"systemsharedmemory/region/{name}/register", body)
        yield names
        _post(server, "systemsharedmemory/unregister", {})
    finally:
        for each in made:
            shared_memory.destroy_shared_memory_region(each)


def _post(server: Server, path: str, body: dict[str, Any]) -> None:
    import urllib.request  # noqa: PLC0415 (not measured)

    url = f"http://127.0.0.1:{server.http_port}/v2/{path}"
    urllib.request.urlopen(url, json.dumps(body).encode(), timeout=10).read()
