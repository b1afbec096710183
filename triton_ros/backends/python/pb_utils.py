# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""`triton_python_backend_utils`: what a `model.py` imports, with Triton's names and meaning.

Written from Triton's documentation of its Python backend.  What a model asks of its server (other
models, the log) goes to a `Host`: a worker process has one, and in-process models each get theirs
through a context variable while they execute.
"""

from __future__ import annotations

import contextvars
import json
import threading
from collections.abc import Callable, Sequence
from typing import Any

from triton_ros.backends.python.pb_errors import TritonError, TritonModelException
from triton_ros.backends.python.pb_metrics import Metric, MetricFamily
from triton_ros.backends.python.pb_model_config import (
    ModelConfig,
    get_input_config_by_name,
    get_output_config_by_name,
    using_decoupled_model_transaction_policy,
)
from triton_ros.backends.python.pb_responses import ResponseIterator
from triton_ros.backends.python.pb_tensor import (
    Tensor,
    deserialize_bytes_tensor,
    numpy_to_triton_type,
    serialize_byte_tensor,
    triton_string_to_numpy,
    triton_to_numpy_type,
)

__all__ = [
    "InferenceRequest",
    "InferenceResponse",
    "InferenceResponseSender",
    "Logger",
    "Metric",
    "MetricFamily",
    "ModelConfig",
    "Tensor",
    "TritonError",
    "TritonModelException",
    "deserialize_bytes_tensor",
    "get_input_config_by_name",
    "get_input_tensor_by_name",
    "get_model_dir",
    "get_output_config_by_name",
    "get_output_tensor_by_name",
    "is_model_ready",
    "load_model",
    "numpy_to_triton_type",
    "serialize_byte_tensor",
    "triton_string_to_numpy",
    "triton_to_numpy_type",
    "unload_model",
    "using_decoupled_model_transaction_policy",
]

TRITONSERVER_REQUEST_FLAG_SEQUENCE_START = 1
TRITONSERVER_REQUEST_FLAG_SEQUENCE_END = 2
TRITONSERVER_RESPONSE_COMPLETE_FINAL = 1
TRITONSERVER_REQUEST_RELEASE_ALL = 1
TRITONSERVER_REQUEST_RELEASE_RESCHEDULE = 2
TRITONSERVER_MEMORY_CPU = 0
TRITONSERVER_MEMORY_GPU = 2


class PreferredMemory:
    """Where a called model's outputs should be; here they are always in the CPU's memory."""

    def __init__(self, preferred_memory_type: int, preferred_device_id: int = 0) -> None:
        self.preferred_memory_type = preferred_memory_type
        self.preferred_device_id = preferred_device_id


# --- what models ask of their server ------------------------------------------------------------


class Host:
    """The server, as a model reaches it."""

    model_dir = ""

    def call(
        self,
        request: InferenceRequest,
        decoupled: bool,
        respond: Callable[[InferenceResponse, bool], None],
    ) -> None:
        """Run another model; `respond` gets each response, and whether it is the last."""
        raise NotImplementedError

    def control(self, action: str, model: str, version: int = -1) -> bool:
        """Load, unload, or ask whether a model is ready; raises `TritonModelException`."""
        raise NotImplementedError

    def log(self, level: str, message: str) -> None:
        """`level` is info, warn, error or verbose."""
        raise NotImplementedError


process_host: Host | None = None
"""The worker's; None in the server's own process."""
current_host: contextvars.ContextVar[Host | None] = contextvars.ContextVar(
    "triton_python_host", default=None
)


def _host() -> Host:
    host = current_host.get() or process_host
    if host is None:
        raise TritonModelException(
            "the server can be reached from the thread that executes the model only"
        )
    return host


def get_model_dir() -> str:
    """The directory of the model's version."""
    return _host().model_dir


def load_model(model_name: str, files: dict[str, bytes] | None = None, **_: Any) -> None:
    """Load a model of the repository; blocks."""
    if files:
        raise TritonModelException("load_model: files are not supported; put them on disk")
    _host().control("load", model_name)


def unload_model(model_name: str, unload_dependents: bool = False) -> None:
    """Take a model out of service; does not wait for its last request."""
    if unload_dependents:
        raise TritonModelException("unload_model: unload_dependents is not supported")
    _host().control("unload", model_name)


def is_model_ready(model_name: str, model_version: str = "") -> bool:
    """Whether it can be called."""
    return _host().control("ready", model_name, int(model_version or -1))


class Logger:
    """Lines in the server's log."""

    VERBOSE, INFO, WARNING, ERROR = "verbose", "info", "warn", "error"

    @classmethod
    def log(cls, message: str, level: str = INFO) -> None:
        _host().log(level, str(message))

    @classmethod
    def log_info(cls, message: str) -> None:
        cls.log(message, cls.INFO)

    @classmethod
    def log_warn(cls, message: str) -> None:
        cls.log(message, cls.WARNING)

    @classmethod
    def log_error(cls, message: str) -> None:
        cls.log(message, cls.ERROR)

    @classmethod
    def log_verbose(cls, message: str) -> None:
        cls.log(message, cls.VERBOSE)


# --- requests and responses ---------------------------------------------------------------------


class InferenceResponse:
    """Output tensors, or an error."""

    def __init__(
        self,
        output_tensors: Sequence[Tensor] = (),
        error: TritonError | None = None,
        parameters: dict[str, Any] | None = None,
    ) -> None:
        for tensor in output_tensors:
            if not isinstance(tensor, Tensor):
                raise TritonModelException(
                    f"output_tensors must be pb_utils.Tensor, got {type(tensor).__name__}"
                )
        self._output_tensors = list(output_tensors)
        self._error = error
        self._parameters = dict(parameters or {})

    def output_tensors(self) -> list[Tensor]:
        return self._output_tensors

    def has_error(self) -> bool:
        return self._error is not None

    def error(self) -> TritonError | None:
        return self._error

    def parameters(self) -> str:
        """As JSON."""
        return json.dumps(self._parameters)


