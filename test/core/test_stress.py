# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Models of every kind under load, reloaded, unloaded and cancelled at random for a minute.

Every request gets exactly one outcome, which is the right answer or an error that the disturbance
explains; afterwards no thread, no request and no item is left.  `TRITON_ROS_STRESS_SECONDS` makes
it shorter or longer.
"""

from __future__ import annotations

import gc
import itertools
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from fake_backend import TIMEOUT
from stress_models import MODELS, StressBackend
from toy_models import write_repository

from triton_ros.core.booking import Booking
from triton_ros.core.errors import Code, TritonError
from triton_ros.core.execution.payload import Item
from triton_ros.core.request import Cancellation, InferenceRequest, InferenceResponse, Outcome
from triton_ros.core.server import InferenceServer
from triton_ros.core.server_options import ServerOptions

SECONDS = float(os.environ.get("TRITON_ROS_STRESS_SECONDS", "60"))
CLIENTS, CONTROLLERS, WINDOW = 8, 2, 16
EXPLAINED = {Code.UNAVAILABLE, Code.CANCELLED, Code.NOT_FOUND}
"""Codes that unloading, a full queue, a deadline and a cancellation answer with."""


class Client:
    """Sends requests of all kinds, at most `WINDOW` at once, and checks what comes back."""

    def __init__(self, server: InferenceServer, seed: int) -> None:
        self._server = server
        self._random = Random(seed)
        self._room = threading.Semaphore(WINDOW)
        self._seed = seed
        self.sent = 0
        self.outcomes: Counter[int] = Counter()
        self.wrong: list[str] = []
        self.errors: Counter[str] = Counter()
        self.answers: Counter[str] = Counter()

    def run(self, until: float) -> None:
        while time.monotonic() < until:
            assert self._room.acquire(timeout=TIMEOUT), "a request got no outcome"
            name = self._random.choice(list(MODELS))
            if name == "sum":
                self._send_sequence()
            elif MODELS[name].decoupled and self._random.random() < 0.2:
                self._listen(name)
            else:
                self._send(name)
        for _ in range(WINDOW):
            assert self._room.acquire(timeout=TIMEOUT), "a request got no outcome"

    def _send(self, name: str) -> None:
        number, self.sent = self.sent, self.sent + 1
        random = self._random
        rows = random.randint(1, MODELS[name].rows)
        x = np.full((rows, 4), random.randrange(1000), np.float32)
        cancellation = Cancellation() if random.random() < 0.2 else None
        request = InferenceRequest(
            name,
            {"x": x},
            id=str(number),
            priority=random.randrange(3),
            timeout_us=random.choice([0, 0, 2000]),
            cancellation=cancellation,
        )
        if random.random() < 0.1:
            request.deadline_ns = time.monotonic_ns() + random.randrange(5_000_000)
        streamed: list[Any] = []
        if MODELS[name].decoupled:
            request.on_response = lambda response: streamed.append(response.outputs["y"][0, 0])
        if MODELS[name].sequence:
            request.correlation_id = self._seed * 1_000_000 + number + 1
            request.sequence_start = request.sequence_end = True
        done = self._done(name, number, float(x[0, 0]), rows, streamed)
        if random.random() < 0.2 and not MODELS[name].decoupled:
            self._infer(request, done)
        else:
            self._server.submit(request, done)
        if cancellation:
            cancellation.cancel()

    def _send_sequence(self) -> None:
        """Three requests; who answers one has answered those before it."""
        identity, total = self._seed * 1_000_000 + self.sent + 1, 0.0
        for step in range(3):
            if step:
                assert self._room.acquire(timeout=TIMEOUT), "a request got no outcome"
            number, self.sent = self.sent, self.sent + 1
            value = self._random.randrange(1000)
            total += value
            request = InferenceRequest(
                "sum",
                {"x": np.full((1, 4), value, np.float32)},
                correlation_id=identity,
                sequence_start=step == 0,
                sequence_end=step == 2,
            )
            self._server.submit(request, self._done("sum", number, total, 1, []))

    def _listen(self, name: str) -> None:
        """To one response at most, then no more."""
        number, self.sent = self.sent, self.sent + 1
        value = float(self._random.randrange(1000))
        request = InferenceRequest(name, {"x": np.full((1, 4), value, np.float32)})
        expected = MODELS[name].answer(value)[:1]
        stream = self._server.infer_stream(request)
        try:
            found = [float(r.outputs["y"][0, 0]) for r in itertools.islice(stream, 1)]
            if found != expected:
                self.wrong.append(f"{name}({value}) streamed {found}")
        except TritonError as error:
            self._note(name, error)
        stream.close()  # type: ignore[attr-defined]
        self.outcomes[number] += 1
        self._room.release()

    def _infer(self, request: InferenceRequest, done: Callable[[Outcome], None]) -> None:
        try:
            done(self._server.infer(request, TIMEOUT))
        except TritonError as error:
            done(error)

    def _done(
        self, name: str, number: int, value: float, rows: int, streamed: list[float]
    ) -> Callable[[Outcome], None]:
        def done(outcome: Outcome) -> None:
            self.outcomes[number] += 1
            if isinstance(outcome, InferenceResponse):
                self.answers[name] += 1
                found = streamed if MODELS[name].decoupled else outcome.outputs["y"][:, 0].tolist()
                if found != MODELS[name].answer(value) * (1 if MODELS[name].decoupled else rows):
                    self.wrong.append(f"{name}({value}) answered {found}")
            else:
                self._note(name, outcome)
            self._room.release()

        return done

    def _note(self, name: str, error: TritonError) -> None:
        self.errors[f"{name}: {error}"] += 1
        exchanged = name == "sum" and "must specify the START flag" in str(error)
        if error.code not in EXPLAINED and not exchanged:
            self.wrong.append(f"{name}: {error.code} {error}")


def changed(server: InferenceServer, name: str, random: Random) -> str:
    """The model's configuration with another number of instances."""
    config = json.loads(server.model_config(name))
    config["instance_group"][0]["count"] = random.randint(1, 3)
    return json.dumps(config)


