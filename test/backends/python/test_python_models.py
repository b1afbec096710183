# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a model.py may do, in a process of its own and in the server's: both must be the same."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from threading import Semaphore
from typing import Any

import numpy as np
import pytest
import toy_models
from python_models import DECOUPLED, IO, TIMEOUT, X, ask, model, serving
from toy_models import Toy

from triton_ros.core.errors import (
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    TritonError,
    UnavailableError,
)
from triton_ros.core.request import Cancellation, InferenceRequest
from triton_ros.core.server_options import ServerOptions

ADD_ONE = """
class TritonPythonModel:
    def execute(self, requests):
        answers = []
        for request in requests:
            x = pb_utils.get_input_tensor_by_name(request, "x").as_numpy()
            answers.append(pb_utils.InferenceResponse([pb_utils.Tensor("y", x + 1)]))
        return answers
"""


@pytest.fixture(params=["process", "in process"])
def place(request: pytest.FixtureRequest) -> dict[str, str]:
    """The parameters that say where the model runs."""
    return {"IN_PROCESS": "true"} if request.param == "in process" else {}


def body(execute: str, extra: str = "") -> str:
    lines = "\n".join("        " + line for line in execute.strip().splitlines())
    return f"class TritonPythonModel:\n    def execute(self, requests):\n{lines}\n{extra}"


def one(expression: str) -> str:
    """Answers each request with an expression of `request` and `x`."""
    return body(
        f"""
answers = []
for request in requests:
    x = request.inputs()[0].as_numpy()
    answers.append(pb_utils.InferenceResponse([pb_utils.Tensor("y", {expression})]))
return answers
"""
    )


def test_initialize_gets_what_triton_gives(tmp_path: Path, place: dict[str, str]) -> None:
    text = """
import json
class TritonPythonModel:
    def initialize(self, args):
        self.args = json.dumps(args).encode()
        self.dir = pb_utils.get_model_dir().encode()
    def execute(self, requests):
        data = np.array([self.args, self.dir], object)
        return [pb_utils.InferenceResponse([pb_utils.Tensor("y", data)]) for _ in requests]
"""
    config = 'input { name: "x" data_type: TYPE_FP32 dims: 4 }\n'
    config += 'output { name: "y" data_type: TYPE_STRING dims: 2 }'
    with serving(tmp_path, {"m": model(text, config, **place)}) as server:
        given, directory = ask(server, value=X[0])
    args = json.loads(given)
    assert {k: v for k, v in args.items() if k != "model_config"} == {
        "model_instance_kind": "CPU",
        "model_instance_name": "m_0",
        "model_instance_device_id": "0",
        "model_repository": str(tmp_path / "m"),
        "model_version": "1",
        "model_name": "m",
    }
    config_given = json.loads(args["model_config"])
    assert config_given["instance_group"][0]["kind"] == "KIND_CPU"
    assert directory.decode() == str(tmp_path / "m/1")


def test_a_request_shows_all_that_it_is(tmp_path: Path, place: dict[str, str]) -> None:
    text = """
import json
class TritonPythonModel:
    def execute(self, requests):
        answers = []
        for r in requests:
            seen = [r.request_id(), r.correlation_id(), r.flags(), r.timeout(), r.priority(),
                    json.loads(r.parameters()), r.requested_output_names(), r.is_cancelled(),
                    [t.name() for t in r.inputs()], r.inputs()[0].shape()]
            data = np.array([json.dumps(seen)], object)
            answers.append(pb_utils.InferenceResponse(
                [pb_utils.Tensor("y", data), pb_utils.Tensor("z", data)], parameters={"a": 1}))
        return answers
"""
    config = """
input { name: "x" data_type: TYPE_FP32 dims: 4 }
output [ { name: "y" data_type: TYPE_STRING dims: 1 },
         { name: "z" data_type: TYPE_STRING dims: 1 } ]
sequence_batching { }
"""
    with serving(tmp_path, {"m": model(text, config, **place)}) as server:
        request = InferenceRequest("m", {"x": X[0]}, id="seven", outputs=("y",))
        request.correlation_id, request.sequence_start = 42, True
        request.parameters = {"k": "v", "n": 3}
        response = server.infer(request, TIMEOUT)
    assert set(response.outputs) == {"y"}, "what was not asked for is not sent"
    assert response.parameters == {"a": 1}
    seen = json.loads(response.outputs["y"][0])
    assert seen == ["seven", 42, 1, 0, 0, {"k": "v", "n": 3}, ["y"], False, ["x"], [4]]


