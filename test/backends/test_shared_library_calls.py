# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A C backend that calls other models of the server, and what it gets of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from conformance_case import as_pbtxt
from toy_models import Toy, onnx_affine, write_model
from toy_shared_library import FILENAME, NO_COMPILER, library, toy_fields, wait_until

from triton_ros.backends.registry import BackendRegistry
from triton_ros.backends.shared_library.host import host
from triton_ros.core.errors import InvalidArgumentError, UnavailableError
from triton_ros.core.request import InferenceRequest, InferenceResponse
from triton_ros.core.server import InferenceServer

pytestmark = pytest.mark.skipif(bool(NO_COMPILER), reason=NO_COMPILER)

X = np.arange(8, dtype=np.float32).reshape(2, 4)
TIMEOUT = 30
Serve = Callable[..., InferenceServer]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """``serve(other)``: a server with the toy that calls the model `other`, and a few to call."""
    directory = tmp_path / "backends/toy"
    directory.mkdir(parents=True)
    models = tmp_path / "models"
    models.mkdir()
    (directory / FILENAME).write_bytes(library())
    write_model(models / "onnx", Toy(onnx_affine()))
    for kind, config in (
        ("refuse", ""),
        ("repeat", "model_transaction_policy { decoupled: true }"),
    ):
        text = f'backend: "toy"\n{as_pbtxt(toy_fields(kind))}\n{config}'
        write_model(models / kind, Toy(config=text))
    registry = BackendRegistry(backend_directory=tmp_path / "backends")
    with InferenceServer([models], registry.load_backend) as server:

        def start(other: str, *loaded: str, **parameters: str) -> InferenceServer:
            made = toy_fields("call", other=other, **parameters)
            write_model(models / "toy", Toy(config=f'backend: "toy"\n{as_pbtxt(made)}'))
            for name in (*loaded, "toy"):
                server.load_model(name).result(TIMEOUT)
            return server

        yield start
    # a factory's thread may still be on its way out
    wait_until(lambda: not any(host().living[k] for k in ("called", "answers", "requests")))


def ask(server: InferenceServer, value: float = 0) -> InferenceResponse:
    return server.infer(InferenceRequest("toy", {"x": X + np.float32(value)}), TIMEOUT)


@pytest.fixture(params=["false", "true"], ids=["here", "isolated"])
def isolated(request: pytest.FixtureRequest) -> str:
    value: str = request.param
    return value


def test_it_calls_a_model_of_another_framework(serve: Serve, isolated: str) -> None:
    response = ask(serve("onnx", "onnx", PROCESS_ISOLATION=isolated))
    np.testing.assert_array_equal(response.outputs["y"], 2 * X + 1)
    assert response.parameters == {"flags": 1, "count": 1}


def test_a_decoupled_model_answers_it_several_times(serve: Serve, isolated: str) -> None:
    response = ask(serve("repeat", "repeat", PROCESS_ISOLATION=isolated), 5)
    assert response.parameters == {"flags": 2, "count": 5}
    assert response.outputs["y"].tolist() == [[0.0]]


def test_an_error_of_the_called_model_reaches_it(serve: Serve, isolated: str) -> None:
    with pytest.raises(UnavailableError, match="model 'toy': model 'refuse': not today"):
        ask(serve("refuse", "refuse", PROCESS_ISOLATION=isolated))


def test_a_model_that_is_not_loaded_is_not_ready(serve: Serve, isolated: str) -> None:
    with pytest.raises(UnavailableError, match="the other model is not ready"):
        ask(serve("onnx", PROCESS_ISOLATION=isolated))


def test_it_cannot_call_itself(serve: Serve, isolated: str) -> None:
    with pytest.raises(InvalidArgumentError, match="model 'toy' calls itself"):
        ask(serve("toy", PROCESS_ISOLATION=isolated))
