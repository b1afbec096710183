# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One repository, one process, every framework that is installed: all serve at once."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from toy_models import Toy, write_repository

from benchmarks.framework_repository import write
from triton_ros.backends.registry import BackendRegistry
from triton_ros.core.request import InferenceRequest
from triton_ros.core.server import InferenceServer

TIMEOUT = 90
X = np.float32([[1, 2, 3, 4]])


def ask(server: InferenceServer, name: str, value: np.ndarray) -> np.ndarray:
    return server.infer(InferenceRequest(name, {"x": value}), TIMEOUT).outputs["y"]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    names = write(tmp_path)
    assert {"onnxruntime", "tflite", "python"} < set(names)
    return tmp_path


def test_all_frameworks_serve_at_once(repository: Path) -> None:
    names = sorted(path.name for path in repository.iterdir())
    wrong: list[str] = []
    with InferenceServer([repository], BackendRegistry().load_backend) as server:
        for load in [server.load_model(name) for name in names]:
            load.result(TIMEOUT)
        start = threading.Barrier(len(names) + 1)

        def work(name: str, number: int) -> None:
            start.wait(TIMEOUT)
            for turn in range(50):
                value = X * (turn % 3 + 1) + number
                if not np.array_equal(ask(server, name, value), 2 * value + 1):
                    wrong.append(f"{name}, turn {turn}")

        threads = [
            threading.Thread(target=work, args=(name, number)) for number, name in enumerate(names)
        ]
        for thread in threads:
            thread.start()
        start.wait(TIMEOUT)
        server.load_model(names[0]).result(TIMEOUT)  # and one is exchanged meanwhile
        for thread in threads:
            thread.join(TIMEOUT)
        assert not any(thread.is_alive() for thread in threads)
        backends = {server.describe(name).config.backend for name in names}
    assert not wrong
    assert len(backends) >= 3, backends


def test_an_ensemble_goes_through_all_of_them(repository: Path) -> None:
    """Each step is another framework: 2 x + 1, as often as there are models."""
    names = sorted(path.name for path in repository.iterdir())
    steps, tensor = [], "x"
    for number, name in enumerate(names):
        after = "y" if number == len(names) - 1 else f"t{number}"
        maps = (
            f'input_map {{ key: "x" value: "{tensor}" }} output_map {{ key: "y" value: "{after}" }}'
        )
        steps.append(f'step {{ model_name: "{name}" model_version: -1 {maps} }}')
        tensor = after
    config = 'platform: "ensemble" max_batch_size: 4\n'
    config += 'input { name: "x" data_type: TYPE_FP32 dims: 4 }\n'
    config += 'output { name: "y" data_type: TYPE_FP32 dims: 4 }\n'
    config += "ensemble_scheduling { " + "\n".join(steps) + " }"
    write_repository(repository, {"all": Toy(None, config)})
    with InferenceServer([repository], BackendRegistry().load_backend) as server:
        server.load_model("all").result(TIMEOUT)
        got = ask(server, "all", X)
    expected = X
    for _ in names:
        expected = 2 * expected + 1
    np.testing.assert_array_equal(got, expected)
