# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""PyTorch: TorchScript (``model.pt``) and ``torch.export`` packages (``model.pt2``).

PyTorch's number of threads is OpenMP's, which every thread has for itself: an instance sets it (0.2
microseconds) in whatever thread it runs, so each model has its own.  The pool for parallel branches
is one for the process; who loads first decides.

Inputs are read where they are, unless the graph writes in place or keeps something for later: then
it gets copies.  What it answers may be an input or a weight, so outputs are copied.  PyTorch runs
without the GIL.  A model file is a program: it can do what the node can.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

from triton_ros.backends.support import (
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
from triton_ros.backends.torch_export import ExportProgram
from triton_ros.backends.torch_program import DATATYPES, Program, file_kind
from triton_ros.backends.torch_script import ScriptProgram
from triton_ros.core.backend import Signature
from triton_ros.core.backend_config import EMPTY, BackendSettings
from triton_ros.core.config.model_config import InstanceGroup, InstanceKind, ModelConfig
from triton_ros.core.errors import InternalError, InvalidArgumentError, UnsupportedError
from triton_ros.core.tensor import Array, TensorSpec

_LOG = logging.getLogger(__name__)

_INTRA = "INTRA_OP_THREAD_COUNT"
_INTER = "INTER_OP_THREAD_COUNT"
_UNOPTIMIZED = "DISABLE_OPTIMIZED_EXECUTION"
_INFERENCE = "INFERENCE_MODE"
_SHARING = "ENABLE_WEIGHT_SHARING"
_PARAMETERS = (_INTRA, _INTER, _UNOPTIMIZED, _INFERENCE, _SHARING)
_SWITCH = ("false", "true")
_FAILURES = (RuntimeError, ValueError, TypeError, LookupError, AssertionError, AttributeError)
"""What a model's own code and PyTorch raise while they run."""


class PyTorchBackend:
    """Loads ``model.pt`` or ``model.pt2``.

    Parameters, as Triton names them: ``INTRA_OP_THREAD_COUNT`` (default 1; 0 for one a core),
    ``INTER_OP_THREAD_COUNT`` (of the process), ``DISABLE_OPTIMIZED_EXECUTION`` (default false; the
    first two calls are then not slow), ``INFERENCE_MODE`` (default true) and
    ``ENABLE_WEIGHT_SHARING`` (default false: each instance of a TorchScript model has its own).
    """

    def __init__(self, settings: BackendSettings = EMPTY) -> None:
        check_settings("pytorch", settings)
        try:
            import torch  # noqa: PLC0415 (lazy on purpose)
        except ImportError as error:
            raise import_failure(error, "pytorch", "torch") from error
        self._torch: Any = torch

    def load(self, config: ModelConfig, version_dir: Path) -> PyTorchModel:
        """See `core.backend.Backend.load`."""
        check_heeded(config, "pytorch")
        warn_of_unknown_parameters(config, _PARAMETERS)
        path = model_file(config, version_dir, "model.pt", "model.pt2")
        return PyTorchModel(self._torch, config, path)


class PyTorchModel:
    """One version."""

    def __init__(self, torch: Any, config: ModelConfig, path: Path) -> None:
        self._torch = torch
        self._config = config
        self._threads = integer_parameter(config, _INTRA, 1) or _cores()
        self._share = _is_on(config, _SHARING, "false")
        self._contexts = _Contexts(
            torch.inference_mode if _is_on(config, _INFERENCE, "true") else torch.no_grad,
            optimized=not _is_on(config, _UNOPTIMIZED, "false"),
            torch=torch,
        )
        for group in config.instance_group:
            self._device(group.kind, 0)
        self._set_inter_op_threads()
        load = ScriptProgram if file_kind(path) == "script" else ExportProgram
        self._program: Program | None = load(torch, config, path)
        self._signature = self._program.signature

    @property
    def signature(self) -> Signature:
        return self._signature

    def instance(self, group: InstanceGroup, device: int) -> PyTorchInstance:
        """See `core.backend.BackendModel.instance`."""
        if self._program is None:
            raise released(self._config.name)
        where = self._device(group.kind, device)
        try:
            module = self._program.module(where, self._share)
        except RuntimeError as error:
            raise InternalError(
                f"model '{self._config.name}': no instance on {where}: {error}"
            ) from error
        return PyTorchInstance(
            self._torch,
            self._config.name,
            self._program,
            module,
            where,
            self._threads,
            self._contexts,
        )

    def finalize(self) -> None:
        """See `core.backend.BackendModel.finalize`."""
        self._program = None

    def _device(self, kind: InstanceKind, device: int) -> str:
        """CUDA for KIND_GPU; for KIND_AUTO and KIND_MODEL whatever there is."""
        there = self._torch.cuda.is_available()
        if kind is InstanceKind.KIND_CPU or (kind is not InstanceKind.KIND_GPU and not there):
            return "cpu"
        if not there:
            raise UnsupportedError(
                f"model '{self._config.name}': KIND_GPU needs a torch with CUDA and a GPU, and"
                f" torch {self._torch.__version__} sees none; use KIND_CPU"
            )
        return f"cuda:{device}"

    def _set_inter_op_threads(self) -> None:
        wanted = integer_parameter(self._config, _INTER, 0)
        there = self._torch.get_num_interop_threads()
        if wanted in (0, there):
            return
        try:
            self._torch.set_num_interop_threads(wanted)
        except RuntimeError:
            _LOG.warning(
                "model '%s': parameters['%s'] is %d, but this process has had its %d since the"
                " first model: they are one pool for all",
                *(self._config.name, _INTER, wanted, there),
            )


class PyTorchInstance:
    """One module, run by one thread at a time."""

    def __init__(
        self,
        torch: Any,
        name: str,
        program: Program,
        module: Any,
        device: str,
        threads: int,
        contexts: _Contexts,
    ) -> None:
        self._torch = torch
        self._name = name
        self._program: Program | None = program
        self._module = module
        self._device = "" if device == "cpu" else device
        self._threads = threads
        self._contexts = contexts
        self._copies = program.wants_copies
        self._inputs = [spec.name for spec in program.signature.inputs]

    def execute(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """See `core.backend.ModelInstance.execute`."""
        program = self._program
        if program is None:
            raise released(self._name)
        signature = program.signature
        check_inputs(signature, inputs)
        self._torch.set_num_threads(self._threads)
        try:
            with self._contexts.enter():
                tensors = [self._tensor(inputs[name]) for name in self._inputs]
                args, kwargs = program.arrange(tensors)
                answer = program.collect(self._module(*args, **kwargs))
                return {
                    spec.name: self._array(spec, tensor)
                    for spec, tensor in zip(signature.outputs, answer, strict=True)
                }
        except (*_FAILURES, self._torch.jit.Error) as error:
            raise self._failure(error) from error

    def finalize(self) -> None:
        """See `core.backend.ModelInstance.finalize`."""
        self._program = self._module = None

    def _tensor(self, value: Array) -> Any:
        """Without a copy, unless it might be written to."""
        if self._copies or not value.flags.writeable:
            value = value.copy()
        tensor = self._torch.from_numpy(value)
        return tensor.to(self._device, non_blocking=True) if self._device else tensor

    def _array(self, spec: TensorSpec, tensor: Any) -> Array:
        if not isinstance(tensor, self._torch.Tensor):
            raise InvalidArgumentError(
                f"model '{self._name}': output '{spec.name}' is {type(tensor).__name__}, not a"
                " tensor"
            )
        datatype = DATATYPES.get(str(tensor.dtype), str(tensor.dtype))
        shape = tuple(tensor.shape)
        if datatype != spec.datatype or not spec.accepts(shape):
            raise InvalidArgumentError(
                f"model '{self._name}': output '{spec.name}' is {datatype} {list(shape)}, the"
                f" configuration says {spec.datatype} {list(spec.dims)} (with the batch; -1: any)"
            )
        dense = self._torch.contiguous_format
        array: Array = tensor.detach().to("cpu", copy=True, memory_format=dense).numpy()
        return array

    def _failure(self, error: Exception) -> InternalError | InvalidArgumentError:
        """In PyTorch's words without its stack; a shape that an exported graph refuses is a wrong
        input.
        """
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        words = next((line for line in reversed(lines) if "Error" in line), "; ".join(lines))
        if isinstance(error, AssertionError) and "Guard failed" in words:
            return InvalidArgumentError(
                f"model '{self._name}': the shapes do not fit the exported program: {words}"
            )
        return InternalError(f"model '{self._name}': PyTorch: {words or type(error).__name__}")


class _Contexts:
    """What PyTorch is told for the time of one execution, and for its thread alone."""

    def __init__(self, mode: Any, *, optimized: bool, torch: Any) -> None:
        self._mode = mode
        self._optimized = optimized
        self._torch = torch

    def enter(self) -> AbstractContextManager[Any]:
        if self._optimized:
            mode: AbstractContextManager[Any] = self._mode()
            return mode
        stack = ExitStack()
        stack.enter_context(self._mode())
        stack.enter_context(self._torch.jit.optimized_execution(False))
        return stack


def _is_on(config: ModelConfig, name: str, default: str) -> bool:
    return choice_parameter(config, name, default, _SWITCH) == "true"


def _cores() -> int:
    return len(os.sched_getaffinity(0))
