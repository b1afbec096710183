# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime.

All instances of a version on one device share **one session**: `run` may be called by many
threads, so N instances are N callers and the weights are there once (measured: as fast as N
sessions).  A session computes with one thread and never spins by default, because parallelism
comes from the instances and a spinning pool burns a core between two frames.

Nothing is copied here: inputs are read where they are and outputs are views of memory that ONNX
Runtime allocated for this very call.  `run` releases the GIL.  Inputs are checked by ONNX Runtime
itself; only when it refuses a call do we look ourselves, to say in V2 terms what was wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from triton_ros.backends.onnxruntime_session import (
    OPTIMIZATION,
    PARAMETERS,
    SHARED_ARENA,
    providers,
    run_options,
    session_options,
    share_arena,
)
from triton_ros.backends.support import (
    as_text,
    check_heeded,
    check_inputs,
    check_settings,
    import_failure,
    model_file,
    released,
    warn_of_unknown_parameters,
)
from triton_ros.core.backend import Signature
from triton_ros.core.backend_config import EMPTY, BackendSettings
from triton_ros.core.config.model_config import InstanceGroup, InstanceKind, ModelConfig
from triton_ros.core.errors import InternalError, InvalidArgumentError, UnsupportedError
from triton_ros.core.tensor import Array, TensorSpec

_DATATYPES = {
    "tensor(bool)": "BOOL",
    "tensor(uint8)": "UINT8",
    "tensor(uint16)": "UINT16",
    "tensor(uint32)": "UINT32",
    "tensor(uint64)": "UINT64",
    "tensor(int8)": "INT8",
    "tensor(int16)": "INT16",
    "tensor(int32)": "INT32",
    "tensor(int64)": "INT64",
    "tensor(float16)": "FP16",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(string)": "BYTES",
}


class OnnxRuntimeBackend:
    """Loads ``model.onnx``.

    Parameters, as Triton names them: ``intra_op_thread_count`` and ``inter_op_thread_count``
    (default 1; 0 for one a core), ``execution_mode`` (0 sequential, 1 parallel),
    ``enable_mem_arena``, ``enable_mem_pattern`` (1 or 0), ``memory.enable_memory_arena_shrinkage``
    (devices) and ONNX Runtime's own ``session.intra_op.allow_spinning`` (default 0).
    Setting of the backend: ``shared-arena``.  Raises `ConfigError` for another.
    """

    def __init__(self, settings: BackendSettings = EMPTY) -> None:
        check_settings("onnxruntime", settings, (SHARED_ARENA,))
        try:
            import onnxruntime  # noqa: PLC0415 (lazy on purpose)
        except ImportError as error:
            raise import_failure(error, "onnxruntime", "onnxruntime") from error
        self._ort: Any = onnxruntime
        self._shared_arena = share_arena(onnxruntime, settings)

    def load(self, config: ModelConfig, version_dir: Path) -> OnnxRuntimeModel:
        """See `core.backend.Backend.load`."""
        check_heeded(config, "onnxruntime", OPTIMIZATION)
        warn_of_unknown_parameters(config, PARAMETERS)
        path = model_file(config, version_dir, "model.onnx")
        options = session_options(self._ort, config, shared_arena=self._shared_arena)
        return OnnxRuntimeModel(self._ort, config, path, options)


