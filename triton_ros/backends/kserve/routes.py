# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The servers of a model, tried in order: failover at once, retries after a pause, circuits.

A *turn* asks each server whose circuit lets it, the first one first, until one answers.  Between
two turns is a pause that grows.  When every circuit is open the request fails at once.

A thread of its own (the *prober*, which sleeps while every circuit is closed) asks a server whose
circuit is due whether the model is ready, so that nobody's request has to be the trial.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from triton_ros.backends.kserve.breaker import Circuit, State
from triton_ros.backends.kserve.exchange import Transport, Withdrawal
from triton_ros.backends.kserve.failure import RemoteFailure, RemoteTimeout, withdrawn
from triton_ros.backends.kserve.retry import backoff_s, may_repeat
from triton_ros.backends.kserve.settings import RemoteSettings
from triton_ros.core.errors import CancelledError, DeadlineError, TritonError

_LOG = logging.getLogger(__name__)

T = TypeVar("T")
Ask = Callable[[Transport, float], T]
"""Asks a server until a moment of `time.monotonic`."""


@dataclass(frozen=True, slots=True)
class Route:
    """One server."""

    address: str
    transport: Transport
    circuit: Circuit


@dataclass(frozen=True, slots=True)
class Errand:
    """What the routes have to know of a request."""

    deadline: float
    """Of `time.monotonic`."""
    own_deadline: bool
    """The request's own, and not the model's `timeout_ms`."""
    withdrawal: Withdrawal
    in_sequence: bool = False
    begun: Callable[[], bool] = lambda: False
    """Whether a part of the answer is out: nothing can be asked again then."""


