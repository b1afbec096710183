# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""TensorFlow Lite files, run by LiteRT's `Interpreter` (which releases the GIL in `invoke`).

An interpreter is one executor with buffers of its own, so each instance has one; they share the
file's bytes, which were read once at load (a file replaced under a mapping would crash the
process).  Inputs are copied into the interpreter's buffers and outputs out of them.

**Batches have to be tried out.**  Few TFLite files say that their first dim is variable, and any
of them lets itself be resized; but a Reshape with the batch baked in then answers one image whose
rows are a mixture.  `load` therefore tries it out (`batch_trial`): only when the rows are those of
single runs is the model batchable, and its first dims become -1.  A model whose
configuration states ``max_batch_size: 0`` is spared the trial.

Another shape than last time means a new plan of the buffers (0.1 ms for a 1-ms detector), so the
shape is kept until a request has another.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from triton_ros.backends.batch_trial import rows_are_independent
from triton_ros.backends.support import (
    as_text,
    check_heeded,
    check_inputs,
    check_settings,
    import_failure,
    integer_parameter,
    model_file,
    released,
    warn_of_unknown_parameters,
)
from triton_ros.backends.tflite_delegates import OPTIMIZATION, PARAMETERS, Delegates, delegates
from triton_ros.core.backend import Signature
from triton_ros.core.backend_config import EMPTY, BackendSettings
from triton_ros.core.config.model_config import InstanceGroup, InstanceKind, ModelConfig
from triton_ros.core.errors import (
    ConfigError,
    InternalError,
    InvalidArgumentError,
    UnsupportedError,
)
from triton_ros.core.tensor import Array, TensorSpec, datatype_of

_FAILURES = (RuntimeError, ValueError)
"""What the interpreter raises, whatever the reason."""


@dataclass(frozen=True, slots=True)
class _Binding:
    """A tensor of the file: the name we show, and the interpreter's index of it."""

    spec: TensorSpec
    index: int
    shape: tuple[int, ...]
    """The shape before any resize: variable dims are 1."""


class TfliteBackend:
    """Loads ``model.tflite``.

    Parameters: ``num_threads`` of one instance (default 1), ``xnnpack`` (1; 0 for LiteRT's plain
    kernels); other delegates are `execution_accelerators` (see `tflite_delegates`).  The names of
    inputs and outputs are those of the file's signature if it has exactly one, else those of its
    tensors.
    """

    def __init__(self, settings: BackendSettings = EMPTY) -> None:
        check_settings("tflite", settings)
        try:
            from ai_edge_litert import interpreter  # noqa: PLC0415 (lazy on purpose)
        except ImportError as error:
            raise import_failure(error, "tflite", "ai-edge-litert") from error
        self._litert: Any = interpreter

    def load(self, config: ModelConfig, version_dir: Path) -> TfliteModel:
        """See `core.backend.Backend.load`."""
        check_heeded(config, "tflite", OPTIMIZATION)
        warn_of_unknown_parameters(config, PARAMETERS)
        path = model_file(config, version_dir, "model.tflite")
        return TfliteModel(self._litert, config, path, delegates(config, version_dir))


class TfliteModel:
    """One version: the file's bytes and what was found out about them."""

    def __init__(self, litert: Any, config: ModelConfig, path: Path, wanted: Delegates) -> None:
        self._litert = litert
        self._delegates = wanted
        self._name = config.name
        self._path = path
        self._threads = integer_parameter(config, "num_threads", 1)
        if self._threads < 1:
            raise ConfigError(
                f"model '{config.name}': parameters['num_threads'] must be 1 or more, got 0"
            )
        for group in config.instance_group:
            self._check_kind(group)
        self._data: bytes | None = path.read_bytes()
        made = self._make()
        self._inputs, self._outputs = _bindings(path, made)
        first = TfliteInstance(self._name, made, None, self._inputs, self._outputs)
        self._signature = self._try_batch(first, config)
        first.signature = self._signature
        # LiteRT makes interpreters under Python's lock: each that is spared spares others a wait.
        self._spare = [first]

    @property
    def signature(self) -> Signature:
        return self._signature

    def instance(self, group: InstanceGroup, device: int) -> TfliteInstance:
        """See `core.backend.BackendModel.instance`; the interpreter runs on the CPU only."""
        del device
        self._check_kind(group)
        with contextlib.suppress(IndexError):
            return self._spare.pop()
        return TfliteInstance(
            self._name, self._make(), self._signature, self._inputs, self._outputs
        )

    def finalize(self) -> None:
        """See `core.backend.BackendModel.finalize`."""
        self._data = None
        self._spare.clear()

    def _make(self) -> Any:
        """A fresh interpreter with its buffers allocated."""
        if not self._data:
            raise InvalidArgumentError(f"{self._path} is not a valid TFLite model: it is empty")
        try:
            made = self._litert.Interpreter(
                model_content=self._data,
                num_threads=self._threads,
                **self._delegates.arguments(self._name, self._litert),
            )
            made.allocate_tensors()
        except _FAILURES as error:
            raise InvalidArgumentError(f"{self._path}: LiteRT refuses it: {error}") from error
        return made

    def _check_kind(self, group: InstanceGroup) -> None:
        if group.kind is InstanceKind.KIND_GPU:
            raise UnsupportedError(
                f"model '{self._name}': backend tflite runs on the CPU only;"
                " use KIND_CPU or KIND_AUTO instead of KIND_GPU"
            )

    def _try_batch(self, trial: TfliteInstance, config: ModelConfig) -> Signature:
        """The signature, with first dims of -1 if the trial went well, else the file's own."""
        bindings = (*self._inputs, *self._outputs)
        wanted = config.max_batch_size > 0 or "max_batch_size" not in config.stated
        batchable = wanted and all(binding.shape[:1] == (1,) for binding in bindings)
        if batchable:
            own = [replace(binding.spec, dims=binding.shape) for binding in self._inputs]
            batchable = rows_are_independent(trial.execute, own)
        return Signature(
            inputs=_specs(self._inputs, any_batch=batchable),
            outputs=_specs(self._outputs, any_batch=batchable),
            batchable=batchable,
        )


