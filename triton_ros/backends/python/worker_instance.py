# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One instance of a model in a process of its own.

A process that dies takes the requests with it that it was executing, and nothing else: it is
started again at once, and requests wait for that.  One that dies again before it answered anything
is started with longer and longer pauses, and requests are refused meanwhile.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

from triton_ros.backends.python.calls import Calls
from triton_ros.backends.python.channel import Message
from triton_ros.backends.python.worker_process import WorkerDied, WorkerProcess
from triton_ros.backends.support import released
from triton_ros.core.backend import ExecutionRequest, ModelCalls
from triton_ros.core.errors import (
    InternalError,
    TritonError,
    UnavailableError,
    error_with_code,
)

_LOG = logging.getLogger(__name__)
_LEVELS = {"verbose": logging.DEBUG, "warn": logging.WARNING, "error": logging.ERROR}

Start = Callable[
    [Callable[[Message], None], Callable[[WorkerProcess], None]],
    WorkerProcess,
]
"""Makes a process with the model initialized in it; raises `TritonError`."""


def pause(failures: int) -> float:
    """Seconds before a start, after so many failures in a row: 0, 0, 0.2, 0.4, ... 30."""
    return 0.0 if failures < 2 else min(30.0, 0.2 * 2.0 ** min(failures - 2, 10))


class WorkerInstance:
    """Core's `RequestInstance`."""

    def __init__(
        self, model: str, name: str, start: Start, *, decoupled: bool, execute_timeout: float | None
    ) -> None:
        self.name = name
        self._model = model
        self.ready = True
        """The model's own word (`is_ready`)."""
        self.restarts = 0
        self._start = start
        self._decoupled = decoupled
        self._timeout = execute_timeout
        self._failures = 0
        self._why = ""
        self._state = threading.Condition()
        self._closed = threading.Event()
        self._running: dict[int, _Running] = {}
        self._numbers = 0
        self._calls = Calls()
        self._worker: WorkerProcess | None = None
        self._take(start(self._handle, self._died))

    # core's side ----------------------------------------------------------------------------------

    def execute_requests(self, requests: Sequence[ExecutionRequest], calls: ModelCalls) -> None:
        """See `core.backend.RequestInstance`."""
        self._calls.calls = calls
        batch = [self._begin(request) for request in requests]
        try:
            worker, answer = self._executed(batch)
            for each in answer.get("answers", ()):
                self._answer(each, worker)
            if answer["op"] == "failed":
                self._fail(batch, self._failed(answer["error"]))
            elif not self._decoupled and not all(r.answered for r in batch):
                worker.wait_for(lambda: all(r.answered for r in batch), self._timeout)
        except WorkerDied as death:
            self._fail(batch, self._unhealthy(str(death)))
            return
        except UnavailableError as error:
            self._fail(batch, error)
            return
        self._failures = 0
        for running in batch if not self._decoupled else ():
            self._end(running)

    def finalize(self) -> None:
        """See `core.backend.RequestInstance`."""
        self._closed.set()
        with self._state:
            worker, self._worker = self._worker, None
            self._state.notify_all()
        if worker is not None:
            worker.close()

    @property
    def problem(self) -> str:
        """Why it cannot execute now; empty while it can."""
        if self._worker is None and self._failures > 1:
            return self._why
        return "" if self.ready else f"{self.name}: the model says that it is not ready"

    def resident_bytes(self) -> int:
        """Memory of the process."""
        worker = self._worker
        return worker.resident_bytes() if worker else 0

    # requests -------------------------------------------------------------------------------------

    def _executed(self, batch: Sequence[_Running]) -> tuple[WorkerProcess, Message]:
        """Who executed the batch, and what it said at the end.

        Raises `WorkerDied`, `UnavailableError`.
        """
        for _ in range(2):
            worker = self._usable()
            try:
                with worker.listening():
                    _send(worker, batch)
                    return worker, worker.wait("execute", self._timeout)
            except WorkerDied:
                if batch[0].worker is worker:
                    raise
        raise WorkerDied(worker.death)

    def _usable(self) -> WorkerProcess:
        """The process; waits for one that is being started for the first time after a failure."""
        with self._state:
            self._state.wait_for(lambda: self._alive or self._failures > 1 or self._closed.is_set())
            if self._closed.is_set():
                raise released(self._model)
            if self._worker is None or not self._alive:
                raise UnavailableError(f"Stub process '{self.name}' is not healthy. {self._why}")
            return self._worker

    @property
    def _alive(self) -> bool:
        """Whether there is a process that is not known to have died."""
        return self._worker is not None and not self._worker.death

    def _begin(self, request: ExecutionRequest) -> _Running:
        self._numbers += 1
        running = _Running(self._numbers, request)
        self._running[running.number] = running
        cancellation = request.cancellation
        if cancellation is not None:
            cancellation.watch(id(running), lambda: self._cancel(running.number))
        return running

    def _end(self, running: _Running) -> None:
        """Hand the answer on; safe to call again."""
        if self._running.pop(running.number, None) is None:
            return
        cancellation = running.request.cancellation
        if cancellation is not None:
            cancellation.unwatch(id(running))
        running.hand_on()

    def _fail(self, batch: Sequence[_Running], error: TritonError) -> None:
        for running in batch:
            if not running.answered:
                running.error = error
                running.answered = True
            self._end(running)

    def _cancel(self, number: int) -> None:
        worker = self._worker
        if worker is not None:
            with contextlib.suppress(WorkerDied):
                worker.send({"op": "cancel", "n": number})

    def _failed(self, message: str) -> InternalError:
        return InternalError(
            f"Failed to process the request(s) for model instance '{self.name}', message: {message}"
        )

    def _unhealthy(self, why: str) -> InternalError:
        return self._failed(f"Stub process '{self.name}' is not healthy: {why}")

    # what the process says ------------------------------------------------------------------------

    def _handle(self, message: Message) -> None:
        worker = self._worker
        if message["op"] == "answer" and worker is not None:
            self._answer(message, worker)
            if message["last"]:
                worker.notify()
        elif message["op"] == "log":
            _LOG.log(
                _LEVELS.get(message["level"], logging.INFO), "%s: %s", self.name, message["text"]
            )
        elif message["op"] == "ready":
            self.ready = message["ready"]
        elif worker is not None:
            self._calls.handle(message, worker)

    def _answer(self, message: Message, worker: WorkerProcess) -> None:
        running = self._running.get(message["n"])
        if running is None:
            return
        if "error" in message:
            code, text = message["error"]
            running.error = error_with_code(code, text)
        elif "tensors" in message:
            outputs = {name: worker.reader.read(d) for name, d in message["tensors"]}
            running.take(outputs, message.get("parameters", {}), at_once=self._decoupled)
        running.reschedule = message.get("reschedule", False)
        if message["last"]:
            running.answered = True
            if self._decoupled:
                self._end(running)

    # its life -------------------------------------------------------------------------------------

    def _died(self, worker: WorkerProcess) -> None:
        """On the process' own thread, once."""
        with self._state:
            if self._closed.is_set() or worker is not self._worker:
                return
            self._worker = None
            self._failures += 1
            self._why = f"{self.name}: {worker.death}"
            self.ready = True
            running = list(self._running.values()) if self._decoupled else []
            self._state.notify_all()
        _LOG.error("%s: %s; it is started again", self.name, worker.death)
        threading.Thread(target=self._restart, args=(worker,), name=self.name, daemon=True).start()
        lost = [each for each in running if each.worker is worker]
        self._fail(lost, self._unhealthy(worker.death))

    def _restart(self, dead: WorkerProcess) -> None:
        dead.close()
        while not self._closed.wait(pause(self._failures)):
            try:
                worker = self._start(self._handle, self._died)
            except TritonError as error:
                with self._state:
                    self._failures += 1
                    self._why = f"{self.name} cannot be started again: {error}"
                    self._state.notify_all()
                _LOG.error("%s", self._why)
                continue
            self.restarts += 1
            self._take(worker)
            return

    def _take(self, worker: WorkerProcess) -> None:
        with self._state:
            if not self._closed.is_set():
                self._worker = worker
                self._state.notify_all()
                if not worker.death:
                    return
        if self._closed.is_set():
            worker.close()
        else:
            self._died(worker)  # between its start and now


