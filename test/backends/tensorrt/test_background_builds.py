# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""While a plan is built, others are served, the load says where it is, and the server can stop."""

from __future__ import annotations

import argparse
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy_models
from cuda_rig import CudaRig
from toy_models import Toy, write_model

from triton_ros.cli import prebuild
from triton_ros.cli.application import Application
from triton_ros.core.errors import TritonError
from triton_ros.core.request import InferenceRequest
from triton_ros.core.server import InferenceServer

TIMEOUT = 60
CONFIG = 'default_model_filename: "model.onnx"\nmax_batch_size: 8\n'
X = np.arange(8, dtype=np.float32).reshape(2, 4)
Serve = Callable[..., Any]


def add(directory: Path, name: str, onnx: bytes) -> None:
    """A further model beside the one in `directory`."""
    write_model(directory.parent / name, Toy(config=f'backend: "tensorrt"\n{CONFIG}'))
    (directory.parent / name / "1/model.onnx").write_bytes(onnx)


class Gate:
    """A builder that waits."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()


@pytest.fixture
def gate(cuda_rig: CudaRig, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """From the second build on."""
    import tensorrt as trt  # noqa: PLC0415 (the rig puts it there)

    made = Gate()
    build = trt.Builder.build_serialized_network
    calls: list[None] = []

    def waiting(builder: Any, network: Any, config: Any) -> Any:
        calls.append(None)
        if len(calls) > 1:
            made.reached.set()
            assert made.opened.wait(TIMEOUT)
        return build(builder, network, config)

    monkeypatch.setattr(trt.Builder, "build_serialized_network", waiting)
    yield made
    made.opened.set()


def test_others_are_served_and_loaded_meanwhile(serve: Serve, gate: Gate) -> None:
    served = serve({"model.onnx": toy_models.onnx_affine()}, CONFIG)
    server: InferenceServer = served.server
    add(served.directory, "slow", toy_models.onnx_affine(5.0))
    slow = server.load_model("slow")
    assert gate.reached.wait(TIMEOUT)
    assert server.load_progress("slow").stage == "building a plan of model.onnx"
    assert np.array_equal(served.ask(x=X)["y"], X * 2 + 1)
    add(served.directory, "kept", toy_models.onnx_affine())  # the cache has it
    server.load_model("kept").result(TIMEOUT)
    assert not slow.done()
    gate.opened.set()
    slow.result(TIMEOUT)
    answer = server.infer(InferenceRequest("slow", {"x": X}), TIMEOUT).outputs["y"]
    assert np.array_equal(np.asarray(answer), X * 5 + 1)


def test_two_loads_of_the_same_file_build_it_once(
    cuda_rig: CudaRig, serve: Serve, gate: Gate, cache: Path
) -> None:
    served = serve({"model.onnx": toy_models.onnx_affine()}, CONFIG)
    for name in ("one", "two"):
        add(served.directory, name, toy_models.onnx_affine(5.0))
    loads = [served.server.load_model(name) for name in ("one", "two")]
    assert gate.reached.wait(TIMEOUT)
    gate.opened.set()
    for load in loads:
        load.result(TIMEOUT)
    assert len(list(cache.glob("*.plan"))) == 2
    said = [served.server.describe(name).built[0].partition(" ")[0] for name in ("one", "two")]
    assert sorted(said) == ["built", "found"]


def test_a_server_that_stops_ends_the_build(
    serve: Serve, gate: Gate, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tensorrt as trt  # noqa: PLC0415 (the rig puts it there)

    if not hasattr(trt, "IProgressMonitor"):
        pytest.skip(f"TensorRT {trt.__version__} cannot be stopped")
    served = serve({"model.onnx": toy_models.onnx_affine()}, CONFIG)
    server: InferenceServer = served.server
    add(served.directory, "slow", toy_models.onnx_affine(5.0))
    load = server.load_model("slow")
    assert gate.reached.wait(TIMEOUT)
    board = server._lifecycle._progress
    close = board.close

    def close_and_go_on() -> None:
        close()
        gate.opened.set()

    monkeypatch.setattr(board, "close", close_and_go_on)
    server.close()
    with pytest.raises(TritonError, match="stopping"):
        load.result(TIMEOUT)
    assert len(list(cache.glob("*.plan"))) == 1, "the second one was ended"


def test_prebuild_says_what_it_built(
    serve: Serve, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    served = serve({"model.onnx": toy_models.onnx_affine()}, CONFIG)

    @contextmanager
    def server_of(repositories: object) -> Iterator[InferenceServer]:
        yield served.server

    application = Application(server_of, lambda *_: None, lambda: None)

    def run() -> str:
        given = argparse.Namespace(model_repository=[served.directory.parent], model=["toy"])
        assert prebuild.run(given, application) == 0
        return capsys.readouterr().out

    assert f"found {cache}" in run()
    for plan in cache.glob("*.plan"):
        plan.unlink()
    assert f"built {cache}" in run()
