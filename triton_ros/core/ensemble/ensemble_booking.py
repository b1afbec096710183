# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What is counted and traced of one request to an ensemble, as Triton does it.

The compute times are the sums of the steps'.  The queue time is not: the steps' queues are counted
at their models, the ensemble's own ends where the first step begins.
"""

from __future__ import annotations

from dataclasses import replace

from triton_ros.core.errors import TritonError
from triton_ros.core.execution.executor import Clock
from triton_ros.core.request import InferenceRequest, InferenceResponse, Outcome, Timing
from triton_ros.core.telemetry.response_times import ResponseTimes
from triton_ros.core.telemetry.statistics import StatisticsCollector
from triton_ros.core.tensor import Array


class EnsembleBooking:
    """One request, from its arrival on."""

    def __init__(
        self, request: InferenceRequest, version: int, statistics: StatisticsCollector, clock: Clock
    ) -> None:
        self._statistics = statistics
        self._clock = clock
        self._on_response = request.on_response
        self._trace = request.trace
        self._rows = 1
        self._start = self._begun = clock()
        self._responses: ResponseTimes | None = None
        if self._trace is not None:
            self._trace.model_version = version
            self._trace.event("QUEUE_START", self._start)
            self._trace.tensors("TENSOR_QUEUE_INPUT", request.inputs)

    def begins(self, rows: int, streams: bool) -> None:
        """The first step starts; `streams` if the ensemble is decoupled."""
        self._rows = rows
        self._begun = self._clock()
        if streams:
            self._responses = ResponseTimes(self._statistics)

    def missed(self) -> None:
        """The response cache did not have the answer."""
        self._statistics.cache_missed(self._clock() - self._start)

    def cached(
        self, name: str, version: int, request: InferenceRequest, outputs: dict[str, Array]
    ) -> InferenceResponse:
        """The response cache had the answer: the response, entered in the books."""
        now = self._clock()
        self._statistics.cache_hit(now - self._start, now - self._start)
        if self._trace is not None:
            self._trace.tensors("TENSOR_BACKEND_OUTPUT", outputs)
            self._trace.end(now)
        return InferenceResponse(name, version, outputs, request.id, request.tag, cached=True)

    def responded(self, response: InferenceResponse) -> None:
        """One response of a decoupled ensemble, on its way to the receiver."""
        if self._responses is not None:  # the output times are sums, and no response's own
            timing = replace(response.timing, compute_output_ns=0)
            self._responses.sent(timing, empty=not response.outputs)
        if self._on_response is not None:
            self._on_response(response)

    def ended(self, outcome: Outcome) -> None:
        """The final outcome."""
        now = self._clock()
        error = outcome if isinstance(outcome, TritonError) else None
        if self._responses is not None:
            self._responses.ended(Timing(), error)
        if self._trace is not None:
            self._trace.end(now)
        if isinstance(outcome, TritonError):
            self._statistics.failed(now - self._start, outcome)
            return
        timing = replace(outcome.timing, queue_ns=self._begun - self._start)
        compute = timing.compute_input_ns, timing.compute_infer_ns, timing.compute_output_ns
        self._statistics.executed(self._rows, *compute)
        self._statistics.succeeded(timing, now - self._start, self._rows)
