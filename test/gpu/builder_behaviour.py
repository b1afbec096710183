# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""``builder_behaviour.py fake|rtx``: what a builder answers to right and wrong uses, as JSON.

``rtx`` asks NVIDIA's own code: TensorRT-RTX's parser and builder work without a GPU.  The names of
its API are TensorRT's; precision flags and DLA are not asked about, for it has them without an
effect.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import toy_onnx
from cuda_rig import BUILD, load_fake, primary_context

Shapes = tuple[Sequence[int], Sequence[int], Sequence[int]]
GOOD: Shapes = ((1, 3, 16, 16), (2, 3, 32, 32), (8, 3, 64, 64))


class Behaviour:
    """Asks one `tensorrt` module."""

    def __init__(self, trt: Any) -> None:
        self.trt = trt

        class Logger(trt.ILogger):  # type: ignore[misc]
            def __init__(self) -> None:
                trt.ILogger.__init__(self)
                self.text = ""

            def log(self, severity: Any, msg: str) -> None:
                if severity in {trt.ILogger.ERROR, trt.ILogger.WARNING}:
                    self.text += f"{msg}\n"

        self.logger = Logger()
        self.builder = trt.Builder(self.logger)

    def parse(self, onnx: bytes) -> tuple[Any, list[Any]]:
        """Network (None if it was refused), and codes and nodes of the errors."""
        flags = self.trt.NetworkDefinitionCreationFlag
        network = self.builder.create_network(1 << int(flags.STRONGLY_TYPED))
        parser = self.trt.OnnxParser(network, self.logger)
        ok = parser.parse(onnx)
        errors = [parser.get_error(index) for index in range(parser.num_errors)]
        self._parser = parser  # TensorRT's network refers to it
        return network if ok else None, [[str(e.code()).split(".")[1], e.node()] for e in errors]

    def build(self, onnx: bytes, *profiles: dict[str, Shapes], **more: Any) -> list[Any]:
        """What adding each profile answered, whether it was built, a word of the log."""
        network, _ = self.parse(onnx)
        config = self.builder.create_builder_config()
        added = []
        for limits in profiles:
            profile = self.builder.create_optimization_profile()
            for name, shapes in limits.items():
                set_it = profile.set_shape_input if name == "shape" else profile.set_shape
                set_it(name, *shapes)
            added.append(config.add_optimization_profile(profile))
        for name, value in more.items():
            setattr(config, name, value)
        self.logger.text = ""
        plan = self.builder.build_serialized_network(network, config)
        words = (
            *("no optimization profile has been defined", "is missing dimensions in profile"),
            *("is missing values for shape input tensor", "Dimension mismatch", "BuildCanceled"),
            *("has 4 dimensions but profile 0 has 3", "must have at least one output"),
        )
        said = [word for word in words if word in self.logger.text] if plan is None else []
        return [added, plan is not None, *said]

    def monitor(self, cancel: bool) -> Any:
        """Remembers how it was called; with `cancel`, wants no more after the first step."""
        calls: list[list[Any]] = []

        class Monitor(self.trt.IProgressMonitor):  # type: ignore[misc, name-defined]
            def __init__(self) -> None:
                super().__init__()
                self.calls = calls

            def phase_start(self, phase_name: str, parent_phase: Any, num_steps: int) -> None:
                calls.append(["start", phase_name, parent_phase, num_steps])

            def phase_finish(self, phase_name: str) -> None:
                calls.append(["finish", phase_name])

            def step_complete(self, phase_name: str, step: int) -> bool:
                calls.append(["step", phase_name, step])
                return not cancel

        return Monitor()


