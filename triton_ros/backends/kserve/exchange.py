# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What goes to a remote server and what comes back, whatever the protocol."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from triton_ros.core.request import Cancellation, Parameter
from triton_ros.core.tensor import Array, TensorSpec


@dataclass(frozen=True, slots=True)
class RemoteRequest:
    """One inference; `parameters` are all that V2 has in them (sequence, priority, timeout)."""

    inputs: Mapping[str, Array]
    datatypes: Mapping[str, str]
    """Of the inputs."""
    id: str = ""
    outputs: tuple[str, ...] = ()
    parameters: Mapping[str, Parameter] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RemoteAnswer:
    """One response."""

    outputs: dict[str, Array]
    parameters: Mapping[str, Parameter] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RemoteConfig:
    """Of the remote's configuration what matters here; not every V2 server tells it."""

    max_batch_size: int
    decoupled: bool = False
    sequences: bool = False


@dataclass(frozen=True, slots=True)
class RemoteModel:
    """The remote's metadata, dims with the batch dim."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    config: RemoteConfig | None = None


class Withdrawal:
    """Joins a request's cancellation with whatever the request waits for at the moment."""

    def __init__(self, token: Cancellation | None = None) -> None:
        self._token = token
        self._lock = threading.Lock()
        self._stop: Callable[[], object] | None = None
        self._set = threading.Event()

    def __enter__(self) -> Withdrawal:
        if self._token is not None:
            self._token.watch(id(self), self._cancel)
        return self

    def __exit__(self, *error: object) -> None:
        if self._token is not None:
            self._token.unwatch(id(self))

    @property
    def possible(self) -> bool:
        """Whether anybody could withdraw the request."""
        return self._token is not None

    @property
    def cancelled(self) -> bool:
        return self._set.is_set()

    def stops(self, stop: Callable[[], object] | None) -> None:
        """What is to be called when the request is withdrawn; at once if that has been."""
        with self._lock:
            self._stop = stop
            if stop is None or not self._set.is_set():
                return
        stop()

    def wait(self, seconds: float) -> bool:
        """Until it is withdrawn or the time is up; whether it was withdrawn."""
        return self._set.wait(seconds)

    def _cancel(self) -> None:
        self._set.set()
        with self._lock:
            stop = self._stop
        if stop is not None:
            stop()


class Transport(Protocol):
    """One model on one server, by one protocol.  Usable from many threads.

    Every method ends at `deadline` (of `time.monotonic`), and raises `RemoteFailure` where the
    server is to blame or `TritonError` for its definite answer.
    """

    def infer(
        self, request: RemoteRequest, deadline: float, withdrawal: Withdrawal
    ) -> RemoteAnswer: ...

    def stream(
        self, request: RemoteRequest, deadline: float, withdrawal: Withdrawal
    ) -> Iterator[RemoteAnswer]: ...

    def describe(self, deadline: float) -> RemoteModel: ...

    def ready(self, deadline: float) -> None:
        """Raises if the server does not say that the model is ready."""
        ...

    def close(self) -> None: ...
