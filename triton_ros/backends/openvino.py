# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""OpenVINO: its own IR, and whatever else it reads (ONNX, TFLite, a frozen GraphDef, a SavedModel).

A compiled model has streams, and one stream runs one request at a time.  So a version is compiled
with as many streams as it has instances, each of which is one `InferRequest`; instances that come
later get a compiled model of their own.  Threads are not pinned to cores (two models would be
pinned to the same one), and the precision is FP32 unless asked for otherwise: OpenVINO's own
default is silently BF16 where the processor has it.

Inputs are read where they are.  An output whose shape the file fixes is written straight into the
array that is answered; any other is copied out of the request's memory, which the next execution
uses again.  `infer` releases the GIL.  A file whose first dims are 1 everywhere is tried out with
a batch (`batch_trial`).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from triton_ros.backends.batch_trial import rows_are_independent
from triton_ros.backends.support import (
    as_text,
    check_heeded,
    check_inputs,
    check_settings,
    choice_parameter,
    import_failure,
    integer_parameter,
    model_file,
    released,
    warn_of_unknown_parameters,
)
from triton_ros.core.backend import Signature
from triton_ros.core.backend_config import EMPTY, BackendSettings
from triton_ros.core.config.model_config import InstanceGroup, InstanceKind, ModelConfig
from triton_ros.core.errors import (
    ConfigError,
    InternalError,
    InvalidArgumentError,
    TritonError,
    UnsupportedError,
)
from triton_ros.core.tensor import Array, TensorSpec

_DATATYPES = {
    "boolean": "BOOL",
    "u8": "UINT8",
    "u16": "UINT16",
    "u32": "UINT32",
    "u64": "UINT64",
    "i8": "INT8",
    "i16": "INT16",
    "i32": "INT32",
    "i64": "INT64",
    "f16": "FP16",
    "f32": "FP32",
    "f64": "FP64",
    "string": "BYTES",
}
_FAILURES = (RuntimeError, ValueError, TypeError)
"""What OpenVINO raises, whatever the reason."""
_PRECISIONS = ("f32", "bf16", "f16")
PARAMETERS = ("INFERENCE_NUM_THREADS", "INFERENCE_PRECISION_HINT", "TARGET_DEVICE")


class OpenVinoBackend:
    """Loads ``model.xml`` (with its ``model.bin``), or what ``default_model_filename`` names.

    Parameters: ``INFERENCE_NUM_THREADS`` of one instance (default 1; 0: one a core),
    ``INFERENCE_PRECISION_HINT`` (f32, bf16, f16) and ``TARGET_DEVICE`` (default CPU).
    """

    def __init__(self, settings: BackendSettings = EMPTY) -> None:
        check_settings("openvino", settings)
        try:
            import openvino  # noqa: PLC0415 (lazy on purpose)
        except ImportError as error:
            raise import_failure(error, "openvino", "openvino") from error
        self._ov: Any = openvino
        self._core: Any = openvino.Core()
        # a file that is replaced under its mapping would end the process
        self._core.set_property({"ENABLE_MMAP": False})

    def load(self, config: ModelConfig, version_dir: Path) -> OpenVinoModel:
        """See `core.backend.Backend.load`."""
        check_heeded(config, "openvino")
        warn_of_unknown_parameters(config, PARAMETERS)
        path = model_file(config, version_dir, "model.xml", directory=True)
        return OpenVinoModel(self._ov, self._core, config, path)


@dataclass(slots=True)
class _Compiled:
    """A compiled model, and its streams that no instance has."""

    model: Any
    free: int


class OpenVinoModel:
    """One version."""

    def __init__(self, ov: Any, core: Any, config: ModelConfig, path: Path) -> None:
        self._ov, self._core = ov, core
        self._name = config.name
        self._device = _device(core, config)
        self._threads = integer_parameter(config, "INFERENCE_NUM_THREADS", 1)
        self._precision = choice_parameter(config, "INFERENCE_PRECISION_HINT", "f32", _PRECISIONS)
        for group in config.instance_group:
            self._check_kind(group)
        self._lock = threading.Lock()
        self._compiled: list[_Compiled] = []
        self._model = _read(core, path)
        self._signature = _signature(path, self._model, batchable=False)
        if _is_batched(self._signature):
            self._signature = _signature(path, self._model, batchable=True)
        elif config.max_batch_size > 0 or "max_batch_size" not in config.stated:
            self._try_batch(path)
        streams = sum(group.count or 1 for group in config.instance_group) or 1
        self._compile(path, streams)

    @property
    def signature(self) -> Signature:
        return self._signature

    def instance(self, group: InstanceGroup, device: int) -> OpenVinoInstance:
        """See `core.backend.BackendModel.instance`; the device is the model's parameter."""
        del device
        self._check_kind(group)
        with self._lock:
            compiled = next((c for c in self._compiled if c.free), None)
            if compiled is None:
                compiled = self._compile(None, 1)
            compiled.free -= 1
        return OpenVinoInstance(self._ov, self._name, compiled, self._signature, self._lock)

    def finalize(self) -> None:
        """See `core.backend.BackendModel.finalize`."""
        self._compiled.clear()
        self._model = None

    def _check_kind(self, group: InstanceGroup) -> None:
        if group.kind is InstanceKind.KIND_GPU:
            raise UnsupportedError(
                f"model '{self._name}': backend openvino knows no NVIDIA GPU; use KIND_CPU or"
                " KIND_AUTO instead of KIND_GPU (parameters TARGET_DEVICE chooses Intel's devices)"
            )

    def _compile(self, path: Path | None, streams: int) -> _Compiled:
        properties: dict[str, Any] = {}
        if self._device == "CPU":
            properties = {
                "INFERENCE_NUM_THREADS": self._threads * streams,
                "NUM_STREAMS": streams,
                "ENABLE_CPU_PINNING": False,
            }
        properties["INFERENCE_PRECISION_HINT"] = self._precision
        try:
            model = self._core.compile_model(self._model, self._device, properties)
        except _FAILURES as error:
            raise InvalidArgumentError(
                f"model '{self._name}': OpenVINO cannot compile {path or 'it'} for"
                f" {self._device}: {error}"
            ) from error
        self._compiled.append(_Compiled(model, streams))
        return self._compiled[-1]

    def _try_batch(self, path: Path) -> None:
        """Give a file of batch 1 a variable first dim, if that was tried out to be right."""
        own = self._signature
        if not own.inputs or any(s.dims[:1] != (1,) for s in (*own.inputs, *own.outputs)):
            return
        model = self._model.clone()
        try:
            model.reshape(
                {i: self._ov.PartialShape([-1, *list(i.partial_shape)[1:]]) for i in model.inputs}
            )
            signature = _signature(path, model, batchable=True)
            if not _is_batched(signature):
                return
            compiled = _Compiled(self._core.compile_model(model, self._device), 1)
        except (*_FAILURES, TritonError):
            return
        trial = OpenVinoInstance(self._ov, self._name, compiled, signature, self._lock)
        if rows_are_independent(trial.execute, own.inputs):
            self._model, self._signature = model, signature


