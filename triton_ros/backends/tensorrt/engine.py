# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A plan, deserialised, and what it says of itself: tensors, profiles, layers on DLA.

TensorRT answers False or None and tells its logger why; `Log` keeps what it said on this thread, so
that an error can repeat it.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from triton_ros.core.errors import InvalidArgumentError, UnsupportedError
from triton_ros.core.tensor import TensorSpec

_LOG = logging.getLogger(__name__)
_DATATYPES = {
    "FLOAT": "FP32",
    "HALF": "FP16",
    "INT8": "INT8",
    "INT32": "INT32",
    "INT64": "INT64",
    "UINT8": "UINT8",
    "BOOL": "BOOL",
}
Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a profile allows of an input's shape (or, of a shape tensor, its values)."""

    low: Shape
    best: Shape
    high: Shape

    def allow(self, shape: Shape) -> bool:
        return len(shape) == len(self.low) and all(
            low <= size <= high for low, size, high in zip(self.low, shape, self.high, strict=True)
        )

    def distance(self, shape: Shape) -> int:
        """From the shape that the engine was tuned for (Manhattan)."""
        return sum(abs(size - best) for size, best in zip(shape, self.best, strict=True))


@dataclass(frozen=True, slots=True)
class EngineTensor:
    """One input or output."""

    spec: TensorSpec
    is_input: bool
    on_host: bool
    """A shape tensor: TensorRT reads (or writes) it on the CPU."""


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """What an engine says of itself."""

    tensors: tuple[EngineTensor, ...]
    profiles: tuple[Mapping[str, Limits], ...]
    layers: Mapping[str, int] = field(default_factory=dict)
    """How many layers run on each kind of device, where the plan tells."""

    @property
    def inputs(self) -> tuple[EngineTensor, ...]:
        return tuple(t for t in self.tensors if t.is_input)

    @property
    def outputs(self) -> tuple[EngineTensor, ...]:
        return tuple(t for t in self.tensors if not t.is_input)

    @property
    def is_static(self) -> bool:
        return all(-1 not in tensor.spec.dims for tensor in self.tensors)

    @property
    def is_batched(self) -> bool:
        """Whether every tensor has a variable first dim, and none is a shape."""
        return all(t.spec.dims[:1] == (-1,) and not t.on_host for t in self.tensors)


class Log:
    """TensorRT's logger.  There can be but one in a process, so it serves all models."""

    def __init__(self, trt: Any) -> None:
        levels = {
            trt.ILogger.INTERNAL_ERROR: logging.ERROR,
            trt.ILogger.ERROR: logging.ERROR,
            trt.ILogger.WARNING: logging.WARNING,
            trt.ILogger.INFO: logging.DEBUG,
        }
        local = self._local = threading.local()

        class Logger(trt.ILogger):  # type: ignore[misc]
            def __init__(self) -> None:
                trt.ILogger.__init__(self)

            def log(self, severity: Any, message: str) -> None:
                level = levels.get(severity, logging.NOTSET)
                lines = getattr(local, "lines", None)
                if lines is not None and level >= logging.WARNING:
                    lines.append(message)
                else:  # nobody will repeat it
                    _LOG.log(level, "TensorRT: %s", message)

        self.logger = Logger()

    @contextmanager
    def captured(self) -> Iterator[list[str]]:
        """What is said on this thread meanwhile, in place of the log."""
        before = getattr(self._local, "lines", None)
        lines: list[str] = []
        self._local.lines = lines
        try:
            yield lines
        finally:
            self._local.lines = before


def said(lines: list[str]) -> str:
    """What TensorRT said, for a message."""
    return "; ".join(lines) or "TensorRT does not say why"


def deserialize(
    trt: Any,
    log: Log,
    plan: bytes,
    *,
    path: str,
    dla_core: int | None = None,
    host_code: bool = False,
) -> tuple[Any, Any]:
    """A runtime and its engine, on the device that is current.

    Raises `InvalidArgumentError` for a plan that cannot be used here, and `UnsupportedError` for a
    DLA core that there is not.
    """
    with log.captured() as lines:
        runtime = trt.Runtime(log.logger)
        if dla_core is not None:
            cores = runtime.num_DLA_cores
            if dla_core >= cores:
                raise UnsupportedError(
                    f"{path}: secondary_devices KIND_NVDLA device_id {dla_core}: this device has"
                    f" {cores} DLA cores"
                )
            runtime.DLA_core = dla_core
        if host_code:
            if not hasattr(runtime, "engine_host_code_allowed"):
                raise UnsupportedError(
                    f"backend_config: 'tensorrt,version-compatible': TensorRT {trt.__version__} has"
                    " no such plans"
                )
            runtime.engine_host_code_allowed = True
        engine = runtime.deserialize_cuda_engine(plan)
        if engine is None:
            raise InvalidArgumentError(
                f"{path} is no plan that TensorRT {trt.__version__} can use on this device (plans"
                f" are bound to the release and the GPU that built them): {said(lines)}"
            )
    return runtime, engine


def scratch_bytes(engine: Any) -> int:
    """What an execution context takes of the device, by the name that the release has."""
    size = getattr(engine, "device_memory_size_v2", None)
    return int(getattr(engine, "device_memory_size", 0) if size is None else size)


def facts(trt: Any, engine: Any, path: str) -> EngineFacts:
    """Read them; raises `UnsupportedError` for a datatype that V2 has no name for."""
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    tensors = tuple(_tensor(trt, engine, name, path) for name in names)
    profiles = tuple(
        {t.spec.name: _limits(engine, t, index) for t in tensors if t.is_input}
        for index in range(engine.num_optimization_profiles)
    )
    return EngineFacts(tensors, profiles, _layers(trt, engine))


def _tensor(trt: Any, engine: Any, name: str, path: str) -> EngineTensor:
    is_input = engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT
    kind = engine.get_tensor_dtype(name).name
    if kind not in _DATATYPES:
        side = "input" if is_input else "output"
        raise UnsupportedError(
            f"{path}: {side} '{name}' is {kind}; accepted: {', '.join(_DATATYPES)}"
        )
    dims = tuple(int(size) for size in engine.get_tensor_shape(name))
    on_host = engine.get_tensor_location(name) == trt.TensorLocation.HOST
    return EngineTensor(TensorSpec(name, _DATATYPES[kind], dims), is_input, on_host)


def _limits(engine: Any, tensor: EngineTensor, profile: int) -> Limits:
    shapes = [
        tuple(int(size) for size in shape)
        for shape in engine.get_tensor_profile_shape(tensor.spec.name, profile)
    ]
    return Limits(*shapes)


def _layers(trt: Any, engine: Any) -> dict[str, int]:
    """Layers by device; empty where the plan was built without such detail.

    Names do not tell: what is fused is a "ForeignNode" on either device.
    """
    inspector = engine.create_engine_inspector()
    try:
        text = inspector.get_engine_information(trt.LayerInformationFormat.JSON)
        layers = json.loads(text).get("Layers", [])
    except (ValueError, AttributeError):
        return {}
    found: dict[str, int] = {}
    for layer in layers:
        if isinstance(layer, dict):
            where = "DLA" if "DLA" in str(layer.get("LayerType", "")) else "GPU"
            found[where] = found.get(where, 0) + 1
    return found