@pytest.mark.parametrize(
    ("execute", "message"),
    [
        ('raise ValueError("no such thing")', r"ValueError: no such thing(?s:.)*model\.py"),
        ("return []", r"equal to the number of requests \(1\), got 0"),
        ("return 7", r"Expected a list in the execute return, found type 'int'"),
        ("return [None]", r"found type 'NoneType'"),
        ("return", r"found type 'NoneType'"),
        ('return ["y"]', r"found type 'str'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ('return [pb_utils.InferenceResponse([pb_utils.Tensor("y", [1])])]', "numpy array"),
    ],
)
def test_a_models_mistakes_are_its_requests_errors(
    tmp_path: Path, place: dict[str, str], execute: str, message: str
) -> None:
    with serving(tmp_path, {"m": model(body(execute), **place)}) as server:
        for _ in range(2):  # and it goes on
            with pytest.raises(InternalError, match=message):
                ask(server)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("INVALID_ARG", InvalidArgumentError),
        ("NOT_FOUND", NotFoundError),
        ("UNAVAILABLE", UnavailableError),
        ("INTERNAL", InternalError),
    ],
)
def test_an_error_has_the_models_code(
    tmp_path: Path, place: dict[str, str], code: str, kind: type[TritonError]
) -> None:
    execute = f"""
error = pb_utils.TritonError("because", pb_utils.TritonError.{code})
return [pb_utils.InferenceResponse(error=error) for _ in requests]
"""
    with (
        serving(tmp_path, {"m": model(body(execute), **place)}) as server,
        pytest.raises(kind, match="because"),
    ):
        ask(server)


def test_many_requests_are_one_batch(tmp_path: Path, place: dict[str, str]) -> None:
    config = IO + "dynamic_batching { max_queue_delay_microseconds: 1000000 }"
    text = one("x * 0 + len(requests)")
    with serving(tmp_path, {"m": model(text, config, **place)}) as server:
        answers: list[Any] = []
        came = Semaphore(0)
        for _ in range(8):

            def done(outcome: Any) -> None:
                answers.append(outcome)
                came.release()

            server.submit(InferenceRequest("m", {"x": X}), done)
        for _ in range(8):
            assert came.acquire(timeout=TIMEOUT)
    assert {float(answer.outputs["y"][0, 0]) for answer in answers} == {8.0}


def test_sequences_may_be_rescheduled(tmp_path: Path, place: dict[str, str]) -> None:
    """Triton's iterative sequences: one request, executed until the model is content."""
    text = """
class TritonPythonModel:
    def initialize(self, args):
        self.turns = 0
    def execute(self, requests):
        self.turns += 1
        if self.turns < 3:
            for request in requests:
                request.set_release_flags(pb_utils.TRITONSERVER_REQUEST_RELEASE_RESCHEDULE)
            return [None for _ in requests]
        y = np.full((1, 4), self.turns, np.float32)
        return [pb_utils.InferenceResponse([pb_utils.Tensor("y", y)]) for _ in requests]
"""
    config = IO.replace("8", "1") + "sequence_batching { iterative_sequence: true }"
    with serving(tmp_path, {"m": model(text, config, **place)}) as server:
        y = ask(server, correlation_id=1, sequence_start=True, sequence_end=True)
    assert y.tolist() == [[3.0] * 4]


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


def test_a_withdrawn_request_is_seen_by_the_model(tmp_path: Path, place: dict[str, str]) -> None:
    text = """
import time
class TritonPythonModel:
    def execute(self, requests):
        sender = requests[0].get_response_sender()
        y = pb_utils.Tensor("y", np.zeros((1, 4), np.float32))
        sender.send(pb_utils.InferenceResponse([y]))
        until = time.monotonic() + 30
        while not requests[0].is_cancelled() and time.monotonic() < until:
            time.sleep(0.001)
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


# --- completing, logging, finalizing -------------------------------------------------------------

COMPLETE = (
    ADD_ONE
    + """
    @staticmethod
    def auto_complete_config(config):
        assert config.as_dict()["name"] == "m"
        config.add_input({"name": "x", "data_type": "TYPE_FP32", "dims": [4]})
        config.add_output({"name": "y", "data_type": "TYPE_FP32", "dims": [4]})
        config.set_max_batch_size(5)
        config.set_dynamic_batching()
        return config