class OpenVinoInstance:
    """One infer request: one stream of a compiled model."""

    def __init__(
        self, ov: Any, name: str, compiled: _Compiled, signature: Signature, lock: threading.Lock
    ) -> None:
        self._ov = ov
        self._name = name
        self._compiled: _Compiled | None = compiled
        self._signature = signature
        self._lock = lock
        self._request: Any = compiled.model.create_infer_request()

    def execute(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """See `core.backend.ModelInstance.execute`."""
        if self._request is None:
            raise released(self._name)
        check_inputs(self._signature, inputs)
        try:
            return self._run(inputs)
        except _FAILURES as error:
            raise InternalError(f"model '{self._name}': OpenVINO: {error}") from error

    def finalize(self) -> None:
        """See `core.backend.ModelInstance.finalize`."""
        self._request = None
        if self._compiled is not None:
            with self._lock:
                self._compiled.free += 1
            self._compiled = None

    def _run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        request, signature = self._request, self._signature
        held = [self._tensor(spec, inputs[spec.name]) for spec in signature.inputs]
        for index, tensor in enumerate(held):
            request.set_input_tensor(index, tensor)
        answers: dict[str, Array] = {}
        for index, spec in enumerate(signature.outputs):
            if spec.datatype != "BYTES" and -1 not in spec.dims:
                answers[spec.name] = np.empty(spec.dims, spec.dtype)
                tensor = self._ov.Tensor(answers[spec.name], shared_memory=True)
                request.set_output_tensor(index, tensor)
        request.infer()
        for index, spec in enumerate(signature.outputs):
            if spec.name not in answers:
                tensor = request.get_output_tensor(index)
                texts = spec.datatype == "BYTES"
                answers[spec.name] = (
                    tensor.str_data.astype(np.object_) if texts else tensor.data.copy()
                )
        return answers

    def _tensor(self, spec: TensorSpec, value: Array) -> Any:
        if spec.datatype == "BYTES":
            return self._ov.Tensor(as_text(spec.name, value).astype(np.str_))
        value = np.ascontiguousarray(value)
        # what may only be read is copied: OpenVINO insists on memory that it could write to
        return self._ov.Tensor(value, shared_memory=value.flags.writeable)


def _device(core: Any, config: ModelConfig) -> str:
    device = config.parameters.get("TARGET_DEVICE", "CPU")
    available = [*core.available_devices, "AUTO"]
    if device.partition(".")[0] not in {name.partition(".")[0] for name in available}:
        raise ConfigError(
            f"model '{config.name}': parameters['TARGET_DEVICE'] must be one of"
            f" {', '.join(available)} on this machine, got '{device}'"
        )
    return device


def _read(core: Any, path: Path) -> Any:
    try:
        return core.read_model(path)
    except _FAILURES as error:
        raise InvalidArgumentError(f"{path}: OpenVINO refuses it: {error}") from error


def _is_batched(signature: Signature) -> bool:
    specs = (*signature.inputs, *signature.outputs)
    return bool(signature.inputs) and all(spec.dims[:1] == (-1,) for spec in specs)


def _signature(path: Path, model: Any, *, batchable: bool) -> Signature:
    return Signature(
        inputs=tuple(_spec(path, "input", i, port) for i, port in enumerate(model.inputs)),
        outputs=tuple(_spec(path, "output", i, port) for i, port in enumerate(model.outputs)),
        batchable=batchable,
    )


def _spec(path: Path, kind: str, index: int, port: Any) -> TensorSpec:
    """A tensor without a name (a file need not give any) is called by its place."""
    names = sorted(port.names)
    name = port.any_name if len(names) == 1 else (names[0] if names else f"{kind}{index}")
    element = port.element_type.get_type_name()
    if element not in _DATATYPES:
        raise UnsupportedError(
            f"{path}: {kind} '{name}' is {element}; accepted: {', '.join(_DATATYPES)}"
        )
    shape = port.partial_shape
    if shape.rank.is_dynamic:
        raise UnsupportedError(f"{path}: {kind} '{name}' has no fixed number of dims")
    dims = tuple(dim.get_length() if dim.is_static else -1 for dim in shape)
    return TensorSpec(name, _DATATYPES[element], dims)