class InferenceRequest:
    """A request to this model, or one that it makes of another."""

    def __init__(
        self,
        model_name: str = "",
        requested_output_names: Sequence[str] = (),
        inputs: Sequence[Tensor] = (),
        request_id: str = "",
        correlation_id: Any = 0,
        model_version: int = -1,
        flags: int = 0,
        timeout: int = 0,
        preferred_memory: PreferredMemory | None = None,
        trace: Any = None,
        parameters: dict[str, Any] | None = None,
        priority: int = 0,
    ) -> None:
        del preferred_memory, trace  # all memory is the CPU's; a called request has its own trace
        self._model_name = _text(model_name)
        self._model_version = int(model_version)
        self._requested = [_text(name) for name in requested_output_names]
        self._inputs = list(inputs)
        self._id = _text(request_id)
        self._correlation_id = correlation_id
        self._flags = flags
        self._timeout = timeout
        self._priority = priority
        self._parameters = dict(parameters or {})
        self._sender: InferenceResponseSender | None = None
        self._release_flags = TRITONSERVER_REQUEST_RELEASE_ALL
        self._cancelled: Callable[[], bool] = lambda: False

    def inputs(self) -> list[Tensor]:
        return self._inputs

    def requested_output_names(self) -> list[str]:
        return self._requested

    def request_id(self) -> str:
        return self._id

    def correlation_id(self) -> Any:
        return self._correlation_id

    def flags(self) -> int:
        return self._flags

    def set_flags(self, flags: int) -> None:
        self._flags = flags

    def timeout(self) -> int:
        """Microseconds; 0 for none."""
        return self._timeout

    def priority(self) -> int:
        return self._priority

    def parameters(self) -> str:
        """As JSON."""
        return json.dumps(self._parameters)

    def preferred_memory(self) -> PreferredMemory:
        return PreferredMemory(TRITONSERVER_MEMORY_CPU)

    def trace(self) -> None:
        """To hand on to a call, which here has a trace of its own."""
        return None

    def model_name(self) -> str:
        return self._model_name

    def model_version(self) -> int:
        return self._model_version

    def is_cancelled(self) -> bool:
        return self._cancelled()

    def get_response_sender(self) -> InferenceResponseSender:
        """Responses can be sent with it from any thread, any number if the model is decoupled."""
        if self._sender is None:
            raise TritonModelException("only a request that the model received has a sender")
        self._sender.used = True
        return self._sender

    def set_release_flags(self, flags: int) -> None:
        """``TRITONSERVER_REQUEST_RELEASE_RESCHEDULE``: execute this request again."""
        if flags not in (TRITONSERVER_REQUEST_RELEASE_ALL, TRITONSERVER_REQUEST_RELEASE_RESCHEDULE):
            raise TritonModelException(f"unknown release flags {flags}")
        self._release_flags = flags

    # calls -------------------------------------------------------------------------------------

    def exec(self, decoupled: bool = False) -> Any:
        """Run the model and wait: its response, or an iterator of them."""
        responses = ResponseIterator()
        _host().call(self, decoupled, responses.put)
        return responses if decoupled else next(responses)

    async def async_exec(self, decoupled: bool = False) -> Any:
        """Run the model without blocking the event loop; the iterator of a decoupled call blocks
        it, unless it is iterated with ``async for``.
        """
        responses = ResponseIterator()
        _host().call(self, decoupled, responses.put)
        return responses if decoupled else await responses.__anext__()


def _text(value: Any) -> str:
    """Names may come out of a tensor."""
    return value.decode() if isinstance(value, bytes) else str(value)


class InferenceResponseSender:
    """Answers one request; thread-safe."""

    def __init__(
        self,
        send: Callable[[InferenceResponse | None, bool], None],
        decoupled: bool,
        cancelled: Callable[[], bool],
    ) -> None:
        self._send = send
        self._decoupled = decoupled
        self._cancelled = cancelled
        self._lock = threading.Lock()
        self._sent = 0
        self._closed = False
        self.used = False

    def send(self, response: InferenceResponse | None = None, flags: int = 0) -> None:
        """Raises `TritonModelException` after the final flag, and for what is no response."""
        if response is not None and not isinstance(response, InferenceResponse):
            raise TritonModelException(
                f"send: an InferenceResponse is expected, got {type(response).__name__}"
            )
        if flags not in (0, TRITONSERVER_RESPONSE_COMPLETE_FINAL):
            raise TritonModelException(
                "Unable to send response. Unsupported flag provided; accepted: 0 and"
                " TRITONSERVER_RESPONSE_COMPLETE_FINAL"
            )
        if response is None and not flags:
            raise TritonModelException(
                "Inference Response object must be provided when the response flags is set to zero."
            )
        with self._lock:
            if self._closed:
                raise TritonModelException(
                    "Unable to send response. Response sender has been closed."
                )
            if response is not None:
                self._sent += 1
            if self._sent > 1 and not self._decoupled:
                raise TritonModelException(
                    "Unable to send response. Non-decoupled model cannot send more than one"
                    " response."
                )
            self._closed = bool(flags)
            self._send(response, self._closed)

    def is_cancelled(self) -> bool:
        return self._cancelled()


def get_input_tensor_by_name(request: InferenceRequest, name: str) -> Tensor | None:
    return next((tensor for tensor in request.inputs() if tensor.name() == name), None)


def get_output_tensor_by_name(response: InferenceResponse, name: str) -> Tensor | None:
    return next((tensor for tensor in response.output_tensors() if tensor.name() == name), None)
