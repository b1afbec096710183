# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The server as an isolated instance reaches it: core's `ModelCalls` over the worker's channel.

The messages are the Python backend's, whose host answers them (`python.calls`).
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

from triton_ros.backends.python.channel import Message
from triton_ros.backends.python.shared_tensors import Reader, Writer
from triton_ros.core.errors import TritonError, error_with_code
from triton_ros.core.request import Done, InferenceRequest, InferenceResponse, Outcome
from triton_ros.core.tensor import materialize


class WorkerCalls:
    """Asks with `send`; what comes back is given to `answered`, on the thread that receives."""

    def __init__(self, send: Callable[[Message], None], reader: Reader, writer: Writer) -> None:
        self._send = send
        self._reader = reader
        self._writer = writer
        self._lock = threading.Lock()
        self._numbers = 0
        self._waiting: dict[int, Callable[[Message], None]] = {}

    def answered(self, message: Message) -> None:
        """A message of the kind `called`."""
        with self._lock:
            take = self._waiting.pop if message["last"] else self._waiting.get
            waiting = take(message["k"], None)
        if waiting is not None:
            waiting(message)

    # core.backend.ModelCalls ----------------------------------------------------------------------

    def infer(self, request: InferenceRequest) -> InferenceResponse:
        """Raises the request's `TritonError`."""
        outcomes: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        self.submit(request, outcomes.put)
        outcome = outcomes.get()
        if isinstance(outcome, TritonError):
            raise outcome
        return outcome

    def submit(self, request: InferenceRequest, done: Done) -> None:
        """See `core.backend.ModelCalls`."""

        def answered(message: Message) -> None:
            error = message.get("error")
            if error is not None:
                done(error_with_code(*error))
                return
            outputs = {name: self._reader.read(place) for name, place in message["tensors"]}
            parameters = message.get("parameters", {})
            response = InferenceResponse(
                request.model_name, request.model_version, outputs, parameters=parameters
            )
            if message["last"]:
                done(response)
            elif request.on_response is not None:
                request.on_response(response)

        self._ask(_call(request, self._writer), answered)

    def load_model(self, name: str) -> None:
        """Blocks; raises `TritonError`."""
        self._control("load", name)

    def unload_model(self, name: str) -> None:
        """See `core.backend.ModelCalls`."""
        self._control("unload", name)

    def model_ready(self, name: str, version: int = -1) -> bool:
        """See `core.backend.ModelCalls`."""
        return bool(self._control("ready", name, version))

    def model_config(self, name: str, version: int = -1) -> str:
        """See `core.backend.ModelCalls`."""
        return str(self._control("config", name, version))

    def _control(self, action: str, name: str, version: int = -1) -> Any:
        answers: queue.SimpleQueue[Message] = queue.SimpleQueue()
        message = {"op": "control", "action": action, "model": name, "version": version}
        self._ask(message, answers.put)
        answer = answers.get()
        if "error" in answer:
            raise error_with_code(*answer["error"])
        return answer["result"]

    def _ask(self, message: Message, answered: Callable[[Message], None]) -> None:
        with self._lock:
            self._numbers += 1
            number = self._numbers
            self._waiting[number] = answered
        self._send({**message, "k": number})


def _call(request: InferenceRequest, writer: Writer) -> Message:
    flags = {"start": request.sequence_start, "end": request.sequence_end}
    return {
        "op": "call",
        "model": request.model_name,
        "version": request.model_version,
        "inputs": [[name, writer.write(materialize(v))] for name, v in request.inputs.items()],
        "outputs": list(request.outputs),
        "id": request.id,
        "correlation_id": request.correlation_id,
        "flags": [name for name, given in flags.items() if given],
        "timeout": request.timeout_us,
        "priority": request.priority,
        "parameters": dict(request.parameters),
        "decoupled": request.on_response is not None,
    }
