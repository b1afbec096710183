# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""TensorFlow: SavedModels and frozen GraphDefs, of TensorFlow 1 and 2.

Both are run as graphs in a session, because a session can be told to compute in the caller's own
thread: all instances on a device are callers of **one session**, and none waits for a pool that
others fill.  (A TensorFlow 2 function always goes through the process's pool.)  Threads within an
operation are TensorFlow's for the whole process; who loads first decides.

Inputs are read where they are if they are aligned as TensorFlow likes, and copied otherwise; what
it answers may be that very memory, or a weight, so outputs are copied.  A graph that stores what it
is fed is fed copies.  A run releases the GIL.  A model file is a program: it can do what the node
can.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from triton_ros.backends.support import (
    check_heeded,
    check_inputs,
    check_settings,
    import_failure,
    integer_parameter,
    model_file,
    released,
    warn_of_unknown_parameters,
)
from triton_ros.backends.tensorflow_graph import (
    INIT_OPS,
    SIGNATURE,
    TAG,
    Tensors,
    load_graph_def,
    load_saved_model,
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

_LOG = logging.getLogger(__name__)

_INTRA = "TF_NUM_INTRA_THREADS"
_INTER = "TF_NUM_INTER_THREADS"
_PARAMETERS = (_INTRA, _INTER, TAG, SIGNATURE, INIT_OPS)
_FRACTION = "gpu-memory-fraction"
_IN_CALLERS_THREAD = -1
_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"


class TensorFlowBackend:
    """Loads ``model.savedmodel`` (a directory) or ``model.graphdef``.

    Parameters, as Triton names them: ``TF_NUM_INTRA_THREADS`` (default 1; 0 for one a core; of the
    process), ``TF_NUM_INTER_THREADS`` (a pool of the model's own instead of the caller's thread),
    ``TF_GRAPH_TAG``, ``TF_SIGNATURE_DEF`` and ``TF_INIT_OPS_FILE``.
    Setting of the backend: ``gpu-memory-fraction``.  Raises `ConfigError` for another.
    """

    def __init__(self, settings: BackendSettings = EMPTY) -> None:
        check_settings("tensorflow", settings, (_FRACTION,))
        self._fraction = _fraction(settings)
        self._tf = _import_tensorflow()
        self._lock = threading.Lock()
        self._intra: int | None = None

    def load(self, config: ModelConfig, version_dir: Path) -> TensorFlowModel:
        """See `core.backend.Backend.load`."""
        check_heeded(config, "tensorflow")
        warn_of_unknown_parameters(config, _PARAMETERS)
        path = model_file(config, version_dir, "model.savedmodel", "model.graphdef", directory=True)
        options = self._options(config)
        return TensorFlowModel(self._tf, config, path, options)

    def _options(self, config: ModelConfig) -> Any:
        """The `ConfigProto` of a session on the CPU or a GPU."""
        options = self._tf.compat.v1.ConfigProto(allow_soft_placement=True)
        options.intra_op_parallelism_threads = self._intra_threads(config)
        inter = integer_parameter(config, _INTER, 0)
        options.inter_op_parallelism_threads = inter or _IN_CALLERS_THREAD
        options.use_per_session_threads = inter > 0
        options.gpu_options.allow_growth = not self._fraction
        options.gpu_options.per_process_gpu_memory_fraction = self._fraction
        return options

    def _intra_threads(self, config: ModelConfig) -> int:
        wanted = integer_parameter(config, _INTRA, 1)
        with self._lock:
            if self._intra is None:
                self._intra = wanted
        if wanted != self._intra and _INTRA in config.parameters:
            _LOG.warning(
                "model '%s': parameters['%s'] is %d, but this process computes with %d since its"
                " first TensorFlow model: they are one pool for all",
                *(config.name, _INTRA, wanted, self._intra),
            )
        return self._intra


class TensorFlowModel:
    """One version: a session for each device that an instance asked for."""

    def __init__(self, tf: Any, config: ModelConfig, path: Path, options: Any) -> None:
        self._tf = tf
        self._config = config
        self._path = path
        self._options = options
        self._sessions: dict[str, tuple[Any, Tensors]] = {}
        groups = config.instance_group or (InstanceGroup(),)
        for group in groups:
            self._device(group.kind, 0)
        first = self._device(groups[0].kind, groups[0].gpus[0] if groups[0].gpus else 0)
        try:
            self._signature = self._session(first)[1].signature(config, path)
        except TritonError:
            self.finalize()
            raise

    @property
    def signature(self) -> Signature:
        return self._signature

    def instance(self, group: InstanceGroup, device: int) -> TensorFlowInstance:
        """See `core.backend.BackendModel.instance`."""
        session, tensors = self._session(self._device(group.kind, device))
        return TensorFlowInstance(self._tf, self._config.name, session, tensors, self._signature)

    def finalize(self) -> None:
        """See `core.backend.BackendModel.finalize`."""
        while self._sessions:
            self._sessions.popitem()[1][0].close()

    def _device(self, kind: InstanceKind, device: int) -> str:
        """GPU for KIND_GPU; for KIND_AUTO and KIND_MODEL whatever there is."""
        if kind is InstanceKind.KIND_CPU:
            return "/cpu:0"
        there = self._tf.config.list_physical_devices("GPU")
        if there:
            return f"/gpu:{device}"
        if kind is InstanceKind.KIND_GPU:
            raise UnsupportedError(
                f"model '{self._config.name}': KIND_GPU needs a tensorflow with CUDA and a GPU, and"
                f" tensorflow {self._tf.__version__} sees none; use KIND_CPU"
            )
        return "/cpu:0"

    def _session(self, device: str) -> tuple[Any, Tensors]:
        if device not in self._sessions:
            self._sessions[device] = self._make_session(device)
        return self._sessions[device]

    def _make_session(self, device: str) -> tuple[Any, Tensors]:
        tf, options = self._tf, self._tf.compat.v1.ConfigProto()
        options.CopyFrom(self._options)
        if device.startswith("/cpu"):
            options.device_count["GPU"] = 0
        load = load_saved_model if self._path.is_dir() else load_graph_def
        graph = tf.Graph()
        session = tf.compat.v1.Session(graph=graph, config=options)
        try:
            with graph.as_default(), tf.device(device):
                return session, load(tf, session, self._config, self._path)
        except TritonError:
            session.close()
            raise
        except Exception as error:  # the parser's, the loader's and the graph's own have no base
            session.close()
            raise InvalidArgumentError(
                f"{self._path}: TensorFlow {tf.__version__} refuses it:"
                f" {_words(error) or type(error).__name__}"
            ) from error


class TensorFlowInstance:
    """One caller of a session."""

    def __init__(
        self, tf: Any, name: str, session: Any, tensors: Tensors, signature: Signature
    ) -> None:
        self._name = name
        self._signature = signature
        self._failures = (tf.errors.OpError, ValueError, TypeError, RuntimeError)
        self._run: Any = _callable(session, tensors)
        self._copies = tensors.keeps_inputs

    def execute(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """See `core.backend.ModelInstance.execute`."""
        run = self._run
        if run is None:
            raise released(self._name)
        check_inputs(self._signature, inputs)
        feed = [_fed(spec, inputs[spec.name]) for spec in self._signature.inputs]
        if self._copies:
            feed = [value.copy() for value in feed]
        try:
            values = run(*feed)
        except self._failures as error:
            raise InternalError(f"model '{self._name}': TensorFlow: {_words(error)}") from error
        return {
            spec.name: np.array(value, spec.dtype)
            for spec, value in zip(self._signature.outputs, values, strict=True)
        }

    def finalize(self) -> None:
        """See `core.backend.ModelInstance.finalize`."""
        self._run = None


def _callable(session: Any, tensors: Tensors) -> Any:
    """Arrays in order to a list of arrays, by the way that does not look everything up each time.

    That is 12 microseconds a call instead of 200, but the method is TensorFlow's own (since 1.5);
    it also refuses an output that is an input.
    """
    feeds, fetches = list(tensors.inputs.values()), list(tensors.outputs.values())
    make = getattr(session, "_make_callable_from_options", None)
    names = [tensor.name for tensor in feeds], [tensor.name for tensor in fetches]
    if make is None or set(names[0]) & set(names[1]):
        return session.make_callable(fetches, feed_list=feeds)
    from tensorflow.core.protobuf.config_pb2 import CallableOptions  # noqa: PLC0415 (lazy on purpose)

    return make(CallableOptions(feed=names[0], fetch=names[1]))


def _import_tensorflow() -> Any:
    """Quietly, unless the user has said how loud it is to be."""
    told = _LOG_LEVEL in os.environ
    os.environ.setdefault(_LOG_LEVEL, "2")
    try:
        import tensorflow  # noqa: PLC0415 (lazy on purpose)
    except ImportError as error:
        raise import_failure(error, "tensorflow", "tensorflow") from error
    if not told:
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
    return tensorflow


def _fraction(settings: BackendSettings) -> float:
    text = settings.get(_FRACTION, "0")
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 1.0:
        raise ConfigError(
            f"backend_config: 'tensorflow,{_FRACTION}' must be a number from 0 to 1, got '{text}'"
        )
    return value


def _fed(spec: TensorSpec, value: Array) -> Array:
    """TensorFlow's strings are bytes of any kind."""
    if spec.datatype != "BYTES":
        return value
    out = np.empty(value.size, np.object_)
    out[:] = [_as_bytes(spec.name, item) for item in value.ravel().tolist()]
    return out.reshape(value.shape)


def _as_bytes(name: str, item: object) -> bytes:
    if isinstance(item, str):
        return item.encode()
    if isinstance(item, bytes):
        return item
    raise InvalidArgumentError(
        f"input '{name}': elements must be str or bytes, got {type(item).__name__}"
    )


def _words(error: Exception) -> str:
    """What happened, without TensorFlow's account of where in the graph, which comes first."""
    text = str(getattr(error, "message", "") or error)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    nodes = [index for index, line in enumerate(lines) if line.startswith("Node: ")]
    after = lines[nodes[-1] + 1 :] if nodes else lines
    return (after or lines or [""])[0]
