# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Inference calls of either protocol on the server: calls to requests, responses to answers.

A call holds the shared memory that it names from before it is submitted until its outcome is
there, so that a region is never taken away under a running model.  The outcome is made on the
thread that finished the request: outputs for shared memory are written there, not by the
frontend's own thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.errors import (
    InternalError,
    InvalidArgumentError,
    TritonError,
    UnavailableError,
    UnsupportedError,
)
from triton_ros.core.request import (
    Cancellation,
    InferenceRequest,
    InferenceResponse,
    Outcome,
)
from triton_ros.core.server import InferenceServer
from triton_ros.core.tensor import Array, datatype_of
from triton_ros.core.tensor_bytes import from_bytes, to_bytes
from triton_ros.frontends.classification import classify
from triton_ros.frontends.exchange import (
    Answered,
    AnswerOutput,
    CallInput,
    InferAnswer,
    InferCall,
    RegionSlice,
    WantedOutput,
)
from triton_ros.frontends.parameters import CallParameters, split_parameters
from triton_ros.frontends.quick_models import QuickModels
from triton_ros.frontends.shared_memory import Regions

OnAnswer = Callable[[InferAnswer], None]


@dataclass(slots=True)
class _Running:
    """A call under way."""

    call: InferCall
    parameters: CallParameters
    held: ExitStack
    """The regions that it uses."""


