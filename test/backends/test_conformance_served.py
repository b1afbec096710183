# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Every backend's toys in a repository, served by a server: the conformance suite's other half."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from conformance_case import Case, Made, as_pbtxt
from toy_models import Toy, write_model

from triton_ros.backends.registry import BackendRegistry
from triton_ros.core.errors import InvalidArgumentError, TritonError
from triton_ros.core.request import InferenceRequest
from triton_ros.core.server import InferenceServer
from triton_ros.core.tensor import Array

X = np.arange(8, dtype=np.float32).reshape(2, 4)
TIMEOUT = 60


@pytest.fixture
def served(case: Case, tmp_path: Path) -> Iterator[Serve]:
    """``served(made, config)``: a server that has the toy loaded, through its repository."""
    gpus = int("KIND_GPU" in case.runs_on)
    load_backend = BackendRegistry().load_backend
    with InferenceServer([tmp_path], load_backend, gpu_count=lambda: gpus) as server:

        def serve(made: Made, config: str = "") -> InferenceServer:
            text = f'backend: "{case.backend}"\n{as_pbtxt(made.fields)}\n{config}'
            directory = write_model(tmp_path / "toy", Toy(config=text))
            made.write(directory / "1")
            server.load_model("toy").result(TIMEOUT)
            return server

        yield serve


Serve = Callable[..., InferenceServer]
TWO = "instance_group [ { count: 2 kind: %s } ]"


def _ask(server: InferenceServer, value: Array, name: str = "x") -> Array:
    return server.infer(InferenceRequest("toy", {name: value}), TIMEOUT).outputs["y"]


def test_served_it_is_completed_checked_and_accounted_for(case: Case, served: Serve) -> None:
    server = served(case.affine(), TWO % case.runs_on[-1])
    np.testing.assert_array_equal(_ask(server, X), 2 * X + 1)
    described = server.describe("toy")
    config = described.config
    assert [(i.spec.name, i.spec.datatype, i.spec.dims) for i in config.input] == [
        ("x", "FP32", (4,))
    ]
    assert config.max_batch_size > 1
    assert described.instance_count == 2
    statistics = described.statistics
    assert statistics.inference_count == 2
    assert sum(usage.byte_size for usage in statistics.memory_usage) > 0 or not case.filename
    for wrong in (X.astype(np.float64), X.reshape(4, 2), X[0]):
        with pytest.raises(InvalidArgumentError, match="'x'"):
            _ask(server, wrong)
    with pytest.raises(InvalidArgumentError, match=r"'z'.*x"):
        _ask(server, X, "z")
    np.testing.assert_array_equal(_ask(server, -X), 1 - 2 * X)


def test_served_it_is_exchanged_and_a_broken_file_changes_nothing(
    case: Case, served: Serve, tmp_path: Path
) -> None:
    server = served(case.affine())
    served(case.affine(3.0, 5.0))
    np.testing.assert_array_equal(_ask(server, X), 3 * X + 5)
    if case.filename:
        (tmp_path / "toy/1" / case.filename).write_bytes(b"\0 broken")
        with pytest.raises(TritonError, match="toy"):
            server.load_model("toy").result(TIMEOUT)
    np.testing.assert_array_equal(_ask(server, X), 3 * X + 5)
    before = case.alive()
    server.unload_model("toy").result(TIMEOUT)
    assert case.alive() < before


def test_what_is_replaced_and_unloaded_is_freed_by_its_references_alone(
    case: Case, served: Serve
) -> None:
    """The garbage collector comes late, and what it frees then leaves holes in the memory."""
    served(case.affine())
    gc.collect()
    gc.disable()
    try:
        server = served(case.affine(3.0, 5.0))
        np.testing.assert_array_equal(_ask(server, X), 3 * X + 5)
        server.close(TIMEOUT)
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        kinds = {f"{type(found).__module__}.{type(found).__qualname__}" for found in gc.garbage}
        # A Python model's module and its functions hold each other; the loader hangs on it.
        kinds.discard("triton_ros.backends.python.model_module._Source")
        assert not sorted(kind for kind in kinds if kind.startswith("triton_ros."))
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def test_a_failing_request_is_answered_and_the_next_one_served(case: Case, served: Serve) -> None:
    if case.failing is None:
        pytest.skip(f"no toy of {case.id} fails")
    server = served(case.failing())
    good = np.array([[2]], np.int64)
    assert _ask(server, good).tolist() == [[30.0]]
    with pytest.raises(TritonError, match="'toy"):
        _ask(server, np.array([[99]], np.int64))
    assert _ask(server, good).tolist() == [[30.0]]