class TfliteInstance:
    """One interpreter."""

    def __init__(
        self,
        name: str,
        interpreter: Any,
        signature: Signature | None,
        inputs: tuple[_Binding, ...],
        outputs: tuple[_Binding, ...],
    ) -> None:
        self._name = name
        self._interpreter = interpreter
        self.signature = signature
        """What inputs are held against; None: they are the backend's own."""
        self._inputs = inputs
        self._outputs = outputs
        self._shapes = [binding.shape for binding in inputs]

    def execute(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """See `core.backend.ModelInstance.execute`."""
        if self._interpreter is None:
            raise released(self._name)
        if self.signature is not None:
            check_inputs(self.signature, inputs)
        try:
            return self._run(inputs)
        except _FAILURES as error:
            self._shapes = []
            raise InternalError(f"model '{self._name}': LiteRT: {error}") from error

    def finalize(self) -> None:
        """See `core.backend.ModelInstance.finalize`."""
        self._interpreter = None

    def _run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        interpreter = self._interpreter
        values = [inputs[binding.spec.name] for binding in self._inputs]
        shapes = [value.shape for value in values]
        if shapes != self._shapes:
            for binding, shape in zip(self._inputs, shapes, strict=True):
                interpreter.resize_tensor_input(binding.index, shape)
            interpreter.allocate_tensors()
            self._shapes = shapes
        for binding, value in zip(self._inputs, values, strict=True):
            interpreter.set_tensor(binding.index, _to_interpreter(binding, value))
        interpreter.invoke()
        return {
            b.spec.name: _from_interpreter(b, interpreter.get_tensor(b.index))
            for b in self._outputs
        }


def _to_interpreter(binding: _Binding, value: Array) -> Array:
    """LiteRT's strings are bytes."""
    if binding.spec.datatype != "BYTES":
        return value
    text = as_text(binding.spec.name, value).ravel().tolist()
    return _objects([item.encode() for item in text], value.shape)


def _from_interpreter(binding: _Binding, value: Array) -> Array:
    if binding.spec.datatype != "BYTES":
        return value
    return _objects([item.decode(errors="replace") for item in value.ravel()], value.shape)


def _objects(flat: list[Any], shape: tuple[int, ...]) -> Array:
    out = np.empty(len(flat), np.object_)
    out[:] = flat
    return out.reshape(shape)


def _bindings(path: Path, made: Any) -> tuple[tuple[_Binding, ...], tuple[_Binding, ...]]:
    inputs, outputs = made.get_input_details(), made.get_output_details()
    keys = list(made.get_signature_list())
    names: dict[str, dict[int, str]] = {"input": {}, "output": {}}
    if len(keys) == 1:
        runner = made.get_signature_runner(keys[0])
        for kind, details in (
            ("input", runner.get_input_details()),
            ("output", runner.get_output_details()),
        ):
            names[kind] = {detail["index"]: name for name, detail in details.items()}
    return (
        tuple(_binding(path, "input", detail, names["input"]) for detail in inputs),
        tuple(_binding(path, "output", detail, names["output"]) for detail in outputs),
    )


def _binding(path: Path, kind: str, detail: Mapping[str, Any], names: dict[int, str]) -> _Binding:
    name = names.get(detail["index"], detail["name"])
    try:
        datatype = datatype_of(np.dtype(detail["dtype"]))
    except (ConfigError, TypeError) as error:
        raise UnsupportedError(f"{path}: {kind} '{name}': {error}") from error
    shape = tuple(int(d) for d in detail["shape"])
    signature = tuple(int(d) for d in detail["shape_signature"])
    dims = signature if len(signature) == len(shape) else shape
    spec = TensorSpec(name, datatype, tuple(d if d > 0 else -1 for d in dims))
    return _Binding(spec, int(detail["index"]), shape)


def _specs(bindings: tuple[_Binding, ...], *, any_batch: bool) -> tuple[TensorSpec, ...]:
    if not any_batch:
        return tuple(b.spec for b in bindings)
    return tuple(TensorSpec(b.spec.name, b.spec.datatype, (-1, *b.spec.dims[1:])) for b in bindings)