def behaviour(trt: Any) -> dict[str, Any]:
    """By what was asked."""
    ask = Behaviour(trt)
    onnx, static = toy_onnx.convolution(), toy_onnx.convolution(static=True)
    network, _ = ask.parse(onnx)
    tensor = network.get_input(0)
    config = ask.builder.create_builder_config()
    flag = trt.BuilderFlag.GPU_FALLBACK
    before = config.get_flag(flag), config.get_flag(trt.BuilderFlag.TF32)
    config.set_flag(flag)
    pool = trt.MemoryPoolType.WORKSPACE
    config.set_memory_pool_limit(pool, 1 << 26)
    profile = ask.builder.create_optimization_profile()
    profile.set_shape("images", *GOOD)
    shape_network, _ = ask.parse(toy_onnx.reshape())
    whole, cancelled = ask.monitor(False), ask.monitor(True)
    plan = ask.builder.build_serialized_network(ask.parse(static)[0], config)
    return {
        "garbage": ask.parse(b"garbage")[1],
        "nothing": [ask.parse(b"")[1], ask.build(b"")],
        "unknown operator": ask.parse(toy_onnx.foreign())[1],
        "network": [network.num_inputs, network.num_outputs, network.name.split()[0]],
        "input": [tensor.name, list(tensor.shape), tensor.dtype.name, tensor.is_shape_tensor],
        "shape input": [shape_network.get_input(i).is_shape_tensor for i in range(2)],
        "flags": [*before, config.get_flag(flag)],
        "memory": config.get_memory_pool_limit(pool),
        "limits": [list(shape) for shape in profile.get_shape("images")],
        "unknown limits": list(profile.get_shape("other")),
        "plan": [type(plan).__name__, bytes(plan) == memoryview(plan).tobytes(), plan.nbytes > 100],
        "timing cache": type(config.get_timing_cache()).__name__,
        "damaged timing cache": type(config.create_timing_cache(b"damaged " * 8)).__name__,
        "static": ask.build(static),
        "dynamic": ask.build(onnx, {"images": GOOD}),
        "two profiles": ask.build(onnx, {"images": GOOD}, {"images": GOOD}),
        "no profile": ask.build(onnx),
        "empty profile": ask.build(onnx, {}),
        "min after opt": ask.build(onnx, {"images": (GOOD[1], GOOD[0], GOOD[2])}),
        "ranks differ": ask.build(onnx, {"images": ((1, 3, 16), *GOOD[1:])}),
        "another rank": ask.build(onnx, {"images": ((1, 3, 16), (2, 3, 32), (8, 3, 64))}),
        "another static dim": ask.build(onnx, {"images": ((1, 4, 16, 16),) * 3}),
        "unknown input": ask.build(onnx, {"images": GOOD, "other": GOOD}),
        "no values": ask.build(toy_onnx.reshape(), {"x": ((1, 4), (2, 4), (8, 4))}),
        "no shape": ask.build(toy_onnx.reshape(), {"shape": ((1, 1), (4, 2), (32, 32))}),
        "watched": ask.build(static, progress_monitor=whole),
        "phases": _phases(whole.calls),
        "cancelled": ask.build(static, progress_monitor=cancelled),
        "ended": _phases(cancelled.calls),
    }


def _phases(calls: list[list[Any]]) -> dict[str, Any]:
    """What holds of the calls of every build, whatever its phases are."""
    started = [call[1] for call in calls if call[0] == "start"]
    finished = [call[1] for call in calls if call[0] == "finish"]
    return {
        "first": calls[0][:3],
        "last": calls[-1],
        "all are finished": sorted(started) == sorted(finished),
        "nested": any(call[2] == calls[0][1] for call in calls if call[0] == "start"),
    }


if __name__ == "__main__":
    if sys.argv[1] == "fake":
        load_fake()
        import tensorrt

        with primary_context():
            answers = behaviour(tensorrt)
    else:
        sys.path.insert(0, str(BUILD / "tensorrt_rtx"))
        import tensorrt_rtx_bindings as tensorrt_rtx

        answers = behaviour(tensorrt_rtx)
    print(json.dumps(answers, default=repr))
