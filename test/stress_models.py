# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The models of the stress test: each answers ``y``, a function of ``x``, both FP32 [-1, 4]."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from fake_backend import FILE, ensemble, fake, step
from toy_models import Toy

from triton_ros.core.backend import (
    ExecutionRequest,
    ModelCalls,
    ModelInstance,
    RequestInstance,
    Signature,
)
from triton_ros.core.config.model_config import InstanceGroup, ModelConfig
from triton_ros.core.request import InferenceRequest
from triton_ros.core.tensor import Array, TensorSpec

_X, _Y = TensorSpec("x", "FP32", (-1, 4)), TensorSpec("y", "FP32", (-1, 4))
_STATES = TensorSpec("s_in", "FP32", (-1, 4)), TensorSpec("s_out", "FP32", (-1, 4))
_WORK = np.random.default_rng(0).random(40_000)


@dataclass(frozen=True)
class StressModel:
    """A model directory and what its answers are."""

    toy: Toy
    answer: Callable[[float], list[float]]
    decoupled: bool = False
    sequence: bool = False
    rows: int = 1
    """At most so many in a request."""
    instances: bool = False
    """Whether their number is changed."""


def _plus(offset: float) -> Callable[[float], list[float]]:
    return lambda x: [x + offset]


_SEQUENCE = """max_batch_size: 4 sequence_batching {
  oldest { max_candidate_sequences: 4 }
  control_input { name: "start" control { kind: CONTROL_SEQUENCE_START fp32_false_true: [0, 1] } }
  state { input_name: "s_in" output_name: "s_out" data_type: TYPE_FP32 dims: 4 }
}
input { name: "x" data_type: TYPE_FP32 dims: 4 }
output { name: "y" data_type: TYPE_FP32 dims: 4 }"""

_QUEUED = """max_batch_size: 4 dynamic_batching {
  max_queue_delay_microseconds: 500 priority_levels: 2 default_priority_level: 2
  default_queue_policy { max_queue_size: 8 allow_timeout_override: true
    default_timeout_microseconds: 50000 }
} parameters { key: "queue_when_full" value { string_value: "drop_oldest" } }"""

_RESOURCE = "rate_limiter { resources { name: 'R' count: 1 } }"

MODELS = {
    "plain": StressModel(fake(1, "max_batch_size: 4 response_cache { enable: true }"), _plus(1)),
    "batched": StressModel(
        fake(2, "max_batch_size: 8 dynamic_batching { max_queue_delay_microseconds: 300 }"),
        _plus(2),
        rows=3,
        instances=True,
    ),
    "queued": StressModel(fake(3, _QUEUED), _plus(3), instances=True),
    "ordered": StressModel(
        fake(
            4,
            "max_batch_size: 2 dynamic_batching { preserve_ordering: true }"
            " instance_group { count: 3 }",
        ),
        _plus(4),
    ),
    "sequence": StressModel(fake(5, _SEQUENCE), _plus(5), sequence=True),
    "sum": StressModel(fake(0, f"{_SEQUENCE} instance_group {{ count: 2 }}"), _plus(0)),
    "stream": StressModel(
        fake(6, "max_batch_size: 4 model_transaction_policy { decoupled: true }"),
        lambda x: [x + 6] * (int(x) % 4),
        decoupled=True,
    ),
    "caller": StressModel(
        fake(7, f"max_batch_size: 4 instance_group {{ count: 1 {_RESOURCE} }}"), lambda x: [x + 15]
    ),
    "callee": StressModel(
        fake(8, f"max_batch_size: 4 instance_group {{ count: 2 {_RESOURCE} }}"), _plus(8)
    ),
    "fan": StressModel(
        ensemble(
            step("batched", "x:x", "y:m"),
            step("plain", "x:m", "y:y"),
            inputs="x",
            outputs="y",
            fan_out="batched,plain",
        ),
        _plus(3),
        rows=9,
    ),
    "gated": StressModel(
        ensemble(
            "max_inflight_requests: 2",
            step("stream", "x:x", "y:m"),
            step("queued", "x:m", "y:y"),
            inputs="x",
            outputs="y",
        ),
        lambda x: [x + 9] * (int(x) % 4),
        decoupled=True,
    ),
    "outer": StressModel(
        ensemble(
            step("chain", "x:x", "y:m"), step("caller", "x:m", "y:y"), inputs="x", outputs="y"
        ),
        _plus(18),
    ),
    "chain": StressModel(
        ensemble(
            step("batched", "x:x", "y:m"), step("plain", "x:m", "y:y"), inputs="x", outputs="y"
        ),
        _plus(3),
    ),
}


class _Adding:
    """A tensor instance; a sequence's model also keeps a sum."""

    def __init__(self, model: _Loaded) -> None:
        self._model = model

    def execute(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        if self._model.slow:
            np.sort(_WORK)  # half a millisecond or so
        outputs = {"y": inputs["x"] + np.float32(self._model.offset)}
        if "s_in" in inputs:
            outputs["s_out"] = inputs["s_in"] + inputs["x"]
            if self._model.name == "sum":
                outputs["y"] = outputs["s_out"]
        return outputs

    def finalize(self) -> None:
        self._model.backend.finalized()


class _Answering(_Adding):
    """A request instance: many responses, or one that another model computed."""

    def execute_requests(self, requests: Sequence[ExecutionRequest], calls: ModelCalls) -> None:
        for request in requests:
            y = request.inputs["x"] + np.float32(self._model.offset)
            if self._model.name == "caller":
                y = calls.infer(InferenceRequest("callee", {"x": y})).outputs["y"]
                request.respond({"y": y})
            else:
                for _ in range(int(request.inputs["x"][0, 0]) % 4):
                    request.respond({"y": y})
            request.finish()


class _Loaded:
    def __init__(self, backend: StressBackend, name: str, offset: float) -> None:
        self.backend = backend
        self.name = name
        self.offset = offset
        self.slow = name in ("queued", "ordered")
        states = _STATES if name in ("sequence", "sum") else ()
        start = (TensorSpec("start", "FP32", (-1, 1)),) if states else ()
        self.signature = Signature((_X, *start, *states[:1]), (_Y, *states[1:]), batchable=True)

    def instance(self, group: InstanceGroup, device: int) -> ModelInstance | RequestInstance:
        self.backend.made()
        return _Answering(self) if self.name in ("stream", "caller") else _Adding(self)

    def finalize(self) -> None:
        self.backend.finalized()


class StressBackend:
    """Counts what it made and what was released."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._alive = 0

    def load(self, config: ModelConfig, version_dir: Path) -> _Loaded:
        self.made()
        return _Loaded(self, config.name, float((version_dir / FILE).read_text()))

    def load_backend(self, name: str) -> StressBackend:
        return self

    def made(self) -> None:
        with self._lock:
            self._alive += 1

    def finalized(self) -> None:
        with self._lock:
            self._alive -= 1

    def check_released(self) -> None:
        """Nothing that was made is left."""
        assert self._alive == 0, f"{self._alive} models and instances were not finalized"
