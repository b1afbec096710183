# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The process of one Python model instance.

The main thread runs the model, and receives while it waits for work; another one receives while the
model runs.  Messages that the model waits for (answers to its calls) are handled where they arrive,
the others wait for the main thread.  When the host is gone, the process ends at once.
"""

from __future__ import annotations

import os
import queue
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any

from triton_ros.backends.python import pb_utils
from triton_ros.backends.python.channel import Channel, Message
from triton_ros.backends.python.listener import Listener
from triton_ros.backends.python.model_module import (
    Answer,
    ModelFault,
    PythonModule,
    make_sender,
    wanted,
)
from triton_ros.backends.python.pb_utils import (
    InferenceRequest,
    InferenceResponse,
    Tensor,
    TritonError,
    TritonModelException,
)
from triton_ros.backends.python.shared_tensors import Reader, Writer

_READY_PERIOD = 1.0
"""Seconds between two questions to a model that has `is_ready`."""
_FLAGS = {"start": 1, "end": 2}


class Worker(pb_utils.Host):
    """What the main thread does, and the host as the model reaches it."""

    def __init__(self, channel: Channel, reader: Reader, writer: Writer) -> None:
        self._channel = channel
        self._reader = reader
        self._writer = writer
        self._listener = Listener(channel, self._handle)
        self._module: PythonModule | None = None
        self._decoupled = False
        self._ready = True
        self._waiting: dict[int, Callable[[Message], None]] = {}
        self._calls = 0
        self._lock = threading.Lock()
        self._cancelled: dict[int, bool] = {}
        """Requests that are not ended, and whether they are withdrawn."""
        self._held: list[Message] | None = None
        """Answers of an execution that go with its end, all in one message; None for none."""

    def run(self) -> None:
        """Until the host says so."""
        threading.Thread(target=self._receive, name="receive", daemon=True).start()
        while True:
            message = self._next()
            if message is None:
                self._tell_readiness()
                continue
            handle = getattr(self, f"_do_{message['op']}")
            try:
                answer = handle(message)
            except ModelFault as fault:
                answer = {"op": "failed", "error": str(fault)}
            held = self._take_held()
            self._send({**answer, "to": message["op"], **({"answers": held} if held else {})})
            if message["op"] == "finalize":
                return

    # receiving ------------------------------------------------------------------------------------

    def _receive(self) -> None:
        try:
            self._listener.watch()
        except BaseException:
            traceback.print_exc()
        os._exit(1)  # the host is gone: nobody waits for what the model still does

    def _handle(self, message: Message) -> bool:
        """See `listener.Handle`."""
        self._writer.free(message.get("free", ()))
        if message["op"] == "called":
            self._called(message)
        elif message["op"] == "cancel":
            if message["n"] in self._cancelled:
                self._cancelled[message["n"]] = True
        else:
            return False
        return True

    def _next(self) -> Message | None:
        asked = self._module is not None and self._module.tells_readiness
        try:
            with self._listener.claimed():
                return self._listener.next(_READY_PERIOD if asked else None)
        except EOFError:
            os._exit(1)

    def _send(self, message: Message) -> None:
        free = self._reader.released()
        if free:
            message["free"] = free
        try:
            self._channel.send(message)
        except OSError:
            os._exit(1)

    # the steps of a model's life ------------------------------------------------------------------

    def _do_load(self, message: Message) -> Message:
        sys.path[:0] = message["folders"]
        self.model_dir = message["folders"][0]
        self._module = PythonModule(message["path"])
        return {"op": "done"}

    def _do_complete(self, message: Message) -> Message:
        return {"op": "done", "config": self._loaded.complete(message["config"])}

    def _do_initialize(self, message: Message) -> Message:
        self._decoupled = message["decoupled"]
        self._loaded.initialize(message["arguments"], self._decoupled)
        self._tell_readiness()
        return {"op": "done"}

    def _take_held(self) -> list[Message]:
        with self._lock:
            held, self._held = self._held, None
        return held or []

    def _do_execute(self, message: Message) -> Message:
        if not self._decoupled:
            self._held = []
        answers = [_Answer(self, entry["n"]) for entry in message["requests"]]
        requests = []
        for index, entry in enumerate(message["requests"]):
            requests.append(self._request(entry, answers[index]))
        self._loaded.execute(requests, answers)
        self._tell_readiness()
        return {"op": "done"}

    def _do_finalize(self, message: Message) -> Message:
        self._loaded.finalize()
        return {"op": "done"}

    @property
    def _loaded(self) -> PythonModule:
        assert self._module is not None, "load comes first"
        return self._module

    def _tell_readiness(self) -> None:
        if self._loaded.tells_readiness and self._loaded.ready() != self._ready:
            self._ready = not self._ready
            self._send({"op": "ready", "ready": self._ready})

    def _request(self, entry: Message, answer: _Answer) -> InferenceRequest:
        flags = sum(_FLAGS[name] for name in entry.get("flags", ()))
        request = InferenceRequest(
            requested_output_names=entry.get("outputs", ()),
            inputs=self._tensors(entry["inputs"]),
            request_id=entry.get("id", ""),
            correlation_id=entry.get("correlation_id", 0),
            flags=flags,
            timeout=entry.get("timeout", 0),
            parameters=entry.get("parameters"),
            priority=entry.get("priority", 0),
        )
        number = entry["n"]
        self._cancelled[number] = entry.get("cancelled", False)
        request._cancelled = lambda: self._cancelled.get(number, False)
        answer.names = request.requested_output_names()
        make_sender(request, answer, self._decoupled)
        return request

    def _tensors(self, entries: list[Any]) -> list[Tensor]:
        return [Tensor(name, self._reader.read(description)) for name, description in entries]

    def _described(self, tensors: list[Tensor]) -> list[Any]:
        return [[t.name(), self._writer.write(t.as_numpy())] for t in tensors]

    def answer(self, number: int, message: Message, last: bool) -> None:
        """One response to the request of that number."""
        if last:
            self._cancelled.pop(number, None)
        answer = {"op": "answer", "n": number, "last": last, **message}
        with self._lock:
            if self._held is not None:
                self._held.append(answer)
                return
        self._send(answer)

    # what the model asks of the server ------------------------------------------------------------

    def log(self, level: str, message: str) -> None:
        self._send({"op": "log", "level": level, "text": message})

    def control(self, action: str, model: str, version: int = -1) -> bool:
        answers: queue.SimpleQueue[Message] = queue.SimpleQueue()
        message = {"op": "control", "action": action, "model": model, "version": version}
        self._ask(message, answers.put)
        answer = answers.get()
        if "error" in answer:
            raise TritonModelException(answer["error"][1])
        return bool(answer["result"])

    def call(
        self,
        request: InferenceRequest,
        decoupled: bool,
        respond: Callable[[InferenceResponse, bool], None],
    ) -> None:
        message = {
            "op": "call",
            "model": request.model_name(),
            "version": request.model_version(),
            "inputs": self._described(request.inputs()),
            "outputs": request.requested_output_names(),
            "id": request.request_id(),
            "correlation_id": request.correlation_id(),
            "flags": [name for name, flag in _FLAGS.items() if request.flags() & flag],
            "timeout": request.timeout(),
            "priority": request.priority(),
            "parameters": request._parameters,
            "decoupled": decoupled,
        }

        def answered(answer: Message) -> None:
            error = answer.get("error")
            response = InferenceResponse(
                self._tensors(answer.get("tensors", ())),
                TritonError(error[1], error[0]) if error else None,
                answer.get("parameters"),
            )
            respond(response, answer["last"])

        self._ask(message, answered)

    def _ask(self, message: Message, answered: Callable[[Message], None]) -> None:
        with self._lock:
            self._calls += 1
            number = self._calls
            self._waiting[number] = answered
        self._send({**message, "k": number})

    def _called(self, message: Message) -> None:
        with self._lock:
            answered = self._waiting.get(message["k"])
            if message["last"]:
                self._waiting.pop(message["k"], None)
        if answered is not None:
            try:
                answered(message)
            except Exception as error:  # this thread has to go on receiving
                self.log("error", f"the answer to a call was lost: {error}")


class _Answer(Answer):
    """Sends what a model answers to the host."""

    def __init__(self, worker: Worker, number: int) -> None:
        self._worker = worker
        self._number = number
        self.names: list[str] = []
        """The outputs that are asked for.  Not the request: it has this, and would stay."""

    def respond(self, response: InferenceResponse, last: bool) -> None:
        message: Message = {}
        error = response.error()
        if error is not None:
            message["error"] = [error.code(), error.message()]
        else:
            message["tensors"] = self._worker._described(wanted(self.names, response))
            if response._parameters:
                message["parameters"] = response._parameters
        self._worker.answer(self._number, message, last)

    def end(self) -> None:
        self._worker.answer(self._number, {}, True)

    def reschedule(self) -> None:
        self._worker.answer(self._number, {"reschedule": True}, True)


def main(arguments: list[str]) -> None:
    """``worker <socket> <region in> <region out> <size> <growth>``: file descriptors and bytes."""
    end, region_in, region_out, size, growth = map(int, arguments)
    channel = Channel(socket.socket(fileno=end))
    worker = Worker(channel, Reader(region_in), Writer(region_out, size, growth))
    pb_utils.process_host = worker
    worker.run()
    sys.stdout.flush()
