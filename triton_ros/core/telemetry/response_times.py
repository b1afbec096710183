# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Each response of a decoupled model's request counts for the time it took itself.

A response's `Timing` says how long the request has been executing; what Triton counts for the n-th
response begins where the one before it was sent.
"""

from __future__ import annotations

from triton_ros.core.errors import CancelledError, TritonError
from triton_ros.core.request import Timing
from triton_ros.core.telemetry.statistics import ResponseFate, StatisticsCollector


class ResponseTimes:
    """The responses of one request; called in their order, by one thread at a time."""

    __slots__ = ("_counted_ns", "_index", "_statistics")

    def __init__(self, statistics: StatisticsCollector) -> None:
        self._statistics = statistics
        self._index = 0
        self._counted_ns = 0

    def sent(self, timing: Timing, empty: bool = False) -> None:
        """A response; `empty` if it has no outputs."""
        self._count(ResponseFate.EMPTY if empty else ResponseFate.SUCCESS, timing)

    def ended(self, timing: Timing, error: TritonError | None = None) -> None:
        """No response follows.

        An error is the last response.  An end without one is none, unless it is all there was:
        Triton counts a request that is answered by nothing as one empty response.
        """
        if isinstance(error, CancelledError):
            self._count(ResponseFate.CANCEL, timing)
        elif error is not None:
            self._count(ResponseFate.FAIL, timing)
        elif not self._index:
            self._count(ResponseFate.EMPTY, timing)

    def _count(self, fate: ResponseFate, timing: Timing) -> None:
        infer_ns = max(0, timing.compute_infer_ns - self._counted_ns)
        self._counted_ns += infer_ns
        output_ns = timing.compute_output_ns if fate is ResponseFate.SUCCESS else 0
        self._statistics.responded(self._index, fate, infer_ns, output_ns)
        self._index += 1
