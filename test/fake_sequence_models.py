# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A backend of sequence models: ``x`` FP32 [1] a row in, ``y`` the same out; the file says which.

- ``sum`` answers the running sum of its sequence, which core keeps for it as implicit state.
- ``rows`` answers the same and keeps it itself, in the row of the batch (direct strategy); START
  and READY tell it what the rows are.
- ``countdown`` is iterative: it runs ``x`` times, then answers how often that was.

A negative ``x`` fails.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from toy_models import Toy

from triton_ros.core.backend import ExecutionRequest, ModelCalls, Signature
from triton_ros.core.config.model_config import InstanceGroup, ModelConfig
from triton_ros.core.tensor import Array, TensorSpec

FILE = "model.fake"
_X, _Y = TensorSpec("x", "FP32", (-1, 1)), TensorSpec("y", "FP32", (-1, 1))
_CONTROLS = tuple(TensorSpec(name, "INT32", (-1, 1)) for name in ("START", "READY"))
_SIGNATURES = {
    "sum": Signature(
        (_X, TensorSpec("sum_in", "FP32", (-1, 1))),
        (_Y, TensorSpec("sum_out", "FP32", (-1, 1))),
        batchable=True,
    ),
    "rows": Signature((_X, *_CONTROLS), (_Y,), batchable=True),
    "countdown": Signature((_X,), (_Y,), batchable=True),
}

STATE = (
    'state { input_name: "sum_in" output_name: "sum_out" data_type: TYPE_FP32 dims: [1]'
    " initial_state { name: 'begin' data_type: TYPE_FP32 dims: [1] data_file: 'begin' } }"
)
CONTROLS = " ".join(
    f'control_input {{ name: "{name}" control {{ kind: CONTROL_SEQUENCE_{name}'
    " int32_false_true: [0, 1] } }"
    for name in ("START", "READY")
)


def sequence_model(kind: str, batching: str, rows: int = 2, instances: int = 1) -> Toy:
    """A model directory; sums begin with 100."""
    tensors = " ".join(
        f'{side} {{ name: "{name}" data_type: TYPE_FP32 dims: [1] }}'
        for side, name in (("input", "x"), ("output", "y"))
    )
    config = (
        f'backend: "fake" max_batch_size: {rows} {tensors}'
        f" instance_group {{ kind: KIND_CPU count: {instances} }}"
        f" sequence_batching {{ {batching} }}"
    )
    begin = np.array([100], "<f4").tobytes()
    return Toy(kind.encode(), config, FILE, extra={"initial_state/begin": begin})


class _Instance:
    """An instance; complains about two threads at once."""

    def __init__(self, batches: list[int]) -> None:
        self._batches = batches
        self._busy = threading.Lock()

    def run(self, x: Array) -> None:
        assert self._busy.acquire(blocking=False), "two threads in one instance"
        try:
            self._batches.append(len(x))
            if (x < 0).any():
                raise ValueError("x is negative")
        finally:
            self._busy.release()

    def finalize(self) -> None: ...


class SumInstance(_Instance):
    def execute(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        self.run(inputs["x"])
        total = inputs["x"] + inputs["sum_in"]
        return {"y": total, "sum_out": total}


class RowsInstance(_Instance):
    def __init__(self, batches: list[int]) -> None:
        super().__init__(batches)
        self._totals = np.zeros((16, 1), np.float32)

    def execute(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        self.run(inputs["x"])
        mine = self._totals[: len(inputs["x"])]
        mine[inputs["START"] == 1] = 0
        mine[...] += np.where(inputs["READY"] == 1, inputs["x"], 0)
        return {"y": mine.copy()}


class CountdownInstance(_Instance):
    def __init__(self, batches: list[int]) -> None:
        super().__init__(batches)
        self._runs: dict[int | str, int] = {}

    def execute_requests(self, requests: Sequence[ExecutionRequest], calls: ModelCalls) -> None:
        self.run(np.concatenate([request.inputs["x"] for request in requests]))
        for request in requests:
            assert request.sequence_start == (request.correlation_id not in self._runs)
            runs = self._runs.get(request.correlation_id, 0) + 1
            self._runs[request.correlation_id] = runs
            if runs < request.inputs["x"].item():
                request.reschedule()
            else:
                del self._runs[request.correlation_id]
                request.respond({"y": np.full((1, 1), runs, np.float32)})
                request.finish()


class _Model:
    def __init__(self, kind: str, batches: list[int]) -> None:
        self._kind = kind
        self._batches = batches
        self.signature = _SIGNATURES[kind]

    def instance(
        self, group: InstanceGroup, device: int
    ) -> SumInstance | RowsInstance | CountdownInstance:
        if self._kind == "sum":
            return SumInstance(self._batches)
        if self._kind == "rows":
            return RowsInstance(self._batches)
        return CountdownInstance(self._batches)

    def finalize(self) -> None: ...


class SequenceBackend:
    """Remembers the size of every batch."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def load(self, config: ModelConfig, version_dir: Path) -> _Model:
        return _Model((version_dir / FILE).read_text(), self.batches)
