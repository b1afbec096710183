# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a model asks of the server while it executes: Triton's business logic scripting."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping
from typing import Any

from triton_ros.backends.python.channel import Message
from triton_ros.backends.python.worker_process import WorkerDied, WorkerProcess
from triton_ros.core.backend import ModelCalls
from triton_ros.core.errors import TritonError, UnavailableError, code_number
from triton_ros.core.request import InferenceRequest, InferenceResponse, Outcome
from triton_ros.core.tensor import Array


class Calls:
    """Answers the calls of one worker process."""

    def __init__(self) -> None:
        self.calls: ModelCalls | None = None
        """The server, as the last execution was given it."""

    def handle(self, message: Message, worker: WorkerProcess) -> None:
        """A `call` or `control` message, on the thread that received it: does not block."""
        if message["op"] == "control":
            work = threading.Thread(target=self._control, args=(message, worker), daemon=True)
            work.start()
            return
        reply = Reply(message["k"], worker, decoupled=message["decoupled"])
        try:
            submit(self._server(), message, inputs_of(message, worker), reply)
        except TritonError as error:
            reply.done(error)

    def _server(self) -> ModelCalls:
        if self.calls is None:
            raise UnavailableError("other models can be called once this one has executed")
        return self.calls

    def _control(self, message: Message, worker: WorkerProcess) -> None:
        answer: Message = {"op": "called", "k": message["k"], "last": True}
        try:
            answer["result"] = control(self._server(), message)
        except TritonError as error:
            answer["error"] = [code_number(error), str(error)]
        with contextlib.suppress(WorkerDied):
            worker.send(answer)


class Reply:
    """Sends what a called model answers."""

    def __init__(self, number: int, worker: WorkerProcess, *, decoupled: bool) -> None:
        self._number = number
        self._worker = worker
        self._decoupled = decoupled

    def response(self, response: InferenceResponse) -> None:
        """One of several."""
        self._send(response.outputs, response.parameters, last=False)

    def done(self, outcome: Outcome) -> None:
        """The last one."""
        if isinstance(outcome, TritonError):
            error = [code_number(outcome), str(outcome)]
            self._message({"error": error, "last": True})
        else:
            self._send(outcome.outputs, outcome.parameters, last=True)

    @property
    def on_response(self) -> Any:
        return self.response if self._decoupled else None

    def _send(
        self, outputs: Mapping[str, Array], parameters: Mapping[str, Any], last: bool
    ) -> None:
        writer = self._worker.writer
        tensors = [[name, writer.write(value)] for name, value in outputs.items()]
        self._message({"tensors": tensors, "parameters": dict(parameters), "last": last})

    def _message(self, message: Message) -> None:
        with contextlib.suppress(WorkerDied):
            self._worker.send({"op": "called", "k": self._number, **message})


def inputs_of(message: Message, worker: WorkerProcess) -> dict[str, Array]:
    """The tensors of a call."""
    return {name: worker.reader.read(description) for name, description in message["inputs"]}


def submit(server: ModelCalls, message: Message, inputs: Mapping[str, Array], reply: Any) -> None:
    """Run the called model; `reply` has `done` and `on_response`."""
    flags = message["flags"]
    request = InferenceRequest(
        message["model"],
        dict(inputs),
        message["version"],
        message["id"],
        tuple(message["outputs"]),
        message["parameters"],
        priority=message["priority"],
        timeout_us=message["timeout"],
        correlation_id=message["correlation_id"],
        sequence_start="start" in flags,
        sequence_end="end" in flags,
        on_response=reply.on_response,
    )
    server.submit(request, reply.done)


def control(server: ModelCalls, message: Message) -> bool | str:
    """Load, unload or ask; raises `TritonError`."""
    name = message["model"]
    if message["action"] == "ready":
        return server.model_ready(name, message["version"])
    if message["action"] == "config":
        return server.model_config(name, message["version"])
    if message["action"] == "load":
        server.load_model(name)
    else:
        server.unload_model(name)
    return True