"""
)


def test_a_model_completes_its_configuration(tmp_path: Path, place: dict[str, str]) -> None:
    with serving(tmp_path, {"m": model(COMPLETE, "", **place)}) as server:
        config = server.describe("m").config
        assert config.max_batch_size == 5
        assert config.dynamic_batching is not None
        shown = json.loads(server.model_config("m"))
        assert shown["input"][0]["name"] == "x"
        assert shown["max_batch_size"] == 5
        np.testing.assert_array_equal(ask(server), X + 1)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("return 5", "must return the model_config"),
        ("config.add_input({'name': 'x', 'dims': [4]})", "'x'.*missing 'data_type' property"),
        ("config.add_output({'name': 'y', 'a': 1})", "contains property other than"),
        ("config.set_max_batch_size(-2); return config", "max_batch_size"),
        ("config.set_max_batch_size(2); return config", "specified max_batch_size 8"),
        ("raise RuntimeError('boom')", "RuntimeError: boom"),
    ],
)
def test_a_wrong_completion_is_refused(
    tmp_path: Path, place: dict[str, str], line: str, message: str
) -> None:
    config = "max_batch_size: 8" if "(2)" in line else ""
    text = ADD_ONE + f"\n    @staticmethod\n    def auto_complete_config(config):\n        {line}\n"
    with (
        pytest.raises(TritonError, match=message),
        serving(tmp_path, {"m": model(text, config, **place)}),
    ):
        pass


def test_without_auto_completion_it_is_not_asked(tmp_path: Path, place: dict[str, str]) -> None:
    from triton_ros.main import make_server  # noqa: PLC0415 (hands the option to the registry)

    toys = {"m": model(COMPLETE, **place)}
    toy_models.write_repository(tmp_path, toys)
    options = ServerOptions(disable_auto_complete_config=True)
    with make_server([tmp_path], options) as server:
        server.load_model("m").result(TIMEOUT)
        assert server.describe("m").config.max_batch_size == 8


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("class Other: pass", r"model\.py has no class TritonPythonModel"),
        ("class TritonPythonModel: pass", r"must have a method 'execute'"),
        ("import not_there", "ModuleNotFoundError: No module named 'not_there'"),
        ("def f(:", "SyntaxError"),
        (
            ADD_ONE + "    def initialize(self, args):\n        raise KeyError('weights')\n",
            r"failed to initialize: KeyError: 'weights'",
        ),
    ],
)
def test_a_model_that_cannot_be_made_says_why(
    tmp_path: Path, place: dict[str, str], text: str, message: str
) -> None:
    with (
        pytest.raises(InvalidArgumentError, match=rf"(?s)'m'.*{message}"),
        serving(tmp_path, {"m": model(text, **place)}),
    ):
        pass


def test_what_it_logs_and_prints_is_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = (
        ADD_ONE
        + """
    def initialize(self, args):
        pb_utils.Logger.log_warn("beware")
        pb_utils.Logger.log("by the way", pb_utils.Logger.INFO)
        print("printed")
    def finalize(self):
        print("the end")
"""
    )
    with caplog.at_level(logging.INFO), serving(tmp_path, {"m": model(text)}) as server:
        ask(server)
    lines = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert ("WARNING", "m_0: beware") in lines
    assert ("INFO", "m_0: by the way") in lines
    assert ("INFO", "m_0: printed") in lines
    assert ("INFO", "m_0: the end") in lines


def test_modules_beside_it_can_be_imported(tmp_path: Path, place: dict[str, str]) -> None:
    text = "import helper\n" + ADD_ONE.replace("x + 1", "helper.add(x)")
    toy = model(text, **place)
    folder = tmp_path / "m" / "1"
    folder.mkdir(parents=True)
    (folder / "helper.py").write_text("def add(x):\n    return x + 5\n")
    with serving(tmp_path, {"m": toy}) as server:
        np.testing.assert_array_equal(ask(server), X + 5)
