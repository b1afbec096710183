# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The server as its users see it, on ONNX Runtime's toy models."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy_models
from fake_backend import (
    CHAIN,
    FANNED,
    TIMEOUT,
    FakeBackend,
    Outcomes,
    fake,
    loaded,
    request,
    serving,
)
from toy_models import Toy, write_repository

from triton_ros.backends.registry import BackendRegistry
from triton_ros.core.errors import (
    InvalidArgumentError,
    NotFoundError,
    TritonError,
)
from triton_ros.core.request import InferenceRequest, InferenceResponse
from triton_ros.core.server import InferenceServer

X = np.arange(8, dtype=np.float32).reshape(2, 4)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    batching = "max_batch_size: 8 dynamic_batching {}"
    models = {
        "a": Toy(toy_models.onnx_affine(2, 1), batching),
        "b": Toy(toy_models.onnx_affine(3, 0), None),
        "add_sub": Toy(toy_models.onnx_add_sub("INT32")),
        "failing": Toy(toy_models.onnx_failing(), "instance_group { count: 1 }"),
        "text": Toy(toy_models.onnx_identity("BYTES", ("N", 1)), batching),
        "e": CHAIN,
        "f": FANNED,
        "broken": Toy(b"garbage"),
    }
    return write_repository(tmp_path, models)


@pytest.fixture
def server(root: Path) -> Iterator[InferenceServer]:
    with InferenceServer([root], BackendRegistry().load_backend) as made:
        yield made


def infer(server: InferenceServer, name: str, **inputs: Any) -> InferenceResponse:
    return server.infer(InferenceRequest(name, inputs), TIMEOUT)


def test_tritons_simple_model(server: InferenceServer) -> None:
    loaded(server, "add_sub")
    a = np.arange(16, dtype=np.int32)[None]
    outputs = infer(server, "add_sub", INPUT0=a, INPUT1=a * 2).outputs
    np.testing.assert_array_equal(outputs["OUTPUT0"], a * 3)
    np.testing.assert_array_equal(outputs["OUTPUT1"], -a)


def test_describe(server: InferenceServer) -> None:
    loaded(server, "a")
    infer(server, "a", x=X)
    found = server.describe("a")
    assert (found.name, found.version, found.config.max_batch_size) == ("a", 1, 8)
    assert [spec.dims for spec in found.interface.inputs] == [(4,)]
    assert (found.instance_count, found.pending, found.labels) == (2, 0, ())
    assert found.statistics.inference_count == 2
    assert found.statistics.batch_sizes == {2: 1}, "warm-up is not counted"
    with pytest.raises(NotFoundError):
        server.describe("a", 9)


def test_ensembles_and_fan_out(server: InferenceServer) -> None:
    loaded(server, "e", "f")
    np.testing.assert_array_equal(infer(server, "e", X=X).outputs["Y"], (2 * X + 1) * 3)
    for count in (0, 1, 30):
        x = np.random.default_rng(count).random((count, 4), np.float32)
        outputs = infer(server, "f", X=x).outputs
        np.testing.assert_allclose(outputs["Y"], (2 * x + 1) * 3, rtol=1e-6)


def test_text_goes_through_whole(server: InferenceServer) -> None:
    loaded(server, "text")
    texts = [["ä"], ["a longer text"], [""], ["b"]]
    outcomes = [Outcomes() for _ in texts]
    for text, done in zip(texts, outcomes, strict=True):
        server.submit(InferenceRequest("text", {"x": np.array([text])}), done)
    for text, done in zip(texts, outcomes, strict=True):
        assert done.one().outputs["y"].tolist() == [text]


def test_foreign_byte_order_is_understood(server: InferenceServer) -> None:
    loaded(server, "a")
    outputs = infer(server, "a", x=X.astype(">f4")).outputs
    np.testing.assert_array_equal(outputs["y"], 2 * X + 1)


