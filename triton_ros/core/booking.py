# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What is kept of one request from its arrival at a model to its last answer.

A booking turns what a scheduler answers (outputs of one item, or the gathered ones of many) into
the response that was asked for, and enters the request in the model's books once: statistics,
trace and response cache count requests, whatever number of items it was spread over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol

from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.errors import TritonError
from triton_ros.core.execution.executor import Clock
from triton_ros.core.request import (
    Done,
    InferenceRequest,
    InferenceResponse,
    Parameter,
    Timing,
)
from triton_ros.core.response_cache import ModelCache
from triton_ros.core.telemetry.response_times import ResponseTimes
from triton_ros.core.telemetry.statistics import StatisticsCollector
from triton_ros.core.tensor import Array

Outputs = dict[str, Array]
Finish = Callable[[list[Outputs]], "Outputs | TritonError"]


def wanted(outputs: Outputs, request: InferenceRequest) -> Outputs:
    """The outputs that the request asks for; all, if it does not say."""
    if not request.outputs:
        return outputs
    return {name: outputs[name] for name in request.outputs if name in outputs}


class Books(Protocol):
    """What a booking needs of its model."""

    name: str
    version: int
    config: ModelConfig
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
        self._responses: ResponseTimes | None = None
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
        if request.trace is not None:
            request.trace.tensors("TENSOR_BACKEND_OUTPUT", outputs)
            request.trace.end(now)
        self._done(self._response(outputs, Timing(), cached=True))
        return True

    def refused(self, error: TritonError) -> None:
        """It is no request for this model.  As in Triton, the statistics do not count it."""
        if self._request.trace is not None:
            self._request.trace.end()
        self._done(error)

    def answered(
        self,
        outcome: Outputs | TritonError,
        timing: Timing,
        parameters: Mapping[str, Parameter] | None = None,
    ) -> None:
        """The one answer (of a decoupled model: that there is no more, or why)."""
        books, trace = self._books, self._request.trace
        now = books.clock()
        if books.config.decoupled:
            self._times().ended(timing, outcome if isinstance(outcome, TritonError) else None)
        if trace is not None:
            if not isinstance(outcome, TritonError):
                trace.computed(self._start, timing)
                trace.tensors("TENSOR_BACKEND_OUTPUT", outcome)
            trace.end(now)
        if isinstance(outcome, TritonError):
            books.statistics.failed(now - self._start, outcome)
            self._done(outcome)
            return
        if self._cache_key is not None and books.cache is not None:
            books.cache.put(self._cache_key, outcome)
            done = books.clock()
            books.statistics.cache_missed(self._cache_ns + done - now)
            now = done
        books.statistics.succeeded(timing, now - self._start, self._rows)
        self._done(self._response(outcome, timing, parameters=parameters))

    def gathered(
        self, finish: Finish, outcome: list[Outputs] | TritonError, timing: Timing
    ) -> None:
        """The answers of all elements; `finish` makes one of them."""
        if isinstance(outcome, TritonError):
            self.answered(outcome, timing)
            return
        begin = self._books.clock()
        found = finish(outcome)
        spent = self._books.clock() - begin
        self.answered(found, replace(timing, compute_output_ns=timing.compute_output_ns + spent))

    def responded(
        self, outputs: Outputs, parameters: Mapping[str, Parameter], timing: Timing
    ) -> None:
        """One response of a decoupled model."""
        self._times().sent(timing, empty=not outputs)
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
        return InferenceResponse(
            books.name,
            books.version,
            wanted(outputs, request),
            request.id,
            request.tag,
            timing,
            cached=cached,
            parameters=parameters or {},
        )

    def _times(self) -> ResponseTimes:
        if self._responses is None:
            self._responses = ResponseTimes(self._books.statistics)
        return self._responses
