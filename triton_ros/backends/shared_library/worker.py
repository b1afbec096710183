# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The process of one isolated instance of a C backend's model.

The main thread loads, executes, and receives while it waits for work; another one receives
meanwhile.  The instance is the same that runs in the server's process, and is given the same port's
requests: these send their answers over the channel, from whichever thread the library answers.
When the host is gone, the process ends at once.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from triton_ros.backends.python.channel import Channel, Message
from triton_ros.backends.python.listener import Listener
from triton_ros.backends.python.shared_tensors import Reader, Writer
from triton_ros.backends.shared_library.backend import NativeModel, SharedLibraryBackend
from triton_ros.backends.shared_library.instance import NativeInstance
from triton_ros.backends.shared_library.isolation import BackendSpec
from triton_ros.backends.shared_library.worker_calls import WorkerCalls
from triton_ros.core.config.config_json import config_from_json, config_json
from triton_ros.core.config.model_config import InstanceGroup, InstanceKind
from triton_ros.core.config.optimization_config import SecondaryDevice
from triton_ros.core.errors import InternalError, TritonError, code_number
from triton_ros.core.request import Cancellation, Parameter
from triton_ros.core.tensor import Array

_WORDS = {logging.DEBUG: "verbose", logging.WARNING: "warn", logging.ERROR: "error"}


class Worker:
    """What the main thread does."""

    def __init__(self, channel: Channel, reader: Reader, writer: Writer) -> None:
        self._channel = channel
        self._reader = reader
        self._writer = writer
        self._listener = Listener(channel, self._handle)
        self._model: NativeModel | None = None
        self._instance: NativeInstance | None = None
        self._decoupled = False
        self._ready = True
        self._requests: dict[int, WorkerRequest] = {}
        self._calls = WorkerCalls(self.send, reader, writer)

    def run(self) -> None:
        """Until the host says so."""
        threading.Thread(target=self._receive, name="receive", daemon=True).start()
        while True:
            message = self._next()
            try:
                answer = getattr(self, f"_do_{message['op']}")(message)
            except TritonError as error:
                answer = {"op": "failed", "error": str(error)}
            self.send({**answer, "to": message["op"]})
            if message["op"] == "finalize":
                return

    def send(self, message: Message) -> None:
        """From any thread."""
        free = self._reader.released()
        if free:
            message["free"] = free
        try:
            self._channel.send(message)
        except OSError:
            os._exit(1)

    def described(self, tensors: Mapping[str, Array]) -> list[Any]:
        """Tensors written into the shared memory."""
        return [[name, self._writer.write(value)] for name, value in tensors.items()]

    def forget(self, number: int) -> None:
        """A request is ended."""
        self._requests.pop(number, None)

    def _receive(self) -> None:
        try:
            self._listener.watch()
        finally:
            os._exit(1)  # the host is gone: nobody waits for what the library still does

    def _next(self) -> Message:
        try:
            with self._listener.claimed():
                message = self._listener.next()
        except EOFError:
            os._exit(1)
        assert message is not None, "there is no time-out"
        return message

    def _handle(self, message: Message) -> bool:
        """See `listener.Handle`."""
        self._writer.free(message.get("free", ()))
        if message["op"] == "cancel":
            request = self._requests.get(message["n"])
            if request is not None:
                request.cancellation.cancel()
        elif message["op"] == "called":
            self._calls.answered(message)
        else:
            return False
        return True

    # the steps of a model's life ------------------------------------------------------------------

    def _do_load(self, message: Message) -> Message:
        said = message["spec"]
        directory = Path(said["directory"]) if said["directory"] else None
        backend = SharedLibraryBackend(BackendSpec(**{**said, "directory": directory}))
        config = config_from_json(message["config"], message["model"])
        model = backend.load_here(config, Path(message["version_dir"]))
        self._model, self._decoupled = model, model.config.decoupled
        return {"op": "done", "config": config_json(model.config)}

    def _do_initialize(self, message: Message) -> Message:
        assert self._model is not None, "load comes first"
        fields = message["group"]
        devices = tuple(SecondaryDevice(**each) for each in fields["secondary_devices"])
        group = InstanceGroup(
            fields["name"],
            InstanceKind(fields["kind"]),
            passive=fields["passive"],
            host_policy=fields["host_policy"],
            profile=tuple(fields["profile"]),
            secondary_devices=devices,
        )
        self._instance = self._model.named_instance(message["name"], group, message["device"])
        self._tell_readiness()
        return {"op": "done"}

    def _do_execute(self, message: Message) -> Message:
        assert self._instance is not None, "initialize comes first"
        requests = []
        for entry in message["requests"]:
            inputs = {name: self._reader.read(place) for name, place in entry["inputs"]}
            request = WorkerRequest(self, entry, inputs, decoupled=self._decoupled)
            self._requests[request.number] = request
            requests.append(request)
        self._instance.execute_requests(requests, self._calls)
        self._tell_readiness()
        return {"op": "done"}

    def _do_finalize(self, message: Message) -> Message:
        if self._instance is not None:
            self._instance.finalize()
        if self._model is not None:
            self._model.finalize()
        return {"op": "done"}

    def _tell_readiness(self) -> None:
        ready = self._instance is None or not self._instance.problem
        if ready != self._ready:
            self._ready = ready
            self.send({"op": "ready", "ready": ready})