class Routes:
    """Thread-safe.  `routes` are in the order of preference."""

    def __init__(
        self,
        settings: RemoteSettings,
        routes: Sequence[Route],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._settings = settings
        self._routes = tuple(routes)
        self._jitter = jitter
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._failure: RemoteFailure | None = None
        self._changed = threading.Condition(self._lock)
        self._closed = False
        self._prober: threading.Thread | None = None

    @property
    def routes(self) -> tuple[Route, ...]:
        return self._routes

    @property
    def counters(self) -> Mapping[str, int]:
        """What happened since the load, and how many circuits are not closed now."""
        with self._lock:
            counts = dict(self._counts)
        counts["circuits_opened"] = sum(route.circuit.opened for route in self._routes)
        counts["circuits_open"] = len(self._not_closed())
        return counts

    @property
    def problem(self) -> str:
        """Why no server answers; empty while one may."""
        if len(self._not_closed()) < len(self._routes):
            return ""
        failure = self._failure
        return f"no server answers ({failure})" if failure else "no server answers"

    def count(self, what: str) -> None:
        with self._lock:
            self._counts[what] += 1

    def ask(self, ask: Ask[T], errand: Errand, only: Route | None = None) -> tuple[T, Route]:
        """The answer, and whose it is.

        Raises `RemoteFailure` when no server gives one (in time), else what `ask` raises.
        """
        failure: RemoteFailure | None = None
        for turn in range(self._settings.retries + 1):
            if turn:
                self._pause(turn, errand)
                self.count("retries")
            asked = False
            for route in self._routes if only is None else (only,):
                if not route.circuit.allow():
                    continue
                if asked or route is not self._routes[0]:
                    self.count("failovers")
                asked = True
                try:
                    return self._attempt(route, ask, errand), route
                except RemoteFailure as error:
                    failure = error
                    if errand.begun() or not may_repeat(
                        error, self._settings.retry_on, errand.in_sequence
                    ):
                        raise
                if time.monotonic() >= errand.deadline:
                    raise self._late(errand, failure)
            if not asked:
                break
        nobody = f"model '{self._settings.model}': {self.problem or 'no server may be asked now'}"
        raise failure or RemoteFailure(nobody, sent=False)

    def down(self, route: Route, error: RemoteFailure) -> None:
        """A server is known not to answer: it is left to the prober."""
        route.circuit.trip()
        self._told(route, error)

    def close(self) -> None:
        """Ends the prober and the connections."""
        with self._lock:
            self._closed = True
            self._changed.notify_all()
            prober = self._prober
        if prober is not None:
            prober.join()
        for route in self._routes:
            route.transport.close()

    # one attempt -----------------------------------------------------------------------------

    def _attempt(self, route: Route, ask: Ask[T], errand: Errand) -> T:
        settled = False
        until = min(errand.deadline, time.monotonic() + self._settings.attempt_timeout_s)
        try:
            answer = ask(route.transport, until)
            settled = True
            self._answered(route)
            return answer
        except RemoteTimeout as error:
            if errand.own_deadline and until == errand.deadline:  # it may have been a short one
                raise self._late(errand, error) from error
            settled = True
            self.count("timeouts")
            self._failed(route, error)
            raise
        except RemoteFailure as error:
            settled = True
            self._failed(route, error)
            raise
        except CancelledError:
            raise
        except TritonError:  # its answer, which it would be again
            settled = True
            self._answered(route)
            raise
        finally:
            if not settled:
                route.circuit.forgotten()
                if route.circuit.state is not State.CLOSED:
                    self._wake_prober()

    def _late(self, errand: Errand, cause: RemoteFailure) -> TritonError:
        if not errand.own_deadline:
            return cause
        error = DeadlineError(f"the request's deadline is over: {cause}")
        error.__cause__ = cause
        return error

    def _pause(self, turn: int, errand: Errand) -> None:
        settings = self._settings
        pause = backoff_s(turn, settings.backoff_s, settings.backoff_max_s, self._jitter())
        if errand.withdrawal.wait(min(pause, max(0.0, errand.deadline - time.monotonic()))):
            raise withdrawn(f"model '{settings.model}'")

    # circuits --------------------------------------------------------------------------------

    def _not_closed(self) -> list[Route]:
        return [route for route in self._routes if route.circuit.state is not State.CLOSED]

    def _answered(self, route: Route) -> None:
        if route.circuit.succeeded():
            _LOG.info("model '%s': server %s answers again", self._settings.model, route.address)

    def _failed(self, route: Route, error: RemoteFailure) -> None:
        self.count("failures")
        if route.circuit.failed():
            self._told(route, error)

    def _told(self, route: Route, error: RemoteFailure) -> None:
        _LOG.warning(
            "model '%s': server %s is left alone for %.1f s: %s",
            *(self._settings.model, route.address, self._settings.breaker_open_ns / 1e9, error),
        )
        self._failure = error
        self._wake_prober()

    # the prober ------------------------------------------------------------------------------

    def _wake_prober(self) -> None:
        with self._lock:
            if self._closed:
                return
            if self._prober is None:
                name = f"probe_{self._settings.model}"
                self._prober = threading.Thread(target=self._probe, name=name, daemon=True)
                self._prober.start()
            self._changed.notify_all()

    def _probe(self) -> None:
        while True:
            with self._changed:
                due = [d for r in self._routes if (d := r.circuit.due_ns) is not None]
                if not self._closed and (not due or min(due) > 0):
                    self._changed.wait(min(due) / 1e9 if due else None)
                if self._closed:
                    return
            for route in self._routes:
                if route.circuit.due_ns == 0 and route.circuit.allow():
                    self._probe_one(route)

    def _probe_one(self, route: Route) -> None:
        self.count("probes")
        until = time.monotonic() + self._settings.connect_timeout_s
        try:
            route.transport.ready(until)
        except TritonError as error:
            route.circuit.failed()
            _LOG.debug("model '%s': %s", self._settings.model, error)
        except Exception:  # the thread's boundary: the next probe may go better
            route.circuit.failed()
            _LOG.exception("model '%s': a probe failed", self._settings.model)
        else:
            self._answered(route)
