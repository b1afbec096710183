# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a C backend asks of its server: to run another model, to load one, whether it is ready.

A call is made by the model whose handle it names.  On the thread of an execution it is that
execution's; on any other, the last one's of the model.
"""

from __future__ import annotations

import ctypes as c
import itertools
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from triton_ros.backends.shared_library.native_values import (
    DATATYPES,
    Output,
    Value,
    parameter,
    values,
)
from triton_ros.backends.shared_library.tensors import array_of, raw_input
from triton_ros.core.backend import ModelCalls
from triton_ros.core.errors import InternalError, TritonError, UnavailableError, code_number
from triton_ros.core.request import Cancellation, InferenceRequest, InferenceResponse, Outcome
from triton_ros.core.tensor import Array, datatype_of

_NUMBERS = {name: number for number, name in enumerate(DATATYPES)}
_READY, _LOAD = 0, 1
_START, _END = 1, 2


class _Name(c.Structure):
    """`tr_name`."""


_Name._fields_ = [("next", c.POINTER(_Name)), ("text", c.c_char_p), ("number", c.c_int64)]


class CalledRequest(c.Structure):
    """The head of a `TRITONSERVER_InferenceRequest`."""

    _fields_ = (
        ("caller", c.c_void_p),
        ("name", c.c_char_p),
        ("id", c.c_char_p),
        ("correlation_text", c.c_char_p),
        ("version", c.c_int64),
        ("correlation", c.c_uint64),
        ("priority", c.c_uint64),
        ("timeout_us", c.c_uint64),
        ("token", c.c_uint64),
        ("flags", c.c_uint32),
        ("inputs", c.POINTER(Output)),
        ("outputs", c.POINTER(_Name)),
        ("parameters", c.POINTER(Value)),
    )


class CalledModels:
    """The server, as the models of this process may use it."""

    def __init__(self, library: Any) -> None:
        self._library = library
        self._here = threading.local()
        self._last: dict[int, ModelCalls] = {}
        self._running: dict[int, Cancellation] = {}
        self._tokens = itertools.count(1)

    def enter(self, model: int, calls: ModelCalls) -> tuple[int, ModelCalls] | None:
        """An execution begins: what its thread calls is called with `calls`, until `leave`."""
        self._last[model] = calls
        before: tuple[int, ModelCalls] | None = getattr(self._here, "calls", None)
        self._here.calls = model, calls
        return before

    def leave(self, before: tuple[int, ModelCalls] | None) -> None:
        """It is over; `before` is what `enter` answered."""
        self._here.calls = before

    def forget(self, model: int) -> None:
        """A model is gone."""
        self._last.pop(model, None)

    # what the host calls back ---------------------------------------------------------------------

    def infer(self, address: int) -> int:
        """`TRITONSERVER_ServerInferAsync`; the host's error, or 0."""
        called = CalledRequest.from_address(address)
        token = called.token = next(self._tokens)
        cancellation = self._running[token] = Cancellation()
        answer = _Answer(self._library, address, lambda: self._running.pop(token, None))
        try:
            request = _request(called, cancellation)
            request.on_response = answer.response
            self._calls(called.caller).submit(request, answer.done)
        except TritonError as error:
            self._running.pop(token, None)
            return self._error(error)
        return 0

    def control(self, model: int, action: int, name: bytes, version: int, answer: Any) -> int:
        """Ready, load and unload."""
        try:
            calls, text = self._calls(model), name.decode()
            if action == _READY:
                answer[0] = calls.model_ready(text, version)
            elif action == _LOAD:
                calls.load_model(text)
            else:
                calls.unload_model(text)
        except TritonError as error:
            return self._error(error)
        return 0

    def config(self, model: int, name: bytes, version: int, message: int) -> int:
        """A model's configuration, as a new message."""
        try:
            text = self._calls(model).model_config(name.decode(), version).encode()
        except TritonError as error:
            return self._error(error)
        self._library.TRITONSERVER_MessageNewFromSerializedJson(message, text, len(text))
        return 0

    def cancel(self, token: int) -> None:
        """Withdraw a request that was called."""
        cancellation = self._running.get(token)
        if cancellation is not None:
            cancellation.cancel()

    def _calls(self, model: int) -> ModelCalls:
        here = getattr(self._here, "calls", None)
        if here is not None and here[0] == model:
            calls: ModelCalls = here[1]
            return calls
        if model not in self._last:
            raise UnavailableError("other models can be called once this one has executed")
        return self._last[model]

    def _error(self, error: TritonError) -> int:
        made: int = self._library.TRITONSERVER_ErrorNew(code_number(error), str(error).encode())
        return made


class _Answer:
    """Hands a called model's responses to the backend."""

    def __init__(self, library: Any, request: int, ended: Any) -> None:
        self._library = library
        self._request = request
        self._ended = ended
        self._streamed = False

    def response(self, response: InferenceResponse) -> None:
        """One of several."""
        self._streamed = True
        self._library.tr_called_respond(self._request, self._made(response), 0)

    def done(self, outcome: Outcome) -> None:
        """The last one; the request is the backend's again."""
        self._ended()
        made = None
        if isinstance(outcome, TritonError):
            made = self._library.tr_called_response_new(self._request, -1)
            text = str(outcome).encode()
            self._library.tr_called_response_fail(made, code_number(outcome), text)
        elif outcome.outputs or not self._streamed:
            made = self._made(outcome)
        self._library.tr_called_respond(self._request, made, 1)

    def _made(self, response: InferenceResponse) -> int:
        library = self._library
        made: int = library.tr_called_response_new(self._request, response.model_version)
        for name, value in response.outputs.items():
            self._add(made, name, value)
        for name, said in response.parameters.items():
            kind, pointer = parameter(said)
            library.tr_called_response_add_parameter(made, name.encode(), kind, pointer)
        return made

    def _add(self, made: int, name: str, value: Array) -> None:
        datatype = datatype_of(value.dtype)
        data = raw_input(name, datatype, value)
        dims = (c.c_int64 * value.ndim)(*value.shape)
        self._library.tr_called_response_add_output(
            *(made, name.encode(), _NUMBERS[datatype], dims, value.ndim),
            *(data.ctypes.data, data.nbytes),
        )


def _request(called: CalledRequest, cancellation: Cancellation) -> InferenceRequest:
    """What the backend asks; the inputs are copied, as their memory is the backend's."""
    text = called.correlation_text
    return InferenceRequest(
        called.name.decode(),
        _inputs(called.inputs),
        called.version,
        called.id.decode(),
        tuple(_names(called.outputs)),
        values(called.parameters),
        priority=called.priority,
        timeout_us=called.timeout_us,
        correlation_id=called.correlation if text is None else text.decode(),
        sequence_start=bool(called.flags & _START),
        sequence_end=bool(called.flags & _END),
        cancellation=cancellation,
    )


def _names(name: Any) -> Iterator[str]:
    while name:
        yield name.contents.text.decode()
        name = name.contents.next


def _inputs(tensor: Any) -> dict[str, Array]:
    found = {}
    while tensor:
        entry = tensor.contents
        data = c.string_at(entry.data, entry.byte_size) if entry.byte_size else b""
        try:
            found[entry.name.decode()] = np.array(array_of(entry, data))
        except InternalError as error:
            raise type(error)(str(error).replace("output", "input", 1)) from error
        tensor = entry.next
    return found
