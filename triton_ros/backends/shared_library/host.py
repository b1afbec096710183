# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The native host as Python calls it: prototypes, structs, errors, and what it calls back.

ctypes releases the GIL around every call, so backends compute beside Python.  Callbacks come on any
thread, a backend's own too; at the interpreter's end they are taken away first.
"""

from __future__ import annotations

import atexit
import ctypes as c
import logging
from collections.abc import Callable
from functools import cache
from typing import Any

from triton_ros.backends.shared_library.build import host_library
from triton_ros.backends.shared_library.called_models import CalledModels
from triton_ros.backends.shared_library.native_values import Output, Value
from triton_ros.core.errors import (
    AlreadyExistsError,
    CancelledError,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    TritonError,
    UnavailableError,
    UnsupportedError,
)

_LOG = logging.getLogger("triton_ros.backends.shared_library")
_ERRORS: tuple[type[TritonError], ...] = (
    *(TritonError, InternalError, NotFoundError, InvalidArgumentError),
    *(UnavailableError, UnsupportedError, AlreadyExistsError, CancelledError),
)
"""By `TRITONSERVER_Error_Code`."""
_LEVELS = (logging.INFO, logging.WARNING, logging.ERROR, logging.DEBUG)
"""By `TRITONSERVER_LogLevel`."""

FINAL, RELEASED, RESCHEDULED, ABANDONED = 1, 2, 4, 8
"""Bits of a request's status."""


class Response(c.Structure):
    """The head of a `TRITONBACKEND_Response`."""


Response._fields_ = [
    ("outputs", c.POINTER(Output)),
    ("parameters", c.POINTER(Value)),
    ("error", c.c_void_p),
    ("next", c.POINTER(Response)),
]


_LIVING = (
    *("backends", "models", "instances", "requests", "responses", "factories"),
    *("called", "answers"),
)


class Counters(c.Structure):
    """`tr_counters`: living objects."""

    _fields_ = tuple((name, c.c_int64) for name in _LIVING)


_LogFn = c.CFUNCTYPE(None, c.c_int32, c.c_char_p, c.c_int32, c.c_char_p)
_NotifyFn = c.CFUNCTYPE(None, c.c_uint64)
_CancelledFn = c.CFUNCTYPE(c.c_int32, c.c_uint64)
_InferFn = c.CFUNCTYPE(c.c_void_p, c.c_void_p)
_ControlFn = c.CFUNCTYPE(
    *(c.c_void_p, c.c_void_p, c.c_int32, c.c_char_p, c.c_int64, c.POINTER(c.c_int32))
)

_ConfigFn = c.CFUNCTYPE(c.c_void_p, c.c_void_p, c.c_char_p, c.c_int64, c.c_void_p)


class _Callbacks(c.Structure):
    _fields_ = (
        *(("log", _LogFn), ("notify", _NotifyFn), ("cancelled", _CancelledFn)),
        *(("infer", _InferFn), ("control", _ControlFn), ("config", _ConfigFn)),
        ("cancel", _NotifyFn),
    )


_P, _S, _U32, _I32, _U64 = c.c_void_p, c.c_char_p, c.c_uint32, c.c_int32, c.c_uint64
_PROTOTYPES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "tr_set_callbacks": (None, (_P,)),
    "tr_set_log_levels": (None, (_U32,)),
    "tr_free": (None, (_P,)),
    "tr_backend_open": (_P, (_P, _S, _S, _S, _S)),
    "tr_backend_finalize": (_P, (_P,)),
    "tr_backend_device_blocking": (_I32, (_P,)),
    "tr_backend_preferred_group": (_S, (_P, _U32)),
    "tr_model_open": (_P, (_P, _P, _S, _S, _U64, _S, _I32)),
    "tr_model_set_config": (_S, (_P,)),
    "tr_model_add_output": (None, (_P, _S)),
    "tr_model_memory": (_S, (_P, _U32, _P)),
    "tr_model_close": (_P, (_P,)),
    "tr_instance_new": (_P, (_P, _S, _I32, _I32, _I32, _S)),
    "tr_instance_add_profile": (None, (_P, _S)),
    "tr_instance_add_device": (None, (_P, _S, c.c_int64)),
    "tr_instance_open": (_P, (_P,)),
    "tr_instance_ready": (_P, (_P,)),
    "tr_instance_close": (_P, (_P,)),
    "tr_instance_execute": (None, (_P, _P, _U32)),
    "tr_instance_statistics": (None, (_P, _P)),
    "tr_request_new": (_P, (_P, _U64, _I32, _S, _U32, _U64, _S, _U64)),
    "tr_request_add_input": (None, (_P, _S, _I32, _P, _U32, _P, _U64)),
    "tr_request_add_output": (None, (_P, _S)),
    "tr_request_add_parameter": (None, (_P, _S, _I32, _P)),
    "tr_request_take": (c.POINTER(Response), (_P, _P)),
    "tr_request_states": (c.POINTER(Output), (_P,)),
    "tr_request_free": (None, (_P,)),
    "tr_outputs_free": (None, (_P,)),
    "tr_called_response_new": (_P, (_P, c.c_int64)),
    "tr_called_response_fail": (None, (_P, _I32, _S)),
    "tr_called_response_add_parameter": (None, (_P, _S, _I32, _P)),
    "tr_called_response_add_output": (_I32, (_P, _S, _I32, _P, _U32, _P, _U64)),
    "tr_called_respond": (None, (_P, _P, _I32)),
    "TRITONSERVER_MessageNewFromSerializedJson": (_P, (_P, _S, c.c_size_t)),
    "TRITONSERVER_ErrorNew": (_P, (_I32, _S)),
    "TRITONSERVER_ErrorCode": (c.c_int, (_P,)),
    "TRITONSERVER_ErrorMessage": (_S, (_P,)),
    "TRITONSERVER_ErrorDelete": (None, (_P,)),
}


