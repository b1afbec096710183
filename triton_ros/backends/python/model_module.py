# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A `model.py`: imported, and driven as Triton drives it.  The same in a worker and in process."""

from __future__ import annotations

import asyncio
import importlib.machinery
import importlib.util
import inspect
import json
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

from triton_ros.backends.python import pb_utils
from triton_ros.backends.python.pb_utils import (
    TRITONSERVER_REQUEST_RELEASE_RESCHEDULE,
    InferenceRequest,
    InferenceResponse,
    ModelConfig,
)

UTILS = "triton_python_backend_utils"
CLASS = "TritonPythonModel"


class ModelFault(Exception):
    """The model's own mistake, in words for people."""


class Answer:
    """How one request is answered by a driver's user."""

    def respond(self, response: InferenceResponse, last: bool) -> None:
        """One response; without outputs where it has an error."""
        raise NotImplementedError

    def end(self) -> None:
        """No further response."""
        raise NotImplementedError

    def reschedule(self) -> None:
        """Execute it again."""
        raise NotImplementedError


class _Source(importlib.machinery.SourceFileLoader):
    """Reads the file itself.

    Bytecode is kept by time and size: a model that is replaced within a second would be the old
    one.  And a repository is not written to, which would look like a change of the model.
    """

    def get_code(self, fullname: str) -> Any:
        return self.source_to_code(self.get_data(self.path), self.path)


class PythonModule:
    """One `model.py`, and the instance of its class.  Used by one thread at a time."""

    def __init__(self, path: str, module_name: str = "model") -> None:
        """Import it; raises `ModelFault`."""
        sys.modules[UTILS] = pb_utils
        self._file = os.path.basename(path)
        loader = _Source(module_name, path)
        spec = importlib.util.spec_from_file_location(module_name, path, loader=loader)
        assert spec is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[module_name] = module
        writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True
        try:
            with _faults(f"{path} cannot be imported"):
                loader.exec_module(module)
        finally:
            sys.dont_write_bytecode = writes
        self._class: Any = getattr(module, CLASS, None)
        if not inspect.isclass(self._class):
            raise ModelFault(f"{path} has no class {CLASS}")
        if not callable(getattr(self._class, "execute", None)):
            raise ModelFault(f"{path}: {CLASS} must have a method 'execute'")
        self._model: Any = None
        self._decoupled = False

    def complete(self, config: str) -> str | None:
        """The configuration after `auto_complete_config`; None where there is no such function."""
        function: Any = getattr(self._class, "auto_complete_config", None)
        if function is None:
            return None
        with _faults(f"{self._file}: auto_complete_config failed"):
            completed = function(ModelConfig(config))
        if not isinstance(completed, ModelConfig):
            raise ModelFault(
                f"{self._file}: auto_complete_config must return the model_config it was given,"
                f" got {type(completed).__name__}"
            )
        return json.dumps(completed.as_dict())

    def initialize(self, arguments: dict[str, str], decoupled: bool) -> None:
        """Make the instance; raises `ModelFault`."""
        self._decoupled = decoupled
        with _faults(f"{self._file}: {CLASS} failed to initialize"):
            self._model = self._class()
            if hasattr(self._model, "initialize"):
                self._model.initialize(arguments)

    @property
    def tells_readiness(self) -> bool:
        """Whether it has `is_ready`."""
        return callable(getattr(self._class, "is_ready", None))

    def ready(self) -> bool:
        """What the model says of itself; a fault is a no."""
        try:
            return bool(self._model.is_ready())
        except Exception:
            return False

    def execute(self, requests: Sequence[InferenceRequest], answers: Sequence[Answer]) -> None:
        """Answer the requests; those of a decoupled model perhaps later.  Raises `ModelFault`."""
        with _faults(""):
            responses = self._model.execute(list(requests))
            if inspect.isawaitable(responses):
                responses = asyncio.run(_awaited(responses))
        if self._decoupled:
            if responses is not None:
                raise ModelFault(
                    "Python model is using the decoupled mode and the execute function must return"
                    f" None, got {type(responses).__name__}"
                )
            for request, answer in _pairs(requests, answers):
                if request._release_flags == TRITONSERVER_REQUEST_RELEASE_RESCHEDULE:
                    answer.reschedule()
            return
        for index, response in enumerate(self._checked(responses, len(requests))):
            _answer(requests[index], response, answers[index])

    def finalize(self) -> None:
        """Raises `ModelFault`."""
        model, self._model = self._model, None
        if hasattr(model, "finalize"):
            with _faults(f"{self._file}: finalize failed"):
                model.finalize()

    def _checked(self, responses: Any, count: int) -> list[Any]:
        if responses is None and count:
            responses = [
                None
            ] * count  # all have used their senders, or are told that they have not
        if not isinstance(responses, (list, tuple)):
            raise ModelFault(
                f"Expected a list in the execute return, found type '{type(responses).__name__}'."
            )
        if len(responses) != count:
            raise ModelFault(
                "Expected the number of InferenceResponse objects in the execution response list to"
                f" be equal to the number of requests ({count}), got {len(responses)}."
            )
        for response in responses:
            if response is not None and not isinstance(response, InferenceResponse):
                raise ModelFault(
                    "Expected an 'InferenceResponse' object in the execute function return list,"
                    f" found type '{type(response).__name__}'."
                )
        return list(responses)


def _answer(request: InferenceRequest, response: InferenceResponse | None, answer: Answer) -> None:
    if response is not None:
        answer.respond(response, True)
    elif request._release_flags == TRITONSERVER_REQUEST_RELEASE_RESCHEDULE:
        answer.reschedule()
    elif request._sender is None or not request._sender.used:
        raise ModelFault(
            "Expected an 'InferenceResponse' object in the execute function return list, found"
            " type 'NoneType'."
        )


def wanted(names: Sequence[str], response: InferenceResponse) -> list[Any]:
    """The response's tensors of these names: all where none is named."""
    return [t for t in response.output_tensors() if not names or t.name() in names]


def make_sender(request: InferenceRequest, answer: Answer, decoupled: bool) -> None:
    """Give a request its response sender."""

    def send(response: InferenceResponse | None, last: bool) -> None:
        if response is not None:
            answer.respond(response, last)
        elif last:
            answer.end()

    request._sender = pb_utils.InferenceResponseSender(send, decoupled, request._cancelled)


def _pairs(requests: Sequence[Any], answers: Sequence[Any]) -> list[Any]:
    return [(request, answers[index]) for index, request in enumerate(requests)]


async def _awaited(value: Any) -> Any:
    return await value


class _faults:
    """A model's exception as a `ModelFault` that says where it was raised."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if error is None or isinstance(error, ModelFault):
            return
        if not isinstance(error, (Exception, SystemExit)):
            return
        frames = traceback.extract_tb(trace)
        at = ""
        if frames:
            places = [f"  {f.filename}({f.lineno}): {f.name}" for f in reversed(frames[1:])][:5]
            at = "\n\nAt:\n" + "\n".join(places) if places else ""
        what = f"{self._what}: " if self._what else ""
        raise ModelFault(f"{what}{type(error).__name__}: {error}{at}") from error
