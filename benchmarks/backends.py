# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""`python -m benchmarks.backends`: what the server adds to each framework's bare runtime.

One small model in every framework's own format (``y = 2 x + 1``), called by the runtime's own API
as a script would, and by ``server.infer``, in turn in this run: medians in microseconds, and their
ratio, at batch 1 and 8.  Rows of 4 numbers show the cost of a call; rows of 150528 (an image of
224x224) that of copies.  Where a model is code (Python), the bare call is its expression.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.framework_repository import write
from triton_ros.backends.registry import BackendRegistry
from triton_ros.core.request import InferenceRequest
from triton_ros.core.server import InferenceServer
from triton_ros.main import tune_process

BATCHES = (1, 8)
WIDTHS = (4, 3 * 224 * 224)
SECONDS = 1.0
Array = Any
Call = Callable[[Array], object]


def onnxruntime(folder: Path) -> Call:
    import onnxruntime as ort  # noqa: PLC0415

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    path = str(folder / "model.onnx")
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda x: session.run(["y"], {"x": x})


def tflite(folder: Path) -> Call:
    from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415

    interpreter = Interpreter(model_path=str(folder / "model.tflite"), num_threads=1)
    source = interpreter.get_input_details()[0]["index"]
    target = interpreter.get_output_details()[0]["index"]
    shape: list[Any] = [None]

    def call(x: Array) -> object:
        if x.shape != shape[0]:
            interpreter.resize_tensor_input(source, x.shape)
            interpreter.allocate_tensors()
            shape[0] = x.shape
        interpreter.set_tensor(source, x)
        interpreter.invoke()
        return interpreter.get_tensor(target)

    return call


def openvino(folder: Path) -> Call:
    import openvino as ov  # noqa: PLC0415

    settings = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    model = ov.Core().compile_model(folder / "model.xml", "CPU", settings)
    request = model.create_infer_request()
    return lambda x: request.infer({0: x}, share_inputs=True, share_outputs=False)


def torchscript(folder: Path) -> Call:
    import torch  # noqa: PLC0415

    torch.set_num_threads(1)
    module = torch.jit.load(str(folder / "model.pt"))

    def call(x: Array) -> object:
        with torch.inference_mode():
            return module(torch.from_numpy(x)).numpy()

    return call


def exported(folder: Path) -> Call:
    import torch  # noqa: PLC0415

    torch.set_num_threads(1)
    module = torch.export.load(str(folder / "model.pt2")).module()

    def call(x: Array) -> object:
        with torch.inference_mode():
            return module(torch.from_numpy(x))["y"].numpy()

    return call


def savedmodel(folder: Path) -> Call:
    import tensorflow as tf  # noqa: PLC0415

    loaded = tf.saved_model.load(str(folder / "model.savedmodel"))
    function = loaded.signatures["serving_default"]
    return lambda x: function(x=tf.constant(x))["y"].numpy()


def python(folder: Path) -> Call:
    return lambda x: np.float32(2) * x + np.float32(1)


BARE: dict[str, Callable[[Path], Call]] = {
    "onnxruntime": onnxruntime,
    "tflite": tflite,
    "openvino": openvino,
    "torchscript": torchscript,
    "torch_export": exported,
    "savedmodel": savedmodel,
    "python": python,
    "python_in_process": python,
}


def main() -> None:
    """Measure and print."""
    tune_process()
    print(
        f"{'':22}"
        + "".join(f"{w:>9} x {b:<2} bare   served  ratio" for w in WIDTHS for b in BATCHES)
    )
    with tempfile.TemporaryDirectory() as folder:
        rows: dict[str, list[tuple[float, float]]] = {}
        for width in WIDTHS:
            repository = Path(folder) / str(width)
            names = write(repository, width)
            with InferenceServer([repository], BackendRegistry().load_backend) as server:
                for name in names:
                    server.load_model(name).result()
                    rows.setdefault(name, []).extend(measure(server, repository, name, width))
        for name, figures in rows.items():
            print(f"{name:22}" + "".join(map(_shown, figures)))


def measure(
    server: InferenceServer, repository: Path, name: str, width: int
) -> list[tuple[float, float]]:
    """Bare (NaN where there is none) and served median in microseconds, for each batch size."""
    bare = BARE[name](repository / name / "1") if name in BARE else None
    figures = []
    for batch in BATCHES:
        x = np.random.default_rng(0).normal(size=(batch, width)).astype(np.float32)
        request = InferenceRequest(name, {"x": x})
        figures.append(alternate(bare and (lambda x=x: bare(x)), lambda r=request: server.infer(r)))
    return figures


def alternate(
    bare: Callable[[], object] | None, served: Callable[[], object]
) -> tuple[float, float]:
    """Medians of calls that take turns, so that both meet the same machine."""
    times: tuple[list[float], list[float]] = ([], [])
    calls = (bare, served)
    for _ in range(20):
        for call in calls:
            if call is not None:
                call()
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        for call, taken in zip(calls, times, strict=True):
            if call is not None:
                start = time.perf_counter_ns()
                call()
                taken.append((time.perf_counter_ns() - start) / 1000)
    medians = [statistics.median(taken) if taken else float("nan") for taken in times]
    return medians[0], medians[1]


def _shown(figures: tuple[float, float]) -> str:
    bare, served = figures
    return f"{'':8}{bare:9.1f}{served:9.1f}{served / bare:7.2f}"


if __name__ == "__main__":
    main()
