# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Scatter and gather: one request, N elements in some model's batches, one answer.

The elements of many requests mix freely in the batches; each request's `Gather` counts its own
home.  The first failure is the request's; the others still run, and are then forgotten.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from triton_ros.core.errors import TritonError
from triton_ros.core.execution.payload import ItemDone
from triton_ros.core.request import Timing
from triton_ros.core.tensor import Array

GatherDone = Callable[[list[dict[str, Array]] | TritonError, Timing], None]


class Gather:
    """Waits (without blocking) for `count` outcomes; then calls `done` once with all in order."""

    def __init__(self, count: int, done: GatherDone) -> None:
        self._lock = threading.Lock()
        self._missing = count
        self._outputs: list[dict[str, Array]] = [{} for _ in range(count)]
        self._error: TritonError | None = None
        self._timing = Timing()
        self._done = done

    def answer_nothing(self) -> None:
        """For a request of no elements: nobody will arrive, so it is answered by its sender."""
        self._done([], self._timing)

    def slot(self, index: int) -> ItemDone:
        """The callback for element `index`."""

        def arrived(outcome: dict[str, Array] | TritonError, timing: Timing) -> None:
            with self._lock:
                if isinstance(outcome, TritonError):
                    self._error = self._error or outcome
                else:
                    self._outputs[index] = outcome
                self._timing = slowest(self._timing, timing)
                self._missing -= 1
                last = self._missing == 0
            if last:
                self._done(self._error or self._outputs, self._timing)

        return arrived


def slowest(a: Timing, b: Timing) -> Timing:
    """Field by field the larger: what a request that waited for both has waited."""
    return Timing(
        max(a.queue_ns, b.queue_ns),
        max(a.compute_input_ns, b.compute_input_ns),
        max(a.compute_infer_ns, b.compute_infer_ns),
        max(a.compute_output_ns, b.compute_output_ns),
        max(a.batch_size, b.batch_size),
    )


def scatter_rows(inputs: Mapping[str, Array], count: int) -> list[dict[str, Array]]:
    """Row by row: ``[n, ...]`` tensors as n elements without the first dim."""
    return [{name: array[i, ...] for name, array in inputs.items()} for i in range(count)]


def gather_rows(
    rows: Sequence[Mapping[str, Array]], empty: Mapping[str, Array]
) -> dict[str, Array]:
    """The elements' outputs stacked again; `empty` is the answer for no element at all."""
    if not rows:
        return dict(empty)
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}
