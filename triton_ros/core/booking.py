# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What is kept of one request from its arrival at a model to its last answer.

A booking turns what a scheduler answers (outputs of one item, or the gathered ones of many) into
the response that was asked for, and enters the request in the model's books once: statistics,
trace and response cache count requests, whatever number of items it was spread over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from triton_ros.core.errors import TritonError
from triton_ros.core.execution import Clock
from triton_ros.core.request import (
    Done,
    InferenceRequest,
    InferenceResponse,
    Parameter,
    Timing,
)
from triton_ros.core.response_cache import ModelCache
from triton_ros.core.statistics import ResponseFate, StatisticsCollector
from triton_ros.core.tensor import Array

Outputs = dict[str, Array]
Finish = Callable[[list[Outputs]], "Outputs | TritonError"]


class Books(Protocol):
    """What a booking needs of its model."""

    name: str
    version: int
    statistics: StatisticsCollector
    clock: Clock
    cache: ModelCache | None


class Booking:
    """One request at one model."""

    __slots__ = (
        "_books",
        "_cache_key",
        "_cache_ns",
        "_done",
        "_request",
        "_responses",
        "_rows",
        "_start",
    )

    def __init__(self, books: Books, request: InferenceRequest, done: Done) -> None:
        self._books = books
        self._request = request
        self._done = done
        self._rows = 1
        self._responses = 0
        self._cache_key: bytes | None = None
        self._cache_ns = 0
        self._start = books.clock()
        if request.trace is not None:
            request.trace.model_version = books.version
            request.trace.tensors("TENSOR_QUEUE_INPUT", request.inputs)

    def counts(self, rows: int) -> None:
        """The request has so many rows (or elements)."""
        self._rows = rows

    def answered_from_cache(self) -> bool:
        """Whether the response cache had the answer; if not, the answer will be put into it."""
        books, request = self._books, self._request
        cache = books.cache
        if cache is None:
            return False
        key = cache.key(request.inputs, request.outputs, request.parameters)
        outputs = cache.get(key) if key is not None else None
        self._cache_ns = books.clock() - self._start
        if outputs is None:
            self._cache_key = key
            return False
        now = books.clock()
        books.statistics.cache_hit(self._cache_ns, now - self._start)
        self._close_trace(now, outputs)
        self._done(self._response(outputs, Timing(), cached=True))
        return True

    def answered(
        self,
        outcome: Outputs | TritonError,
        timing: Timing,
        parameters: Mapping[str, Parameter] | None = None,
    ) -> None:
        """The one answer (of a decoupled model: that there is no more, or why)."""
        books = self._books
        now = books.clock()
        if isinstance(outcome, TritonError):
            books.statistics.failed(now - self._start, outcome)
            self._close_trace(now, {})
            self._done(outcome)
            return
        if self._cache_key is not None and books.cache is not None:
            books.cache.put(self._cache_key, outcome)
            done = books.clock()
            books.statistics.cache_missed(self._cache_ns + done - now)
            now = done
        books.statistics.succeeded(timing, now - self._start, self._rows)
        if self._request.trace is not None:
            self._request.trace.computed(now - _total(timing), timing)
        self._close_trace(now, outcome)
        self._done(self._response(outcome, timing, parameters=parameters))

    def gathered(
        self, finish: Finish, outcome: list[Outputs] | TritonError, timing: Timing
    ) -> None:
        """The answers of all elements; `finish` makes one of them."""
        self.answered(outcome if isinstance(outcome, TritonError) else finish(outcome), timing)

    def responded(
        self, outputs: Outputs, parameters: Mapping[str, Parameter], timing: Timing
    ) -> None:
        """One response of a decoupled model."""
        index, self._responses = self._responses, self._responses + 1
        fate = ResponseFate.SUCCESS if outputs else ResponseFate.EMPTY
        self._books.statistics.responded(
            index, fate, timing.compute_infer_ns, timing.compute_output_ns
        )
        if self._request.on_response is not None:
            response = self._response(outputs, timing, parameters=parameters)
            response.final = False
            self._request.on_response(response)

    def _response(
        self,
        outputs: Outputs,
        timing: Timing,
        *,
        cached: bool = False,
        parameters: Mapping[str, Parameter] | None = None,
    ) -> InferenceResponse:
        books, request = self._books, self._request
        if request.outputs:
            outputs = {name: outputs[name] for name in request.outputs if name in outputs}
        return InferenceResponse(
            books.name,
            books.version,
            outputs,
            request.id,
            request.tag,
            timing,
            cached=cached,
            parameters=parameters or {},
        )

    def _close_trace(self, now: int, outputs: Outputs) -> None:
        trace = self._request.trace
        if trace is not None:
            trace.tensors("TENSOR_BACKEND_OUTPUT", outputs)
            trace.end(now)


def _total(timing: Timing) -> int:
    return (
        timing.queue_ns
        + timing.compute_input_ns
        + timing.compute_infer_ns
        + timing.compute_output_ns
    )
