# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A model in the server's own interpreter: for speed, and only for models that are trusted.

Nothing is copied on the way in.  What is not kept apart: modules that a model imports are this
process', its folder is on this process' path, and its crash or endless loop is the server's.
"""

from __future__ import annotations

import itertools
import logging
import queue
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from triton_ros.backends.python import pb_utils
from triton_ros.backends.python.calls import control, submit
from triton_ros.backends.python.channel import Message
from triton_ros.backends.python.model_module import (
    Answer,
    ModelFault,
    PythonModule,
    make_sender,
    wanted,
)
from triton_ros.backends.support import released
from triton_ros.core.backend import ExecutionRequest, ModelCalls
from triton_ros.core.errors import (
    InternalError,
    InvalidArgumentError,
    TritonError,
    code_number,
    error_with_code,
)
from triton_ros.core.request import InferenceResponse, Outcome
from triton_ros.core.tensor import Array

_LOG = logging.getLogger(__name__)
_LEVELS = {"verbose": logging.DEBUG, "warn": logging.WARNING, "error": logging.ERROR}
_NAMES = itertools.count()


class InProcessModule:
    """One imported file; each instance has an object of its class.

    The class is imported anew for every instance, so that module variables are not shared either.
    """

    def __init__(self, model: str, path: Path) -> None:
        self.model = model
        self.folder = str(path.parent)
        self._path = path
        self._folders = [self.folder, str(path.parent.parent)]
        self._modules: list[str] = []
        sys.path[:0] = self._folders
        try:
            self._first: PythonModule | None = self._import()
        except BaseException:
            self.close()
            raise

    def complete(self, config: str) -> str | None:
        """After `auto_complete_config`; None where there is none."""
        assert self._first is not None
        with _translated(self.model):
            return self._first.complete(config)

    def make(self) -> PythonModule:
        """One for an instance."""
        first, self._first = self._first, None
        return first or self._import()

    def close(self) -> None:
        """Forget the modules."""
        self._first = None
        for name in self._modules:
            sys.modules.pop(name, None)
        for folder in self._folders:
            if folder in sys.path:
                sys.path.remove(folder)

    def _import(self) -> PythonModule:
        name = f"triton_ros_model_{next(_NAMES)}"
        self._modules.append(name)
        with _translated(self.model):
            return PythonModule(str(self._path), name)


class InProcessInstance:
    """Core's `RequestInstance`."""

    def __init__(
        self, name: str, module: InProcessModule, arguments: Mapping[str, str], decoupled: bool
    ) -> None:
        self.name = name
        self._model = module.model
        self._decoupled = decoupled
        self._host = _Host(name, module.folder)
        self._module: PythonModule | None = module.make()
        with _translated(self._model), self._host.current():
            self._module.initialize(dict(arguments), decoupled)

    def execute_requests(self, requests: Sequence[ExecutionRequest], calls: ModelCalls) -> None:
        """See `core.backend.RequestInstance`."""
        if self._module is None:
            raise released(self._model)
        self._host.calls = calls
        answers = [_Answer(request) for request in requests]
        asked = [self._request(answer) for answer in answers]
        try:
            with self._host.current():
                self._module.execute(asked, answers)
        except ModelFault as fault:
            raise InternalError(
                f"Failed to process the request(s) for model instance '{self.name}',"
                f" message: {fault}"
            ) from fault
        for answer in answers if not self._decoupled else ():
            answer.wait()

    def finalize(self) -> None:
        """See `core.backend.RequestInstance`."""
        module, self._module = self._module, None
        if module is not None:
            try:
                with self._host.current():
                    module.finalize()
            except ModelFault as fault:
                _LOG.warning("%s: %s", self.name, fault)

    def _request(self, answer: _Answer) -> pb_utils.InferenceRequest:
        request = answer.core
        made = pb_utils.InferenceRequest(
            requested_output_names=request.outputs,
            inputs=[pb_utils.Tensor(n, _to_model(v)) for n, v in request.inputs.items()],
            request_id=request.id,
            correlation_id=request.correlation_id,
            flags=request.sequence_start + 2 * request.sequence_end,
            timeout=request.timeout_us,
            parameters=dict(request.parameters),
            priority=request.priority,
        )
        made._cancelled = lambda: request.cancelled
        answer.names = made.requested_output_names()
        make_sender(made, answer, self._decoupled)
        return made