class Inference:
    """Runs calls; thread-safe.  `max_in_flight` limits those that are under way at once."""

    def __init__(self, server: InferenceServer, regions: Regions, max_in_flight: int) -> None:
        self._server = server
        self._regions = regions
        self._max_in_flight = max_in_flight
        self._quick = QuickModels()
        self._idle = threading.Condition()
        self._in_flight = 0
        self.stopped = False
        """Whether nothing new is run any more."""

    def stop(self) -> None:
        """Refuse what comes from now on."""
        self.stopped = True

    def check_open(self) -> None:
        """Raise `UnavailableError` after `stop`."""
        if self.stopped:
            raise UnavailableError("Server exiting")

    def submit(
        self,
        call: InferCall,
        cancellation: Cancellation,
        answered: Answered,
        on_answer: OnAnswer | None = None,
    ) -> None:
        """Run a call; `answered` gets its outcome once, maybe before this returns.

        With `on_answer`, a decoupled model is welcome: it gets each of the answers, and `answered`
        the last one (which may have no outputs).  Without, such a model is an `UnsupportedError`.
        """
        try:
            running, request = self._begin(call, cancellation)
        except TritonError as error:
            answered(error)
            return
        if on_answer is not None:
            request.on_response = self._forwarding(running, on_answer, cancellation)
        self._server.submit(request, self._finishing(running, answered))

    def run(self, call: InferCall, cancellation: Cancellation) -> InferAnswer:
        """The answer to a call, from this thread if an instance is idle.  Raises `TritonError`."""
        running, request = self._begin(call, None)
        with running.held:
            response = self._server.infer_now(request)
            if response is None:
                request.cancellation = cancellation
                response = self._server.infer(request)
            return self._answer(running, response)

    def run_quickly(self, call: InferCall) -> InferAnswer | None:
        """The answer to a call for a model that has been quick, from this thread; None where
        `submit` is needed.  Raises `TritonError`.
        """
        if not self._quick.is_quick(call.model_name):
            return None
        running, request = self._begin(call, None)
        with running.held:
            response = self._server.infer_now(request)
            if response is None:
                return None
            self._quick.computed(call.model_name, response.timing)
            return self._answer(running, response)

    def _begin(
        self, call: InferCall, cancellation: Cancellation | None
    ) -> tuple[_Running, InferenceRequest]:
        self._enter()
        with ExitStack() as held:
            held.callback(self._leave)
            running = _Running(call, split_parameters(call.parameters), held)
            request = self._request(running, cancellation)
            running.held = held.pop_all()
        return running, request

    def wait_idle(self, timeout_s: float) -> bool:
        """Until nothing is under way; False if that takes longer."""
        with self._idle:
            return self._idle.wait_for(lambda: not self._in_flight, timeout_s)

    @property
    def in_flight(self) -> int:
        """How many calls are under way."""
        return self._in_flight

    def _enter(self) -> None:
        self.check_open()
        with self._idle:
            if self._in_flight >= self._max_in_flight:
                raise UnavailableError(
                    f"{self._max_in_flight} requests are under way, as many as max_in_flight allows"
                )
            self._in_flight += 1

    def _leave(self) -> None:
        with self._idle:
            self._in_flight -= 1
            if not self._in_flight:
                self._idle.notify_all()

    # calls to requests ------------------------------------------------------------------------

    def _request(self, running: _Running, cancellation: Cancellation | None) -> InferenceRequest:
        call, own = running.call, running.parameters
        _refuse_twice("input", [tensor.name for tensor in call.inputs])
        _refuse_twice("output", [output.name for output in call.outputs])
        return InferenceRequest(
            call.model_name,
            {tensor.name: self._array(running, tensor) for tensor in call.inputs},
            parse_version(call.version),
            call.id,
            tuple(output.name for output in call.outputs),
            parameters={**call.headers, **own.free},
            priority=own.priority,
            timeout_us=own.timeout,
            correlation_id=own.sequence_id,
            sequence_start=own.sequence_start,
            sequence_end=own.sequence_end,
            cancellation=cancellation,
        )

    def _array(self, running: _Running, tensor: CallInput) -> Array:
        if not isinstance(tensor.data, RegionSlice):
            return tensor.data
        lease = running.held.enter_context(self._regions.lease(tensor.data))
        what = f"input '{tensor.name}' for model '{running.call.model_name}'"
        return from_bytes(what, tensor.datatype, tensor.shape, lease.read())

    # responses to answers ---------------------------------------------------------------------

    def _forwarding(
        self, running: _Running, on_answer: OnAnswer, cancellation: Cancellation
    ) -> Callable[[InferenceResponse], None]:
        def forward(response: InferenceResponse) -> None:
            try:
                on_answer(self._answer(running, response))
            except TritonError:
                cancellation.cancel()

        return forward

    def _finishing(self, running: _Running, answered: Answered) -> Callable[[Outcome], None]:
        def finished(outcome: Outcome) -> None:
            result: InferAnswer | TritonError
            try:
                if isinstance(outcome, TritonError):
                    result = outcome
                else:
                    self._quick.computed(running.call.model_name, outcome.timing)
                    result = self._answer(running, outcome)
            except TritonError as error:
                result = error
            except Exception as error:  # a thread of the server's: it has to be answered
                result = InternalError(f"the answer cannot be made: {error!r}")
            running.held.close()
            answered(result)

        return finished

    def _answer(self, running: _Running, response: InferenceResponse) -> InferAnswer:
        call = running.call
        wanted = {output.name: output for output in call.outputs}
        names = [name for name in response.outputs if not wanted or name in wanted]
        binary = running.parameters.binary_data_output
        outputs = [
            self._output(
                running,
                wanted.get(name) or WantedOutput(name, binary),
                response.outputs[name],
            )
            for name in names
        ]
        return InferAnswer(
            response.model_name,
            str(response.model_version),
            response.id or call.id,
            outputs,
            dict(response.parameters),
            response.final,
        )

    def _output(self, running: _Running, wanted: WantedOutput, array: Array) -> AnswerOutput:
        name = wanted.name
        if wanted.classification:
            array = self._classified(running, wanted, array)
        shape, datatype = array.shape, datatype_of(array.dtype)
        if wanted.region is None:
            return AnswerOutput(name, datatype, shape, array, wanted.binary)
        data = to_bytes(f"output '{name}'", array)
        if len(data) > wanted.region.byte_size:
            raise InternalError(
                f"shared memory size specified with the request for output '{name}'"
                f" ({wanted.region.byte_size} bytes) should be at least {len(data)} bytes to hold"
                " the results"
            )
        with self._regions.lease(wanted.region) as lease:
            lease.write(data)
        written = RegionSlice(wanted.region.region, len(data), wanted.region.offset)
        return AnswerOutput(name, datatype, shape, written)

    def _classified(self, running: _Running, wanted: WantedOutput, array: Array) -> Array:
        call = running.call
        described = self._server.describe(call.model_name, parse_version(call.version))
        labels = described.output_labels.get(wanted.name, ())
        batched = described.config.max_batch_size > 0
        return classify(wanted.name, array, wanted.classification, labels, batched)


def _refuse_twice(side: str, names: Sequence[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InvalidArgumentError(f"{side} '{name}' already exists in request")
        seen.add(name)


def parse_version(text: str) -> int:
    """The version of an address: -1 for none; raises `InvalidArgumentError`."""
    if not text:
        return -1
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 18:
        raise InvalidArgumentError(
            f"failed to get model version from specified version string '{text[:100]}' (details:"
            " stol), version should be an integral value > 0"
        )
    if text.startswith("-"):
        raise InvalidArgumentError(
            f"invalid model version specified '{text}' , version should be an integral value > 0"
        )
    return int(text)


def refuse_decoupled(config: ModelConfig, message: str) -> None:
    """Raise `UnsupportedError` for a model whose answers an endpoint cannot give."""
    if config.decoupled:
        raise UnsupportedError(message)
