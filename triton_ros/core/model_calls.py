# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What an executing model may ask of its server: business logic scripting, from the server's side.

A call names all the models that wait for it, its *caller*.  A model among those is refused, called
directly or as a step of an ensemble: with every instance of it busy waiting, the call would wait
for itself.  Triton warns of that dead end and lets it happen.

A called request has its own deadline and cancellation: the batch that calls may have many parents,
of which none speaks for the others.  A model that wants its request's to hold hands them on itself.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from triton_ros.core.errors import InvalidArgumentError, UnsupportedError
from triton_ros.core.request import Caller, Done, InferenceRequest, InferenceResponse


class LoadFuture(Protocol):
    """The part of a `concurrent.futures.Future` that is used."""

    def done(self) -> bool: ...

    def result(self) -> object:
        """Raises what the load or unload raised."""
        ...


class CalledServer(Protocol):
    """The part of `InferenceServer` that models may use."""

    def infer(self, request: InferenceRequest) -> InferenceResponse: ...

    def submit(self, request: InferenceRequest, done: Done) -> object: ...

    def load_model(self, name: str) -> LoadFuture: ...

    def unload_model(self, name: str) -> LoadFuture: ...

    def model_ready(self, name: str, version: int = -1) -> bool: ...

    def model_config(self, name: str, version: int = -1) -> str: ...


def refuse_circular(request: InferenceRequest, model_name: str) -> None:
    """Raise `InvalidArgumentError` if the model already waits for this request."""
    caller = request.caller
    if caller is not None and model_name in caller.models:
        path = ", ".join(f"'{name}'" for name in sorted(caller.models))
        raise InvalidArgumentError(
            f"model '{model_name}' calls itself: the request was made while executing {path};"
            " circular calls can wait for each other for ever"
        )


class ServerCalls:
    """The `ModelCalls` of one execution."""

    def __init__(self, server: CalledServer, caller: Caller) -> None:
        self._server = server
        self._caller = caller

    def infer(self, request: InferenceRequest) -> InferenceResponse:
        """Raises the request's `TritonError`; `InvalidArgumentError` for a circular call."""
        return self._server.infer(self._called(request))

    def submit(self, request: InferenceRequest, done: Done) -> None:
        """Raises `InvalidArgumentError` for a circular call."""
        self._server.submit(self._called(request), done)

    def load_model(self, name: str) -> None:
        """Blocks; raises `TritonError`."""
        self._server.load_model(name).result()

    def unload_model(self, name: str) -> None:
        """Begin to unload.  Who waited for the end could wait for its own: it may be called by the
        model's last request.
        """
        future = self._server.unload_model(name)
        if future.done():
            future.result()

    def model_ready(self, name: str, version: int = -1) -> bool:
        return self._server.model_ready(name, version)

    def model_config(self, name: str, version: int = -1) -> str:
        """Raises `NotFoundError` or `UnavailableError`."""
        return self._server.model_config(name, version)

    def _called(self, request: InferenceRequest) -> InferenceRequest:
        called = replace(request, caller=self._caller)
        refuse_circular(called, called.model_name)
        return called


class NoCalls:
    """The `ModelCalls` of a model that cannot call: every call is refused with `reason`."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def infer(self, request: InferenceRequest) -> InferenceResponse:
        raise UnsupportedError(self._reason)

    def submit(self, request: InferenceRequest, done: Done) -> None:
        raise UnsupportedError(self._reason)

    def load_model(self, name: str) -> None:
        raise UnsupportedError(self._reason)

    def unload_model(self, name: str) -> None:
        raise UnsupportedError(self._reason)

    def model_ready(self, name: str, version: int = -1) -> bool:
        raise UnsupportedError(self._reason)

    def model_config(self, name: str, version: int = -1) -> str:
        raise UnsupportedError(self._reason)
