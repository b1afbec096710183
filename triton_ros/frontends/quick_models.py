# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which models compute so quickly that handing a request to their own thread costs more.

An event loop may run those itself.  A model is quick while each of its last executions was; a
single slow one sends it back to its own threads until it has proved itself again.
"""

from __future__ import annotations

from triton_ros.core.request import Timing

QUICK_NS = 200_000
"""About what two changes of threads cost, in which the loop does nothing either."""
PROOFS = 32
"""Executions in a row."""


class QuickModels:
    """Learns from every answer.  Thread-safe: a lost count only proves a model later."""

    def __init__(self) -> None:
        self._proofs: dict[str, int] = {}

    def computed(self, model_name: str, timing: Timing) -> None:
        """An execution took so long (its batch's, if there was one)."""
        took = timing.compute_input_ns + timing.compute_infer_ns + timing.compute_output_ns
        if took > QUICK_NS:
            self._proofs[model_name] = 0
        elif self._proofs.get(model_name, 0) < PROOFS:
            self._proofs[model_name] = self._proofs.get(model_name, 0) + 1

    def is_quick(self, model_name: str) -> bool:
        """Whether it has proved itself."""
        return self._proofs.get(model_name, 0) >= PROOFS
