# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a model.py may do, in a process of its own and in the server's: both must be the same."""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path
from threading import Semaphore
from typing import Any

import numpy as np
import pytest
import toy_models
from python_models import IO, TIMEOUT, X, ask, body, model, serving

from triton_ros.core.errors import (
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    TritonError,
    UnavailableError,
)
from triton_ros.core.request import InferenceRequest
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


def test_a_model_that_is_replaced_at_once_is_the_new_one(
    tmp_path: Path, place: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the same size and time, which is all that bytecode is known by."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    file = tmp_path / "m/1/model.py"
    with serving(tmp_path, {"m": model(ADD_ONE, **place)}) as server:
        np.testing.assert_array_equal(ask(server), X + 1)
        times = file.stat()
        file.write_text(file.read_text().replace("x + 1", "x + 2"))
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
        server.load_model("m").result(TIMEOUT)
        np.testing.assert_array_equal(ask(server), X + 2)
    assert not list(tmp_path.rglob("__pycache__")), "the repository is only read"


def test_modules_beside_it_can_be_imported(tmp_path: Path, place: dict[str, str]) -> None:
    text = "import helper\n" + ADD_ONE.replace("x + 1", "helper.add(x)")
    toy = model(text, **place)
    folder = tmp_path / "m" / "1"
    folder.mkdir(parents=True)
    (folder / "helper.py").write_text("def add(x):\n    return x + 5\n")
    with serving(tmp_path, {"m": toy}) as server:
        np.testing.assert_array_equal(ask(server), X + 5)