class WorkerRequest:
    """Core's `ExecutionRequest`, whose answers go to the host."""

    def __init__(
        self, worker: Worker, entry: Message, inputs: dict[str, Array], *, decoupled: bool
    ) -> None:
        self._worker = worker
        self._decoupled = decoupled
        self._response: Message = {}
        self.number: int = entry["n"]
        self.id: str = entry["id"]
        self.correlation_id: int | str = entry["correlation_id"]
        self.sequence_start = "start" in entry["flags"]
        self.sequence_end = "end" in entry["flags"]
        self.inputs: Mapping[str, Array] = inputs
        self.outputs = tuple(entry["outputs"])
        self.parameters: Mapping[str, Parameter] = entry["parameters"]
        self.priority: int = entry["priority"]
        self.timeout_us: int = entry["timeout"]
        self.deadline_ns: int | None = None
        self.remaining_ns: int | None = None
        self.cancellation = Cancellation()
        if entry["cancelled"]:
            self.cancellation.cancel()

    @property
    def cancelled(self) -> bool:
        return self.cancellation.cancelled

    def respond(
        self, outputs: dict[str, Array], parameters: Mapping[str, Parameter] | None = None
    ) -> None:
        """A decoupled model's goes at once; another's with the end, so that one message does."""
        message = {
            "tensors": self._worker.described(outputs),
            "parameters": dict(parameters or {}),
        }
        if self._decoupled:
            self._send(message, last=False)
        elif self._response:
            error = InternalError("the model sent more than one response to a request")
            self.fail(error)
            raise error
        else:
            self._response = message

    def finish(self) -> None:
        """See `core.backend.ExecutionRequest`."""
        self._end(self._response)

    def fail(self, error: TritonError) -> None:
        """See `core.backend.ExecutionRequest`."""
        self._end({"error": [code_number(error), str(error)]})

    def reschedule(self) -> None:
        """See `core.backend.ExecutionRequest`."""
        self._end({"reschedule": True})

    def _end(self, message: Message) -> None:
        self._worker.forget(self.number)
        self.inputs = {}
        self._send(message, last=True)

    def _send(self, message: Message, *, last: bool) -> None:
        self._worker.send({"op": "answer", "n": self.number, "last": last, **message})


class _LogToHost(logging.Handler):
    def __init__(self, worker: Worker) -> None:
        super().__init__()
        self._worker = worker

    def emit(self, record: logging.LogRecord) -> None:
        level = _WORDS.get(record.levelno, "info")
        self._worker.send({"op": "log", "level": level, "text": record.getMessage()})


def main(arguments: list[str]) -> None:
    """``<socket> <region in> <region out> <size> <growth>``: file descriptors and bytes."""
    end, region_in, region_out, size, growth = map(int, arguments)
    channel = Channel(socket.socket(fileno=end))
    worker = Worker(channel, Reader(region_in), Writer(region_out, size, growth))
    logging.getLogger().addHandler(_LogToHost(worker))
    logging.getLogger().setLevel(logging.INFO)
    worker.run()
