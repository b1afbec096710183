# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Ten thousand clients that come and go in mid-request leave nothing behind."""

from __future__ import annotations

import json
import os
import random
import socket
import threading
from pathlib import Path

import grpc
import numpy as np
from frontend_server import REPEAT, REPEAT_CONFIG, Served, python_toy, serving
from http_client import INFER, INPUTS, ask, place, wait_for
from toy_models import Toy, onnx_add_sub, onnx_slow
from tritonclient.grpc import service_pb2, service_pb2_grpc

HTTP_CLIENTS, GRPC_CALLS, THREADS = 8_000, 2_000, 4
SLOW = "max_batch_size: 4 dynamic_batching { max_queue_delay_microseconds: 2000 }"


def bodies() -> list[bytes]:
    """Requests of several kinds, as they go over the wire."""
    tensor = {"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [0, 0, 0, 0]}
    asked = [
        (INFER, {"inputs": INPUTS}),
        ("/v2/models/slow/infer", {"inputs": [tensor]}),
        ("/v2/models/repeat/generate_stream", {"IN": list(range(50))}),
    ]
    found = []
    for path, body in asked:
        data = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data)}\r\n\r\n"
        found.append(head.encode() + data)
    return found


def hang_up(served: Served, count: int, seed: int) -> None:
    """Send a part of a request, or all of it and read a part of the answer, and go."""
    rng, wire = random.Random(seed), bodies()
    for _ in range(count):
        request = rng.choice(wire)
        sent = request[: rng.choice([0, 1, 40, len(request) // 2, len(request) - 1, len(request)])]
        with socket.create_connection(place(served.http)) as client:
            client.sendall(sent)
            if len(sent) == len(request) and rng.random() < 0.3:
                client.recv(20)
            if rng.random() < 0.3:  # a reset instead of an end
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def cancel(served: Served, count: int, seed: int) -> None:
    """Begin a call or a stream, and leave it."""
    rng = random.Random(seed)
    unary = service_pb2.ModelInferRequest(model_name="slow")
    unary.inputs.add(name="x", datatype="FP32", shape=[1, 4])
    unary.raw_input_contents.append(bytes(16))
    many = service_pb2.ModelInferRequest(model_name="repeat")
    many.inputs.add(name="IN", datatype="INT32", shape=[50])
    many.raw_input_contents.append(np.arange(50, dtype=np.int32).tobytes())
    for start in range(0, count, 20):
        with grpc.insecure_channel(served.grpc, [("grpc.use_local_subchannel_pool", 1)]) as channel:
            stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
            for _ in range(start, min(start + 20, count)):
                if rng.random() < 0.5:
                    call = stub.ModelInfer.future(unary)
                else:
                    call = stub.ModelStreamInfer(iter([many, unary]))
                    if rng.random() < 0.5:
                        next(call)
                call.cancel()


def resources() -> tuple[int, int]:
    return threading.active_count(), len(os.listdir("/proc/self/fd"))


def test_nothing_is_left_of_ten_thousand_clients(tmp_path: Path) -> None:
    models = {
        "add_sub": Toy(onnx_add_sub()),
        "slow": Toy(onnx_slow(500), SLOW),
        "repeat": python_toy(REPEAT_CONFIG, REPEAT),
    }
    with serving(tmp_path, models) as found:
        hang_up(found, 100, 99)
        cancel(found, 100, 99)
        wait_for(lambda: found.in_flight == 0)
        # gRPC's threads stay for a minute; there are never more than calls at once
        before = resources()
        workers = [
            threading.Thread(target=work, args=(found, count // (THREADS // 2), seed))
            for seed, (work, count) in enumerate(
                [(hang_up, HTTP_CLIENTS), (cancel, GRPC_CALLS)] * (THREADS // 2)
            )
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        wait_for(lambda: found.in_flight == 0)
        wait_for(lambda: resources()[1] <= before[1] + 4)
        assert resources()[0] <= before[0] + 40
        answer = ask(found.http, "POST", INFER, {"inputs": INPUTS})
        assert answer.status == 200
        for name in models:
            wait_for(lambda name=name: found.server.describe(name).pending == 0)
