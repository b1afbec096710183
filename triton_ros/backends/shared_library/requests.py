# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Requests on their way through a C backend.

A request's inputs are pointers into numpy memory, which is kept until the backend releases it.
Responses wait in the host: those of a decoupled model are fetched when the host says that there is
news (on the thread that sent them), those of any other when the execution is over, so that a
backend never waits for Python while it computes.
"""

from __future__ import annotations

import ctypes as c
import itertools
import logging
import threading
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from triton_ros.backends.shared_library import host as h
from triton_ros.backends.shared_library.native_values import DATATYPES, parameter, values
from triton_ros.backends.shared_library.tensors import raw_input, take_output
from triton_ros.core.backend import ExecutionRequest
from triton_ros.core.errors import InternalError, TritonError
from triton_ros.core.tensor import Array, datatype_of

_LOG = logging.getLogger(__name__)
_SEQUENCE_START, _SEQUENCE_END = 1, 2
_TOKENS = itertools.count(1)
_DATATYPES = {name: number for number, name in enumerate(DATATYPES)}


class Running:
    """A request that the backend has.

    Raises `TritonError` when made of inputs that C cannot have.
    """

    def __init__(
        self,
        host: h.Host,
        model: str,
        instance: int,
        request: ExecutionRequest,
        outputs: Mapping[str, str],
        decoupled: bool,
        stateful: bool,
    ) -> None:
        self._host = host
        self._model = model
        self._request = request
        self._outputs = outputs
        self._stateful = stateful
        self._ended = False
        self._status = c.c_uint32()
        self._lock = threading.RLock()
        self._memory = [_input(name, value) for name, value in request.inputs.items()]
        self.token = next(_TOKENS)
        self.handle: int | None = self._make(instance, decoupled)
        host.watchers[self.token] = self

    @property
    def cancelled(self) -> bool:
        return self._request.cancelled

    def _make(self, instance: int, decoupled: bool) -> int:
        request, library = self._request, self._host.library
        flags = _SEQUENCE_START * request.sequence_start | _SEQUENCE_END * request.sequence_end
        correlation = request.correlation_id
        number = 0 if isinstance(correlation, str) else correlation
        text = correlation.encode() if isinstance(correlation, str) else None
        handle: int = library.tr_request_new(
            *(instance, self.token, decoupled, request.id.encode(), flags, number, text),
            request.timeout_us,
        )
        for name, datatype, shape, data in self._memory:
            library.tr_request_add_input(
                *(handle, name, _DATATYPES[datatype], _dims(shape), len(shape)),
                *(data.ctypes.data, data.nbytes),
            )
        for wanted in request.outputs:
            library.tr_request_add_output(handle, wanted.encode())
        for key, value in request.parameters.items():
            kind, pointer = parameter(value)
            library.tr_request_add_parameter(handle, key.encode(), kind, pointer)
        return handle

    def drain(self) -> None:
        """Hand on what the host has: responses, and the end."""
        with self._lock:
            if self.handle is None:
                return
            library = self._host.library
            response = library.tr_request_take(self.handle, c.byref(self._status))
            while response:
                if not self._ended:
                    self._deliver(response.contents)
                response = response.contents.next
            status = self._status.value
            if not self._ended and status & ~h.RELEASED:
                self._end(status)
            if self._ended and status & h.RELEASED:
                del self._host.watchers[self.token]
                library.tr_request_free(self.handle)
                self.handle = None
                self._memory = []

    def _deliver(self, response: h.Response) -> None:
        failed = self._host.error(response.error, f"model '{self._model}'")
        try:
            if failed is None:
                answer, parameters = self._tensors(response.outputs), values(response.parameters)
                if self._stateful:
                    answer |= self._states()
        except TritonError as error:
            failed = InternalError(f"model '{self._model}': {error}")
        if failed is not None:
            self._ended = True
            self._request.fail(failed)
            return
        try:
            self._request.respond(answer, parameters)
        except TritonError:  # one too many: the request has failed of it
            _LOG.exception("model '%s'", self._model)
            self._ended = True

    def _tensors(self, output: Any) -> dict[str, Array]:
        found = {}
        while output:
            name = output.contents.name.decode(errors="replace")
            value = take_output(output.contents, self._host.library.tr_free)
            wanted = self._outputs.get(name)
            if wanted is not None and datatype_of(value.dtype) != wanted:
                raise InternalError(
                    f"output '{name}' must be {wanted}, got {datatype_of(value.dtype)}"
                )
            found[name] = value
            output = output.contents.next
        return found

    def _states(self) -> dict[str, Array]:
        states = self._host.library.tr_request_states(self.handle)
        try:
            return self._tensors(states)
        finally:
            self._host.library.tr_outputs_free(states)

    def _end(self, status: int) -> None:
        self._ended = True
        if status & h.RESCHEDULED:
            self._request.reschedule()
        elif status & h.FINAL:
            self._request.finish()
        else:
            self._request.fail(
                InternalError(f"model '{self._model}' gave no final response to a request")
            )


@lru_cache(maxsize=256)
def _dims(shape: tuple[int, ...]) -> Any:
    return (c.c_int64 * len(shape))(*shape)


def _input(name: str, value: Array) -> tuple[bytes, str, tuple[int, ...], Array]:
    """Name, datatype, shape, and what holds the bytes."""
    datatype = datatype_of(value.dtype)
    return name.encode(), datatype, value.shape, raw_input(name, datatype, value)