class Host:
    """The host's functions; one for the process, as the library is.

    `watchers` has, by token, who wants to hear of a decoupled request's news (`notify`) and whether
    it is cancelled.
    """

    def __init__(self, path: str) -> None:
        library = c.CDLL(path, mode=c.RTLD_GLOBAL)
        for name, (result, arguments) in _PROTOTYPES.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
        self.library: Any = library
        self.watchers: dict[int, Any] = {}
        self.called = CalledModels(library)
        self._callbacks = _Callbacks(
            *(_LogFn(_write_log), _NotifyFn(self._notify), _CancelledFn(self._cancelled)),
            *(_InferFn(self.called.infer), _ControlFn(self.called.control)),
            _ConfigFn(self.called.config),
            _NotifyFn(self.called.cancel),
        )
        library.tr_set_callbacks(c.byref(self._callbacks))
        atexit.register(library.tr_set_callbacks, None)

    @property
    def living(self) -> dict[str, int]:
        """How many objects of each kind exist."""
        counters = Counters.in_dll(self.library, "tr_living")
        return {name: getattr(counters, name) for name in _LIVING}

    def check(self, error: int | None, place: str) -> None:
        """Raise what the host returned, if that is an error; it is deleted."""
        found = self.error(error, place)
        if found is not None:
            self.library.TRITONSERVER_ErrorDelete(error)
            raise found

    def error(self, error: int | None, place: str) -> TritonError | None:
        """The host's error as one of ours, with the place in front of its message."""
        if not error:
            return None
        code = self.library.TRITONSERVER_ErrorCode(error)
        text = self.library.TRITONSERVER_ErrorMessage(error).decode(errors="replace")
        kind = _ERRORS[code] if 0 <= code < len(_ERRORS) else TritonError
        return kind(f"{place}: {text}")

    def refresh_log_levels(self) -> None:
        """Let the host pass on what the log takes now; the rest costs backends nothing."""
        wanted = sum(1 << i for i, level in enumerate(_LEVELS) if _LOG.isEnabledFor(level))
        self.library.tr_set_log_levels(wanted)

    def _notify(self, token: int) -> None:
        watcher = self.watchers.get(token)
        if watcher is not None:
            _guarded(watcher.drain)

    def _cancelled(self, token: int) -> int:
        watcher = self.watchers.get(token)
        return 1 if watcher is not None and watcher.cancelled else 0


def _guarded(work: Callable[[], None]) -> None:
    """A callback's boundary: C cannot take an exception."""
    try:
        work()
    except Exception:
        _LOG.exception("a response could not be delivered")


def _write_log(level: int, file: bytes, line: int, message: bytes) -> None:
    number = _LEVELS[level] if 0 <= level < len(_LEVELS) else logging.INFO
    text = message.decode(errors="replace")
    place = file.decode(errors="replace").rpartition("/")[2]
    _LOG.log(number, "%s (%s:%d)", text, place, line)


@cache
def host() -> Host:
    """The process's host, compiled if need be; raises as `build.host_library` does."""
    path = host_library()
    try:
        made = Host(str(path))
    except (OSError, AttributeError) as error:
        reason = f"the host of C backends, {path}, cannot be used: {error}"
        raise UnsupportedError(reason) from error
    made.refresh_log_levels()
    return made
