# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""An instance of a C backend's model: core's `RequestInstance`."""

from __future__ import annotations

import ctypes as c
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext

from triton_ros.backends.shared_library.host import Host
from triton_ros.backends.shared_library.requests import Running
from triton_ros.backends.support import released
from triton_ros.core.backend import ExecutionRequest, ModelCalls
from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.errors import TritonError

_STATISTICS = ("succeeded", "failed", "batches", "input_ns", "infer_ns", "output_ns")


class NativeInstance:
    """Executes batches; `turn` is held meanwhile, where there is one."""

    def __init__(
        self,
        host: Host,
        handle: int,
        model: int,
        config: ModelConfig,
        turn: threading.Lock | None,
        gone: Callable[[NativeInstance], None],
    ) -> None:
        self._host = host
        self._handle = handle
        self._model_handle = model
        self._model = config.name
        self._decoupled = config.decoupled
        self._stateful = config.sequence_batching is not None
        self._outputs = {each.spec.name: each.spec.datatype for each in config.output}
        self._turn = turn
        self._times: tuple[int, int] | None = None
        self._now = (c.c_uint64 * len(_STATISTICS))()
        self._told = tuple(self._now)
        self._gone = gone

    def execute_requests(self, requests: Sequence[ExecutionRequest], calls: ModelCalls) -> None:
        """See `core.backend.RequestInstance`."""
        if not self._handle:
            raise released(self._model)
        running = []
        for request in requests:
            try:
                running.append(self._running(request))
            except TritonError as error:
                request.fail(error)
        if not running:
            return
        handles = (c.c_void_p * len(running))(*(each.handle for each in running))
        called = self._host.called
        before = called.enter(self._model_handle, calls)
        try:
            with self._turn or nullcontext():
                self._host.library.tr_instance_execute(self._handle, handles, len(running))
        finally:
            called.leave(before)
        self._note_times()
        for each in running:
            each.drain()

    @property
    def times(self) -> tuple[int, int] | None:
        """See `core.backend.ReportsTimes`: what the backend reported of the last batch."""
        return self._times

    def _note_times(self) -> None:
        self._host.library.tr_instance_statistics(self._handle, self._now)
        told = tuple(self._now)
        _, _, batches, read, _, wrote = (a - b for a, b in zip(told, self._told, strict=True))
        self._told = told
        self._times = (read, wrote) if batches else None

    def _running(self, request: ExecutionRequest) -> Running:
        return Running(
            *(self._host, self._model, self._handle, request),
            *(self._outputs, self._decoupled, self._stateful),
        )

    @property
    def problem(self) -> str:
        """Why it is not ready, in the backend's words."""
        if not self._handle:
            return ""
        library = self._host.library
        error = library.tr_instance_ready(self._handle)
        said = self._host.error(error, f"model '{self._model}' is not ready")
        library.TRITONSERVER_ErrorDelete(error)
        return "" if said is None else str(said)

    @property
    def statistics(self) -> Mapping[str, int]:
        """What the backend reported, by name."""
        six = (c.c_uint64 * len(_STATISTICS))()
        self._host.library.tr_instance_statistics(self._handle, six)
        return dict(zip(_STATISTICS, six, strict=True))

    def finalize(self) -> None:
        """See `core.backend.RequestInstance.finalize`."""
        if not self._handle:
            return
        self._gone(self)
        handle, self._handle = self._handle, 0
        self._host.check(self._host.library.tr_instance_close(handle), f"model '{self._model}'")