def test_a_failing_run_fails_its_request_and_the_model_serves_on(server: InferenceServer) -> None:
    loaded(server, "failing")
    with pytest.raises(TritonError, match="failing"):
        infer(server, "failing", x=np.array([[99]]))
    outcomes = [Outcomes() for _ in range(3)]
    for index, done in zip((0, 99, 1), outcomes, strict=True):
        server.submit(InferenceRequest("failing", {"x": np.array([[index]])}), done)
    first, bad, last = [done.one() for done in outcomes]
    assert first.outputs["y"].tolist() == [[10]]
    assert isinstance(bad, TritonError)
    assert last.outputs["y"].tolist() == [[20]]


def test_a_corrupted_file_does_not_touch_the_others(server: InferenceServer) -> None:
    loaded(server, "a")
    with pytest.raises(InvalidArgumentError, match=r"broken/1/model\.onnx"):
        loaded(server, "broken")
    np.testing.assert_array_equal(infer(server, "a", x=X).outputs["y"], 2 * X + 1)
    rows = {row.name: row for row in server.repository_index()}
    assert "model.onnx" in rows["broken"].reason


@pytest.mark.parametrize("name", ["zebra", "", "..", "a/../b"])
def test_an_unknown_model(server: InferenceServer, name: str) -> None:
    with pytest.raises(NotFoundError, match="Request for unknown model"):
        infer(server, name, x=X)


def test_a_real_reload_under_fire(server: InferenceServer, root: Path) -> None:
    loaded(server, "e")
    stop = threading.Event()
    problems: list[Any] = []

    def fire() -> None:
        while not stop.is_set():
            try:
                y = infer(server, "e", X=np.zeros((3, 4), np.float32)).outputs["Y"]
                if len(np.unique(y)) != 1:
                    problems.append(y)
            except BaseException as error:
                problems.append(error)
                return

    threads = [threading.Thread(target=fire, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for offset in range(10):
        write_repository(root, {"a": Toy(toy_models.onnx_affine(2, offset), "max_batch_size: 8")})
        loaded(server, "a")
        y = infer(server, "e", X=np.zeros((1, 4), np.float32)).outputs["Y"]
        assert y[0, 0] == offset * 3
    stop.set()
    for thread in threads:
        thread.join(TIMEOUT)
        assert not thread.is_alive()
    assert problems == []


# --- who runs what, with a model whose time the test controls -----------------------------------


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend()


@pytest.fixture
def faked(tmp_path: Path, backend: FakeBackend) -> Iterator[InferenceServer]:
    with serving(
        tmp_path / "fakes", backend, {"m": fake(1, "instance_group { count: 1 }")}
    ) as made:
        loaded(made, "m")
        backend.threads.clear()
        yield made


def test_infer_runs_in_the_callers_thread_and_submit_in_the_instances(
    faked: InferenceServer, backend: FakeBackend
) -> None:
    faked.infer(request("m"), TIMEOUT)
    done = Outcomes()
    ticket = faked.submit(request("m"), done)
    done.one()
    assert ticket
    assert backend.threads == [threading.current_thread().name, "m_0"]


def test_an_interrupted_caller_leaves_a_server_that_stops(
    faked: InferenceServer, backend: FakeBackend
) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    backend.on_execute = interrupt
    with pytest.raises(KeyboardInterrupt):
        faked.infer(request("m"), TIMEOUT)
    assert faked.close(TIMEOUT) == ()


def test_a_callback_that_raises_holds_nothing(faked: InferenceServer) -> None:
    called = threading.Event()

    def raising(outcome: Any) -> None:
        called.set()
        raise RuntimeError("a bug")

    faked.submit(request("m"), raising)
    assert called.wait(TIMEOUT)
    with pytest.raises(RuntimeError):
        faked.submit(InferenceRequest("m", {}), raising)  # answered in the caller's thread
    faked.unload_model("m").result(TIMEOUT)


def test_a_closed_server_has_no_threads(tmp_path: Path, backend: FakeBackend) -> None:
    before = set(threading.enumerate())
    with serving(tmp_path, backend, {"m": fake(1), "n": fake(2)}) as server:
        loaded(server, "m", "n")
        assert set(threading.enumerate()) - before
    assert set(threading.enumerate()) - before == set()