class OnnxRuntimeModel:
    """One version: a session for each device that an instance asked for."""

    def __init__(self, ort: Any, config: ModelConfig, path: Path, options: Any) -> None:
        self._ort = ort
        self._config = config
        self._path = path
        self._failures = _exceptions(ort)
        self._options = options
        self._run_options = run_options(ort, config)
        self._sessions: dict[str, Any] = {}
        """By the providers that they were made with."""
        groups = config.instance_group or (InstanceGroup(),)
        for group in groups:
            providers(config, group.kind, 0, ort.get_available_providers())
        first = self._session(groups[0].kind, groups[0].gpus[0] if groups[0].gpus else 0)
        self._signature = _signature(path, first)

    @property
    def signature(self) -> Signature:
        return self._signature

    def instance(self, group: InstanceGroup, device: int) -> OnnxRuntimeInstance:
        """See `core.backend.BackendModel.instance`."""
        session = self._session(group.kind, device)
        return OnnxRuntimeInstance(
            self._config.name, session, self._signature, self._failures, self._run_options
        )

    def finalize(self) -> None:
        """See `core.backend.BackendModel.finalize`."""
        self._sessions.clear()

    def _session(self, kind: InstanceKind, device: int) -> Any:
        available = self._ort.get_available_providers()
        wanted = providers(self._config, kind, device, available)
        key = repr(wanted)
        if key not in self._sessions:
            self._sessions[key] = self._make_session(wanted)
        return self._sessions[key]

    def _make_session(self, wanted: list[Any]) -> Any:
        try:
            session = self._ort.InferenceSession(
                str(self._path), self._options, providers=wanted, enable_fallback=0
            )
        except self._failures as error:
            raise _load_error(self._ort, self._path, error) from error
        got = session.get_providers()
        lost = [p[0] for p in wanted[:-1] if p[0] not in got]
        if lost:  # ONNX Runtime only warns, and would run on the CPU
            raise UnsupportedError(
                f"model '{self._config.name}': {', '.join(lost)} could not be started on this"
                f" machine; the session has {', '.join(got)}"
            )
        return session


class OnnxRuntimeInstance:
    """One caller of a session."""

    def __init__(
        self,
        name: str,
        session: Any,
        signature: Signature,
        failures: tuple[type[Exception], ...],
        run_options: Any = None,
    ) -> None:
        self._name = name
        self._session = session
        self._signature = signature
        self._failures = failures
        self._run_options = run_options
        self._outputs = [spec.name for spec in signature.outputs]
        self._texts = [spec.name for spec in signature.inputs if spec.datatype == "BYTES"]

    def execute(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """See `core.backend.ModelInstance.execute`."""
        session = self._session
        if session is None:
            raise released(self._name)
        feed = inputs if not self._texts else self._with_texts(inputs)
        try:
            values = session.run(self._outputs, feed, self._run_options)
        except self._failures as error:
            check_inputs(self._signature, inputs)
            raise InternalError(f"model '{self._name}': ONNX Runtime: {error}") from error
        return dict(zip(self._outputs, values, strict=True))

    def finalize(self) -> None:
        """See `core.backend.ModelInstance.finalize`."""
        self._session = None

    def _with_texts(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """ONNX Runtime would turn ``b'a'`` into the text ``"b'a'"``."""
        return {k: as_text(k, v) if k in self._texts else v for k, v in inputs.items()}


def _exceptions(ort: Any) -> tuple[type[Exception], ...]:
    """Everything that ONNX Runtime raises; its own exceptions have no common base."""
    own = [
        value
        for value in vars(ort.capi.onnxruntime_pybind11_state).values()
        if isinstance(value, type) and issubclass(value, Exception)
    ]
    return (*own, RuntimeError, ValueError, TypeError)


def _load_error(ort: Any, path: Path, error: Exception) -> InvalidArgumentError | UnsupportedError:
    kind = type(error).__name__
    if kind == "NotImplemented":
        return UnsupportedError(f"{path}: ONNX Runtime {ort.__version__} has no kernel: {error}")
    if "protobuf" in str(error):
        return InvalidArgumentError(f"{path} is not a valid ONNX model: {error}")
    return InvalidArgumentError(f"{path}: ONNX Runtime {ort.__version__} refuses it: {error}")


def _signature(path: Path, session: Any) -> Signature:
    inputs = tuple(_spec(path, "input", node) for node in session.get_inputs())
    outputs = tuple(_spec(path, "output", node) for node in session.get_outputs())
    meta = session.get_modelmeta()
    return Signature(
        inputs=inputs,
        outputs=outputs,
        batchable=bool(inputs) and all(s.dims[:1] == (-1,) for s in (*inputs, *outputs)),
        metadata=dict(meta.custom_metadata_map),
    )


def _spec(path: Path, kind: str, node: Any) -> TensorSpec:
    """A named, unknown or empty dim is variable; rows of a sequence or map are not a tensor."""
    if node.type not in _DATATYPES:
        raise UnsupportedError(
            f"{path}: {kind} '{node.name}' is {node.type}; accepted: {', '.join(_DATATYPES)}"
        )
    dims = tuple(d if isinstance(d, int) and d > 0 else -1 for d in node.shape)
    return TensorSpec(node.name, _DATATYPES[node.type], dims)
