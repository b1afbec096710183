# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One request to the remote and back, or to the fallback."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from threading import Lock

from triton_ros.backends.kserve.exchange import (
    RemoteAnswer,
    RemoteRequest,
    Transport,
    Withdrawal,
)
from triton_ros.backends.kserve.failure import RemoteFailure
from triton_ros.backends.kserve.routes import Errand, Route, Routes
from triton_ros.backends.kserve.settings import RemoteSettings
from triton_ros.core.backend import ExecutionRequest, ModelCalls, Signature
from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.errors import InternalError, InvalidArgumentError, TritonError
from triton_ros.core.request import InferenceRequest, InferenceResponse, Outcome, Parameter
from triton_ros.core.tensor import Array

HOPS = "kserve_hops"
"""The request's parameter; not ``triton_*``, which Triton refuses."""

_OF_STREAMS = ("triton_final_response", "triton_enable_empty_final_response")
_MOST_SEQUENCES = 10_000


class Places:
    """Where sequences began; None is the fallback.  The oldest is forgotten when there are many."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._known: OrderedDict[int | str, Route | None] = OrderedDict()

    def of(self, request: ExecutionRequest) -> tuple[bool, Route | None]:
        """Whether it is known where the request has to go, and where."""
        if not request.correlation_id or request.sequence_start:
            return False, None
        with self._lock:
            known = request.correlation_id in self._known
            return known, self._known.get(request.correlation_id)

    def note(self, request: ExecutionRequest, place: Route | None) -> None:
        """A request of a sequence was taken there."""
        key = request.correlation_id
        if not key:
            return
        with self._lock:
            self._known.pop(key, None)
            if not request.sequence_end:
                self._known[key] = place
                if len(self._known) > _MOST_SEQUENCES:
                    self._known.popitem(last=False)


class Forwarding:
    """How the requests of one model are answered.  Thread-safe."""

    def __init__(
        self, config: ModelConfig, settings: RemoteSettings, routes: Routes, signature: Signature
    ) -> None:
        self._name = config.name
        self._settings = settings
        self._routes = routes
        self._decoupled = config.decoupled
        self._inputs = {spec.name: spec for spec in signature.inputs}
        self._outputs = {spec.name: spec for spec in signature.outputs}
        self._places = Places()

    def answer(self, request: ExecutionRequest, calls: ModelCalls, until: float) -> None:
        """Answer and finish it, at last at `until` (of `time.monotonic`); raises `TritonError`."""
        parameters = self._parameters(request)
        known, place = self._places.of(request)
        if known and place is None:
            self._fall_back(request, calls, None)
            return
        try:
            place = self._forward(request, parameters, until, place)
        except RemoteFailure as failure:
            if known:
                raise self._lost(failure) from failure
            if not self._settings.fallback_model:
                raise
            self._fall_back(request, calls, failure)
            return
        self._places.note(request, place)
        request.finish()

    # to the remote ---------------------------------------------------------------------------

    def _forward(
        self,
        request: ExecutionRequest,
        parameters: Mapping[str, Parameter],
        until: float,
        only: Route | None,
    ) -> Route:
        remaining = request.remaining_ns
        own = None if remaining is None else time.monotonic() + remaining / 1e9
        remote = RemoteRequest(
            request.inputs,
            {name: self._datatype(name) for name in request.inputs},
            request.id,
            request.outputs,
            parameters,
        )
        sent: list[bool] = []
        with Withdrawal(request.cancellation) as withdrawal:
            errand = Errand(
                until if own is None else min(own, until),
                own is not None and own <= until,
                withdrawal,
                bool(request.correlation_id),
                lambda: bool(sent),
            )

            def ask(transport: Transport, deadline: float) -> None:
                if self._decoupled:
                    for answer in transport.stream(remote, deadline, withdrawal):
                        self._respond(request, answer, sent)
                else:
                    self._respond(request, transport.infer(remote, deadline, withdrawal), sent)

            return self._routes.ask(ask, errand, only)[1]

    def _respond(self, request: ExecutionRequest, answer: RemoteAnswer, sent: list[bool]) -> None:
        if self._decoupled and not answer.outputs:  # the stream's mark of its end
            return
        self._check(request, answer.outputs)
        parameters = {k: v for k, v in answer.parameters.items() if k not in _OF_STREAMS}
        sent.append(True)
        request.respond(answer.outputs, parameters)

    def _datatype(self, name: str) -> str:
        spec = self._inputs.get(name)
        if spec is None:
            raise InvalidArgumentError(
                f"model '{self._name}': the remote has no input '{name}'; it has"
                f" {', '.join(self._inputs)}"
            )
        return spec.datatype

    def _check(self, request: ExecutionRequest, outputs: Mapping[str, Array]) -> None:
        """An answer that is not what the model promised must not reach who relies on it."""
        for name in request.outputs or self._outputs:
            spec = self._outputs.get(name)
            if spec is None:
                continue
            value = outputs.get(name)
            if value is None:
                raise self._promised(name, "nothing", "it")
            if value.dtype != spec.dtype:
                raise self._promised(name, str(value.dtype), spec.datatype)
            if not spec.accepts(value.shape):
                raise self._promised(name, f"shape {list(value.shape)}", str(list(spec.dims)))

    def _promised(self, name: str, got: str, wanted: str) -> InternalError:
        error = InternalError(
            f"model '{self._name}': the remote answered {got} for output '{name}', and promised"
            f" {wanted}"
        )
        error.reason = "BACKEND"
        return error

    def _parameters(self, request: ExecutionRequest) -> dict[str, Parameter]:
        found = {k: v for k, v in request.parameters.items() if k not in _OF_STREAMS}
        if self._settings.max_hops:
            hops = found.get(HOPS, 0)
            if isinstance(hops, bool) or not isinstance(hops, int) or hops < 0:
                raise InvalidArgumentError(f"parameter '{HOPS}' must be 0 or more, got {hops!r}")
            if hops >= self._settings.max_hops:
                raise InvalidArgumentError(
                    f"model '{self._name}': {hops} servers forwarded this request, and max_hops is"
                    f" {self._settings.max_hops}: do they forward to each other?"
                )
            found[HOPS] = hops + 1
        if request.correlation_id:
            found["sequence_id"] = request.correlation_id
            found["sequence_start"] = request.sequence_start
            found["sequence_end"] = request.sequence_end
        if request.priority:
            found["priority"] = request.priority
        if request.timeout_us:
            found["timeout"] = request.timeout_us
        return found

    # to the fallback -------------------------------------------------------------------------

    def _lost(self, failure: RemoteFailure) -> RemoteFailure:
        return RemoteFailure(
            f"{failure}; the sequence's state is there: begin it anew", sent=failure.sent
        )

    def _fall_back(
        self, request: ExecutionRequest, calls: ModelCalls, failure: RemoteFailure | None
    ) -> None:
        name = self._settings.fallback_model
        self._routes.count("fallbacks")
        asked = InferenceRequest(
            name,
            dict(request.inputs),
            id=request.id,
            outputs=request.outputs,
            parameters=request.parameters,
            priority=request.priority,
            timeout_us=request.timeout_us,
            deadline_ns=request.deadline_ns,
            correlation_id=request.correlation_id,
            sequence_start=request.sequence_start,
            sequence_end=request.sequence_end,
            cancellation=request.cancellation,
        )
        why = failure or f"model '{self._name}': the sequence began at the fallback"
        place = f"{why}; fallback_model '{name}'"
        if self._decoupled:
            self._places.note(request, None)
            self._stream_fallback(asked, request, calls, place)
            return
        try:
            response = calls.infer(asked)
        except TritonError as error:
            raise error.within(place) from error
        self._places.note(request, None)
        request.respond(response.outputs, response.parameters)
        request.finish()

    def _stream_fallback(
        self, asked: InferenceRequest, request: ExecutionRequest, calls: ModelCalls, place: str
    ) -> None:
        asked.on_response = _responder(request)

        def done(outcome: Outcome) -> None:
            if isinstance(outcome, TritonError):
                request.fail(outcome.within(place))
                return
            if outcome.outputs:
                request.respond(outcome.outputs, outcome.parameters)
            request.finish()

        calls.submit(asked, done)


def _responder(request: ExecutionRequest) -> Callable[[InferenceResponse], None]:
    return lambda response: request.respond(response.outputs, response.parameters)