def _send(worker: WorkerProcess, batch: Sequence[_Running]) -> None:
    """Raises `WorkerDied` if it died while it was idle, which took nothing with it."""
    worker.send({"op": "execute", "requests": [running.entry(worker) for running in batch]})
    for running in batch:
        running.worker = worker


class _Running:
    """A request that a process executes."""

    def __init__(self, number: int, request: ExecutionRequest) -> None:
        self.number = number
        self.request = request
        self.worker: WorkerProcess | None = None
        """Which has it, and takes it along when it dies."""
        self.error: TritonError | None = None
        self.answered = False
        self.reschedule = False
        self._response: tuple[dict[str, Any], dict[str, Any]] | None = None

    def entry(self, worker: WorkerProcess) -> Message:
        """What the process is told of it."""
        request = self.request
        flags = {"start": request.sequence_start, "end": request.sequence_end}
        inputs = request.inputs
        return {
            "n": self.number,
            "inputs": [[name, worker.writer.write(value)] for name, value in inputs.items()],
            "outputs": list(request.outputs),
            "id": request.id,
            "correlation_id": request.correlation_id,
            "flags": [name for name, given in flags.items() if given],
            "timeout": request.timeout_us,
            "priority": request.priority,
            "parameters": dict(request.parameters),
            "cancelled": request.cancelled,
        }

    def take(self, outputs: dict[str, Any], parameters: dict[str, Any], *, at_once: bool) -> None:
        """A response: handed on at once, or kept for `hand_on`."""
        self._response = (outputs, parameters)
        if at_once:
            self._respond()

    def hand_on(self) -> None:
        """The end, on the thread that waits for it."""
        if self.error is not None:
            self.request.fail(self.error)
            return
        if self.reschedule:
            self.request.reschedule()
            return
        if self._respond():
            self.request.finish()

    def _respond(self) -> bool:
        response, self._response = self._response, None
        if response is None:
            return True
        try:
            self.request.respond(*response)
        except TritonError as error:
            self.error = error
            with contextlib.suppress(TritonError):
                self.request.fail(error)
            return False
        return True
