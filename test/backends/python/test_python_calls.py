# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Models that answer late or often, and models that call others: the same in both places."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy_models
from python_models import DECOUPLED, IO, TIMEOUT, X, ask, body, model, serving
from toy_models import Toy

from triton_ros.core.errors import (
    InvalidArgumentError,
    TritonError,
)
from triton_ros.core.request import Cancellation, InferenceRequest

# --- decoupled ----------------------------------------------------------------------------------

REPEAT = """
import threading
class TritonPythonModel:
    def execute(self, requests):
        for request in requests:
            x = request.inputs()[0].as_numpy()
            sender = request.get_response_sender()
            threading.Thread(target=self.send, args=(sender, x)).start()
        return None

    def send(self, sender, x):
        for number in range(int(x[0, 0])):
            y = np.full((1, 4), number, np.float32)
            sender.send(pb_utils.InferenceResponse([pb_utils.Tensor("y", y)]))
        sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
"""


def numbers(server: Any, count: int) -> list[float]:
    stream = server.infer_stream(InferenceRequest("m", {"x": X * count}))
    return [float(response.outputs["y"][0, 0]) for response in stream]


def test_responses_come_after_execute_from_another_thread(
    tmp_path: Path, place: dict[str, str]
) -> None:
    with serving(tmp_path, {"m": model(REPEAT, IO + DECOUPLED, **place)}) as server:
        for count in (3, 0, 50):
            assert numbers(server, count) == list(range(count))


def test_a_sender_says_what_is_wrong(tmp_path: Path, place: dict[str, str]) -> None:
    text = """
class TritonPythonModel:
    def execute(self, requests):
        sender = requests[0].get_response_sender()
        said = []
        for arguments in ({}, {"flags": 5}, {"response": "y"}):
            try:
                sender.send(**arguments)
            except pb_utils.TritonModelException as error:
                said.append(str(error))
        y = np.array(said, object)
        sender.send(pb_utils.InferenceResponse([pb_utils.Tensor("y", y)]), 1)
        try:
            sender.send(flags=1)
        except pb_utils.TritonModelException as error:
            pb_utils.Logger.log_info(f"then: {error}")
"""
    config = 'input { name: "x" data_type: TYPE_FP32 dims: 4 }\n'
    config += 'output { name: "y" data_type: TYPE_STRING dims: 3 }\n' + DECOUPLED
    with serving(tmp_path, {"m": model(text, config, **place)}) as server:
        (response,) = [
            r for r in server.infer_stream(InferenceRequest("m", {"x": X[0]})) if r.outputs
        ]
    said = " ".join(map(str, response.outputs["y"]))
    for part in ("must be provided when the response flags is set to zero", "Unsupported flag"):
        assert part in said
    assert "an InferenceResponse is expected, got str" in said


def test_a_model_that_is_not_decoupled_may_use_its_sender_once(
    tmp_path: Path, place: dict[str, str]
) -> None:
    execute = """
for request in requests:
    response = pb_utils.InferenceResponse([pb_utils.Tensor("y", request.inputs()[0].as_numpy())])
    request.get_response_sender().send(response, pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
return None
"""
    with serving(tmp_path, {"m": model(body(execute), **place)}) as server:
        np.testing.assert_array_equal(ask(server), X)