def control(server: InferenceServer, seed: int, until: float, calls: Counter[str]) -> None:
    """Load, reload and unload at random; a refusal must be explained."""
    random = Random(seed)
    while time.monotonic() < until:
        name = random.choice(list(MODELS))
        kind = random.choice(["load", "load", "unload", "change"])
        try:
            config = changed(server, name, random) if MODELS[name].instances else ""
        except TritonError:  # it does not serve now
            config = ""
        if kind == "unload":
            future = server.unload_model(name)
        else:
            future = server.load_model(name, config if kind == "change" else "")
        error = future.exception(TIMEOUT)
        assert error is None or isinstance(error, TritonError), error
        calls[f"{kind} {'refused' if error else 'done'}"] += 1


def test_everything_at_once(tmp_path: Path) -> None:
    threads_before = set(threading.enumerate())
    backend = StressBackend()
    write_repository(tmp_path / "models", {name: model.toy for name, model in MODELS.items()})
    options = ServerOptions(rate_limit=True, cache_byte_size=1_000_000)
    server = InferenceServer([tmp_path / "models"], backend.load_backend, options=options)
    for name in MODELS:
        server.load_model(name).result(TIMEOUT)
    until = time.monotonic() + SECONDS
    clients = [Client(server, seed) for seed in range(CLIENTS)]
    calls: Counter[str] = Counter()
    threads = [threading.Thread(target=client.run, args=(until,)) for client in clients]
    threads += [
        threading.Thread(target=control, args=(server, 100 + seed, until, calls))
        for seed in range(CONTROLLERS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS + 6 * TIMEOUT)
    assert not any(thread.is_alive() for thread in threads)
    assert server.close(TIMEOUT) == ()
    for client in clients:
        assert client.wrong == []
        assert sorted(client.outcomes) == list(range(client.sent))
        assert set(client.outcomes.values()) == {1}
    assert min(calls.values()) > 0, calls
    answered: Counter[str] = Counter()
    for client in clients:
        answered += client.answers
    assert set(answered) == set(MODELS), f"some model never answered: {answered}"
    backend.check_released()
    del server, clients, client, threads, thread
    assert set(threading.enumerate()) <= threads_before
    gc.collect()
    left = [type(o).__name__ for o in gc.get_objects() if isinstance(o, (Item, Booking))]
    assert left == []
