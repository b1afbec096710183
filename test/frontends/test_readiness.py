# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Strict readiness: every model that should serve does."""

from __future__ import annotations

import os
from concurrent.futures import Future
from pathlib import Path

import numpy as np
from frontend_server import IN_PROCESS, python_toy, serving
from http_client import ask, wait_for
from toy_models import Toy, onnx_add_sub

from triton_ros.core.control.model_state import ModelState
from triton_ros.core.request import InferenceRequest, Outcome

CONFIG = f"""
backend: "python"
input [{{ name: "IN" data_type: TYPE_INT32 dims: [1] }}]
output [{{ name: "OUT" data_type: TYPE_INT32 dims: [1] }}]
{IN_PROCESS}
"""
WAITING = """
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        open({path!r}).read()
        return [
            pb_utils.InferenceResponse(
                [pb_utils.Tensor("OUT", pb_utils.get_input_tensor_by_name(each, "IN").as_numpy())]
            )
            for each in requests
        ]
"""
"""Answers when the other end of a pipe has been opened and closed."""


def test_what_is_being_unloaded_is_not_excused_and_what_was_is(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    models = {
        "add_sub": Toy(onnx_add_sub()),
        "waiting": python_toy(CONFIG, WAITING.format(path=str(pipe))),
    }
    with serving(tmp_path / "models", models) as found:

        def status() -> int:
            return ask(found.http, "GET", "/v2/health/ready").status

        def state() -> ModelState:
            return next(e.state for e in found.server.repository_index() if e.name == "waiting")

        assert status() == 200
        answer: Future[Outcome] = Future()
        request = InferenceRequest("waiting", {"IN": np.array([3], np.int32)})
        found.server.submit(request, answer.set_result)
        with pipe.open("w"):  # opens when the model has opened it
            unloaded = found.server.unload_model("waiting")
            wait_for(lambda: state() is ModelState.UNLOADING)
            assert status() == 400
        unloaded.result(20)
        assert not isinstance(answer.result(20), Exception)
        assert (state(), status()) == (ModelState.UNAVAILABLE, 200)