def test_a_withdrawn_request_is_seen_by_the_model(
    tmp_path: Path, place: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    text = """
import threading, time
class TritonPythonModel:
    def execute(self, requests):
        sender = requests[0].get_response_sender()
        y = pb_utils.Tensor("y", np.zeros((1, 4), np.float32))
        sender.send(pb_utils.InferenceResponse([y]))
        until = time.monotonic() + 30
        while not requests[0].is_cancelled() and time.monotonic() < until:
            threading.Event().wait(0.001)  # a model can only ask
        pb_utils.Logger.log_warn(f"cancelled: {requests[0].is_cancelled()}")
        sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
"""
    with serving(tmp_path, {"m": model(text, IO + DECOUPLED, **place)}) as server:
        request = InferenceRequest("m", {"x": X}, cancellation=Cancellation())
        count = 0
        for _ in server.infer_stream(request):
            count += 1
            assert request.cancellation is not None
            request.cancellation.cancel()
        assert count == 1
    assert "cancelled: True" in caplog.text


# --- calling other models -----------------------------------------------------------------------

CALL = """
class TritonPythonModel:
    def execute(self, requests):
        answers = []
        for request in requests:
            called = pb_utils.InferenceRequest(
                model_name="affine", requested_output_names=["y"], inputs=request.inputs())
            response = called.exec()
            if response.has_error():
                answers.append(pb_utils.InferenceResponse(error=response.error()))
            else:
                y = pb_utils.get_output_tensor_by_name(response, "y").as_numpy()
                answers.append(pb_utils.InferenceResponse([pb_utils.Tensor("y", y + 100)]))
        return answers
"""
ASYNC = """
import asyncio
class TritonPythonModel:
    async def execute(self, requests):
        called = [pb_utils.InferenceRequest("affine", ["y"], r.inputs()) for r in requests]
        responses = await asyncio.gather(*(c.async_exec() for c in called for _ in range(3)))
        for response in responses:
            if response.has_error():
                raise pb_utils.TritonModelException(response.error().message())
        y = sum(r.output_tensors()[0].as_numpy() for r in responses)
        return [pb_utils.InferenceResponse([pb_utils.Tensor("y", y)]) for _ in requests]
"""


def affine() -> Toy:
    return Toy(toy_models.onnx_affine(), "")


@pytest.mark.parametrize(("text", "expected"), [(CALL, 2 * X + 101), (ASYNC, 3 * (2 * X + 1))])
def test_it_calls_another_model(
    tmp_path: Path, place: dict[str, str], text: str, expected: Any
) -> None:
    with serving(tmp_path, {"affine": affine(), "m": model(text, **place)}) as server:
        np.testing.assert_array_equal(ask(server), expected)
        server.unload_model("affine").result(TIMEOUT)
        with pytest.raises(TritonError, match="affine"):
            ask(server)


def test_a_circular_call_is_refused(tmp_path: Path, place: dict[str, str]) -> None:
    text = CALL.replace('"affine"', '"m"')
    with (
        serving(tmp_path, {"m": model(text, **place)}) as server,
        pytest.raises(InvalidArgumentError, match="calls itself"),
    ):
        ask(server)


def test_a_decoupled_model_is_called_and_iterated(tmp_path: Path, place: dict[str, str]) -> None:
    text = """
class TritonPythonModel:
    def execute(self, requests):
        called = pb_utils.InferenceRequest("m", ["y"], requests[0].inputs())
        seen = [r.output_tensors()[0].as_numpy() for r in called.exec(decoupled=True)
                if r.output_tensors()]
        y = pb_utils.Tensor("y", sum(seen))
        return [pb_utils.InferenceResponse([y]) for _ in requests]
"""
    models = {"m": model(REPEAT, IO + DECOUPLED, **place), "sum": model(text, **place)}
    with serving(tmp_path, models) as server:
        assert ask(server, "sum", X * 5)[0, 0] == 0 + 1 + 2 + 3 + 4


def test_it_loads_and_unloads_models(tmp_path: Path, place: dict[str, str]) -> None:
    text = """
class TritonPythonModel:
    def execute(self, requests):
        seen = [pb_utils.is_model_ready("affine")]
        pb_utils.load_model("affine")
        seen.append(pb_utils.is_model_ready("affine"))
        pb_utils.unload_model("affine")
        try:
            pb_utils.load_model("absent")
        except pb_utils.TritonModelException as error:
            seen.append("absent" in str(error))
        y = np.float32([[*seen, 7]])
        return [pb_utils.InferenceResponse([pb_utils.Tensor("y", y)]) for _ in requests]
"""
    models = {"affine": affine(), "m": model(text, **place)}
    with serving(tmp_path, models) as server:
        server.unload_model("affine").result(TIMEOUT)
        assert ask(server).tolist() == [[0.0, 1.0, 1.0, 7.0]]
