# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which models an event loop runs itself, and how far a client may be behind its answers."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from frontend_server import serving
from http_client import INFER, INPUTS, X, ask
from toy_models import Toy, onnx_add_sub

from triton_ros.core.errors import TritonError
from triton_ros.core.request import Cancellation, InferenceRequest, Timing
from triton_ros.frontends.backlog import Backlog
from triton_ros.frontends.exchange import AnswerOutput, InferAnswer, RegionSlice
from triton_ros.frontends.quick_models import PROOFS, QUICK_NS, QuickModels


def took(ns: int) -> Timing:
    return Timing(compute_infer_ns=ns)


def test_a_model_has_to_prove_itself_and_one_slow_execution_takes_that_back() -> None:
    models = QuickModels()
    for _ in range(PROOFS - 1):
        models.computed("a", took(QUICK_NS))
    assert not models.is_quick("a")
    models.computed("a", took(1))
    assert models.is_quick("a") and not models.is_quick("b")
    models.computed("a", took(QUICK_NS + 1))
    assert not models.is_quick("a")
    for _ in range(PROOFS):
        models.computed("a", Timing(queue_ns=10**9))
    assert models.is_quick("a"), "waiting is not computing"
    models.computed("a", Timing(compute_input_ns=QUICK_NS, compute_output_ns=1))
    assert not models.is_quick("a")


def test_a_quick_model_runs_in_the_thread_that_took_the_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(tmp_path, {"add_sub": Toy(onnx_add_sub())}) as found:
        quick = found.frontends.plane.inference._quick
        for shape, status in (([1, 16], 200), ([1, 15], 400)):
            for _ in range(PROOFS):
                quick.computed("add_sub", took(1))
            monkeypatch.setattr(type(found.server), "submit", unwanted)
            inputs = [{**each, "shape": shape, "data": X[: shape[1]]} for each in INPUTS]
            assert ask(found.http, "POST", INFER, {"inputs": inputs}).status == status
            monkeypatch.undo()
            assert found.in_flight == 0
        assert found.server.describe("add_sub").statistics.success.count == 1


def unwanted(*_: object) -> None:
    raise AssertionError("it was handed to another thread")


def test_what_has_to_be_watched_is_not_run_at_once(tmp_path: Path) -> None:
    with serving(tmp_path, {"add_sub": Toy(onnx_add_sub())}) as found:
        x = np.ones((1, 16), np.float32)
        request = InferenceRequest("add_sub", {"INPUT0": x, "INPUT1": x})
        response = found.server.infer_now(request)
        assert response is not None and response.outputs["OUTPUT0"][0, 0] == 2
        request.cancellation = Cancellation()
        assert found.server.infer_now(request) is None
        with pytest.raises(TritonError, match="Request for unknown model: 'nope'"):
            found.server.infer_now(InferenceRequest("nope", {}))


def answer(elements: int) -> InferAnswer:
    data = np.zeros(elements, np.uint8)
    return InferAnswer("m", "1", outputs=[AnswerOutput("y", "UINT8", (elements,), data)])


def test_a_client_may_be_so_many_bytes_and_answers_behind() -> None:
    backlog = Backlog(max_bytes=10_000, max_answers=100)
    large = answer(9_000)
    assert backlog.added(large)
    assert not backlog.added(large)
    backlog.sent(large)
    backlog.sent(large)
    assert backlog.added(large)
    backlog.sent(large)
    elsewhere = InferAnswer(
        "m", "1", outputs=[AnswerOutput("y", "INT8", (9,), RegionSlice("r", 9))]
    )
    assert all(backlog.added(elsewhere) for _ in range(19)), "what is in shared memory is not here"
    few = Backlog(max_answers=2)
    error = Backlog.refusal()
    assert [few.added(error) for _ in range(3)] == [True, True, False]


def test_a_backlog_counts_for_many_threads() -> None:
    backlog, one = Backlog(max_answers=10_000), answer(1)

    def work() -> None:
        for _ in range(1_000):
            backlog.added(one)
            backlog.sent(one)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (backlog._bytes, backlog._answers) == (0, 0)
