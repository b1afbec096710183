# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the server costs in process, beside the bare runtime, taking turns.

- *classifier*: a real small one (PP-OCR's text direction, [1, 3, 48, 192] FP32): CPU of a request
  over the bare runtime's call.  Goal: 1.05.
- *image*: a [1, 3, 640, 640] FP32 tensor (4.9 MB) into a model of one `ReduceMax`, which reads it
  once: CPU beyond the bare runtime's.  Goal: 0.3 ms.
- *lone*: requests that come alone (every 25 ms), without `dynamic_batching`, with a queue delay of
  10 ms as Triton keeps it, and with the same and ``queue_delay: when_busy``: median milliseconds.
- *callers*: what `python -m benchmarks.scheduler` prints, for one caller.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

from benchmarks import scheduler
from benchmarks.processes import REPOSITORY
from triton_ros.core.request import InferenceRequest
from triton_ros.core.server import InferenceServer
from triton_ros.main import make_server

TURNS, SECONDS = 7, 0.4
CLASSIFIER = "text_angle"
DELAY = "dynamic_batching { max_queue_delay_microseconds: 10000 }"
WHEN_BUSY = 'parameters { key: "queue_delay" value: { string_value: "when_busy" } }'
LONE = {"without": "", "always": DELAY, "when_busy": f"{DELAY} {WHEN_BUSY}"}
LONE_EVERY_S = 0.025
Call = Callable[[], object]


def measure(quick: bool) -> dict[str, Any]:
    """All of it."""
    turns = 3 if quick else TURNS
    with TemporaryDirectory() as root:
        write(Path(root))
        with make_server([root]) as server:
            for name in ("classifier", "image", *LONE):
                server.load_model(name).result(60)
            found = {
                "classifier": beside(server, root, "classifier", (1, 3, 48, 192), turns),
                "image": beside(server, root, "image", (1, 3, 640, 640), turns),
                "lone": lone(server, turns),
            }
    for name, row in found.items():
        print(name, row, flush=True)
    return {**found, "callers": callers()}


def write(root: Path) -> None:
    """The models, one instance each."""
    group = "\ninstance_group { count: 1 kind: KIND_CPU }\n"
    original = REPOSITORY / CLASSIFIER / "1" / "model.onnx"
    for name, more in {"classifier": "", **LONE}.items():
        (root / name / "1").mkdir(parents=True)
        shutil.copy(original, root / name / "1" / "model.onnx")
        text = f'backend: "onnxruntime" max_batch_size: 8 {more} {group}'
        (root / name / "config.pbtxt").write_text(text)
    (root / "image" / "1").mkdir(parents=True)
    (root / "image" / "1" / "model.onnx").write_bytes(reduction())
    (root / "image" / "config.pbtxt").write_text(f'backend: "onnxruntime" {group}')


def reduction() -> bytes:
    """The largest value of each channel."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 640, 640])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3])
    node = helper.make_node("GlobalMaxPool", ["x"], ["pooled"])
    flat = helper.make_node("Flatten", ["pooled"], ["y"])
    graph = helper.make_graph([node, flat], "reduction", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model.SerializeToString()


def beside(
    server: InferenceServer, root: str, name: str, shape: tuple[int, ...], turns: int
) -> dict[str, float]:
    """CPU of a call, milliseconds; of the whole process, so the server's threads count."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        f"{root}/{name}/1/model.onnx", options, ["CPUExecutionProvider"]
    )
    x = np.random.default_rng(1).random(shape, np.float32)
    feed = {session.get_inputs()[0].name: x}
    bare, served = [], []
    for _ in range(turns):
        bare.append(cpu_ms(lambda: session.run(None, feed)))
        served.append(cpu_ms(lambda: server.infer(InferenceRequest(name, feed))))
    return {
        "bare_cpu_ms": median(bare),
        "served_cpu_ms": median(served),
        "ratio": float(np.median(np.divide(served, bare))),
        "beyond_ms": float(np.median(np.subtract(served, bare))),
    }


def cpu_ms(call: Call) -> float:
    """Of one call."""
    until, used, count = time.perf_counter() + SECONDS, time.process_time(), 0
    while time.perf_counter() < until:
        call()
        count += 1
    return (time.process_time() - used) / count * 1e3


def lone(server: InferenceServer, turns: int) -> dict[str, float]:
    """Median milliseconds of a request, by how its model is configured."""
    x = np.zeros((1, 3, 48, 192), np.float32)
    times: dict[str, list[float]] = {name: [] for name in LONE}
    for _ in range(turns * 10):
        for name, found in times.items():
            time.sleep(LONE_EVERY_S)
            start = time.perf_counter()
            server.infer(InferenceRequest(name, {"x": x}))
            found.append((time.perf_counter() - start) * 1e3)
    return {f"{name}_ms": median(found) for name, found in times.items()}


def callers() -> dict[str, dict[str, float]]:
    """By way: microseconds and requests a second."""
    found = scheduler.of_callers(1)
    scheduler.show(1, found)
    return found
