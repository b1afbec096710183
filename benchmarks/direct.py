# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The same work without a node: what the node's figures are divided by."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.processing import Work
from triton_ros.core.tensor import Array
from triton_ros.main import make_server
from triton_ros.vision.image import Image
from triton_ros.vision.processor import load_processor


class Preprocessing:
    """How pictures become a model's input, and its outputs detections."""

    def __init__(self, repository: Path, model: str) -> None:
        config = _completed_config(repository, model)
        found = load_processor(config, repository / model)
        assert found is not None
        self.processor = found
        self.input = config.input[0].spec.name

    def work(self, image: Image) -> Work:
        """What the processor makes of a picture."""
        return self.processor.prepare({"IMAGE": image}, {})

    def source(self, image: Image) -> Any:
        """What writes it into the model's input."""
        return self.work(image).elements[0][self.input]


class Direct:
    """One ONNX model, called as a script would: preprocess, run, postprocess, in this thread."""

    def __init__(self, repository: Path, model: str) -> None:
        self._vision = Preprocessing(repository, model)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            str(repository / model / "1" / "model.onnx"), options, ["CPUExecutionProvider"]
        )
        self._names = [output.name for output in self._session.get_outputs()]

    def frame(self, pixels: bytes, height: int, width: int) -> dict[str, Array]:
        """A whole frame, bgr8."""
        work = self._vision.work(Image.raw(pixels, height, width, "bgr8"))
        outputs = self._session.run(None, self._feed(work.elements[0][self._vision.input]))
        rows = {name: output[0] for name, output in zip(self._names, outputs, strict=True)}
        return self._vision.processor.finish(work, [rows])

    def inference(self, pixels: bytes, height: int, width: int) -> Callable[[], object]:
        """The bare runtime on one prepared frame."""
        feed = self._feed(self._vision.source(Image.raw(pixels, height, width, "bgr8")))
        return lambda: self._session.run(None, feed)

    def _feed(self, source: Any) -> dict[str, Array]:
        batch = np.empty((1, *source.shape), source.dtype)
        source.write(batch[0])
        return {self._vision.input: batch}


def _completed_config(repository: Path, model: str) -> ModelConfig:
    with make_server([repository]) as server:
        server.load_model(model).result(60)
        return server.describe(model).config


def paced_ms(call: Callable[[], object], hertz: float, count: int) -> list[float]:
    """The times of calls at a camera's rate: caches go cold between them, as a node's do."""
    times, begin = [], time.perf_counter()
    for index in range(count):
        time.sleep(max(0.0, begin + index / hertz - time.perf_counter()))
        start = time.perf_counter()
        call()
        times.append((time.perf_counter() - start) * 1e3)
    return times


def calls_per_second(
    call: Callable[[], object], threads: int, seconds: float
) -> tuple[float, float]:
    """How often `threads` threads can call together, and the CPU seconds of a call."""
    until = time.perf_counter() + seconds
    counts = [0] * threads

    def work(index: int) -> None:
        while time.perf_counter() < until:
            call()
            counts[index] += 1

    start, used = time.perf_counter(), time.process_time()
    workers = [threading.Thread(target=work, args=(index,)) for index in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    rate = sum(counts) / (time.perf_counter() - start)
    return rate, (time.process_time() - used) / sum(counts)