class _Answer(Answer):
    """Hands a model's responses straight to core."""

    def __init__(self, core: ExecutionRequest) -> None:
        self.core = core
        self.names: list[str] = []
        """The outputs that are asked for.  Not the request: it has this, and would stay."""
        self._ended: queue.SimpleQueue[None] = queue.SimpleQueue()

    def respond(self, response: pb_utils.InferenceResponse, last: bool) -> None:
        error = response.error()
        if error is not None:
            self.core.fail(error_with_code(error.code(), error.message()))
            self._ended.put(None)
            return
        outputs = {t.name(): t.as_numpy().copy() for t in wanted(self.names, response)}
        try:
            self.core.respond(outputs, response._parameters)
        except TritonError as refused:  # it is no response; who asked has to know
            self.core.fail(refused)
            self._ended.put(None)
            return
        if last:
            self.end()

    def end(self) -> None:
        self.core.finish()
        self._ended.put(None)

    def reschedule(self) -> None:
        self.core.reschedule()
        self._ended.put(None)

    def wait(self) -> None:
        """Until it was answered, by whatever thread of the model's."""
        self._ended.get()


class _Host(pb_utils.Host):
    """The server, for one in-process instance."""

    def __init__(self, name: str, model_dir: str) -> None:
        self.model_dir = model_dir
        self.calls: ModelCalls | None = None
        self._name = name

    def current(self) -> _Current:
        """A block whose thread (and coroutines) reach this host."""
        return _Current(self)

    def log(self, level: str, message: str) -> None:
        _LOG.log(_LEVELS.get(level, logging.INFO), "%s: %s", self._name, message)

    def control(self, action: str, model: str, version: int = -1) -> bool:
        message = {"action": action, "model": model, "version": version}
        try:
            return bool(control(self._server(), message))
        except TritonError as error:
            raise pb_utils.TritonModelException(str(error)) from error

    def call(
        self,
        request: pb_utils.InferenceRequest,
        decoupled: bool,
        respond: Callable[[pb_utils.InferenceResponse, bool], None],
    ) -> None:
        flags = request.flags()
        message: Message = {
            "model": request.model_name(),
            "version": request.model_version(),
            "outputs": request.requested_output_names(),
            "id": request.request_id(),
            "correlation_id": request.correlation_id(),
            "flags": [name for name, flag in (("start", 1), ("end", 2)) if flags & flag],
            "timeout": request.timeout(),
            "priority": request.priority(),
            "parameters": request._parameters,
        }
        inputs = {tensor.name(): tensor.as_numpy() for tensor in request.inputs()}
        reply = _Reply(respond, decoupled)
        try:
            submit(self._server(), message, inputs, reply)
        except TritonError as error:
            reply.done(error)

    def _server(self) -> ModelCalls:
        if self.calls is None:
            raise pb_utils.TritonModelException("other models can be called while this executes")
        return self.calls


class _Current:
    def __init__(self, host: _Host) -> None:
        self._host = host

    def __enter__(self) -> None:
        self._token = pb_utils.current_host.set(self._host)

    def __exit__(self, *_: object) -> None:
        pb_utils.current_host.reset(self._token)


class _Reply:
    """What a called model answers, as the model's own response objects."""

    def __init__(
        self, respond: Callable[[pb_utils.InferenceResponse, bool], None], decoupled: bool
    ) -> None:
        self._respond = respond
        self.on_response = self._response if decoupled else None

    def done(self, outcome: Outcome) -> None:
        if isinstance(outcome, TritonError):
            error = pb_utils.TritonError(str(outcome), code_number(outcome))
            self._respond(pb_utils.InferenceResponse(error=error), True)
        else:
            self._respond(_response(outcome), True)

    def _response(self, response: InferenceResponse) -> None:
        self._respond(_response(response), False)


def _response(response: InferenceResponse) -> pb_utils.InferenceResponse:
    tensors = [pb_utils.Tensor(n, _to_model(v)) for n, v in response.outputs.items()]
    return pb_utils.InferenceResponse(tensors, parameters=dict(response.parameters))


def _to_model(value: Array) -> Array:
    """Strings are `bytes` for a model; everything else may only be read."""
    if value.dtype.kind == "O":
        flat = [v if isinstance(v, bytes) else str(v).encode() for v in value.ravel().tolist()]
        out = np.empty(len(flat), np.object_)
        out[:] = flat
        return out.reshape(value.shape)
    view = value.view()
    view.flags.writeable = False
    return view


class _translated:
    """A model's fault at load is the file's: `InvalidArgumentError`."""

    def __init__(self, model: str) -> None:
        self._model = model

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ModelFault):
            raise InvalidArgumentError(f"model '{self._model}': {error}") from error
