# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""`python -m benchmarks.scheduler`: what the server itself costs, with a model that does nothing.

Microseconds per request (median) and requests per second, at 1, 4 and 16 callers, in turn in this
run:

- *call*: `instance.execute(inputs)`, a bare function call;
- *queue*: a plain `queue.Queue` and a thread that calls the function and answers on another queue,
  the least that anybody pays who hands work to a thread in Python;
- *inline*: `server.infer`, which borrows an idle instance (with more callers than instances some of
  them queue);
- *queued*: `server.submit` and wait for the answer.

Then batches at saturation: a model that takes 2 ms and has `dynamic_batching`, under 64 callers.  A
batch counts as full if it has `max_batch_size` rows; efficiency is the mean size over the limit.

Goals, median on an idle machine: under 15 us inline, under 60 us queued (one caller), and batches
that are full whenever the queue is.
"""

from __future__ import annotations

import json
import statistics
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import Queue, SimpleQueue
from typing import Any

import numpy as np

from benchmarks.null_model import NAME, NullInstance, NullModel, null_server
from triton_ros.core.request import InferenceRequest
from triton_ros.core.server import InferenceServer
from triton_ros.main import tune_process

OUTPUT = Path(__file__).resolve().parent.parent / "build" / "bench" / "scheduler.json"
CALLERS = (1, 4, 16)
REQUESTS, ROUNDS, WARM = 4000, 5, 200
MAX_BATCH, SATURATION_CALLERS, SATURATION_SECONDS, BATCH_SECONDS = 16, 64, 3.0, 0.002
X = np.zeros((1, 4), np.float32)

Caller = Callable[[], Any]
MakeCaller = Callable[[], Caller]


def main() -> int:
    """Measure, print, write `build/bench/scheduler.json`."""
    tune_process()
    results: dict[str, Any] = {}
    for callers in CALLERS:
        results[str(callers)] = of_callers(callers)
        show(callers, results[str(callers)])
    results["saturation"] = saturate()
    print(
        f"saturation, {SATURATION_CALLERS} callers: {results['saturation']['batches']} batches,"
        f" {results['saturation']['full']:.1%} full, efficiency"
        f" {results['saturation']['efficiency']:.1%}"
    )
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(results, indent=1))
    return 0


def of_callers(callers: int) -> dict[str, dict[str, float]]:
    """Every way with so many callers."""
    with null_server("max_batch_size: 8") as (server, model):
        ways = {
            "call": lambda: calls(model),
            "queue": lambda: queues(model),
            "inline": lambda: inline(server),
            "queued": lambda: queued(server),
        }
        return measure(ways, callers)


def measure(ways: dict[str, MakeCaller], callers: int) -> dict[str, dict[str, float]]:
    """Every way `ROUNDS` times in turn; the best round of each, as others disturb upwards only."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, make in ways.items():
            found[name].append(run(make, callers))
    return {
        name: {"us": min(us for us, _ in rounds), "per_second": max(rate for _, rate in rounds)}
        for name, rounds in found.items()
    }


def run(make: MakeCaller, callers: int) -> tuple[float, float]:
    """Median microseconds of a request, and requests per second of all callers."""
    times: list[list[int]] = [[] for _ in range(callers)]
    begin = threading.Barrier(callers + 1)

    def work(mine: list[int]) -> None:
        call = make()
        for _ in range(WARM):
            call()
        begin.wait()
        for _ in range(REQUESTS // callers):
            start = time.perf_counter_ns()
            call()
            mine.append(time.perf_counter_ns() - start)

    threads = [threading.Thread(target=work, args=(mine,)) for mine in times]
    for thread in threads:
        thread.start()
    begin.wait()
    start = time.perf_counter()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - start
    every = [ns for mine in times for ns in mine]
    return statistics.median(every) / 1e3, len(every) / seconds


def calls(model: NullModel) -> Caller:
    """A bare function call."""
    instance, inputs = NullInstance(model), {"x": X}
    return lambda: instance.execute(inputs)


def queues(model: NullModel) -> Caller:
    """A thread with a queue, and a queue for its answers; both go with the caller."""
    instance = NullInstance(model)
    work: Queue[tuple[dict[str, Any], Queue[Any]]] = Queue()

    def serve() -> None:
        while True:
            inputs, answers = work.get()
            answers.put(instance.execute(inputs))

    threading.Thread(target=serve, daemon=True).start()
    answers: Queue[Any] = Queue()

    def call() -> Any:
        work.put(({"x": X}, answers))
        return answers.get()

    return call


def inline(server: InferenceServer) -> Caller:
    """What a caller in this process does who waits for the answer."""
    return lambda: server.infer(InferenceRequest(NAME, {"x": X}))


def queued(server: InferenceServer) -> Caller:
    """What a frontend does: hand over, and be called back on the instance's thread."""
    answers: SimpleQueue[Any] = SimpleQueue()

    def call() -> Any:
        server.submit(InferenceRequest(NAME, {"x": X}), answers.put)
        return answers.get()

    return call


def saturate() -> dict[str, float]:
    """How full batches are when there are always more requests than fit."""
    config = (
        f"max_batch_size: {MAX_BATCH} dynamic_batching {{ }}"
        " instance_group { count: 1 kind: KIND_CPU }"
    )
    with null_server(config, BATCH_SECONDS) as (server, model):
        until = time.monotonic() + SATURATION_SECONDS

        def work() -> None:
            call = queued(server)
            while time.monotonic() < until:
                call()

        threads = [threading.Thread(target=work) for _ in range(SATURATION_CALLERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # the first batches run before all callers came, the last ones after some left
        sizes = model.batches[8:-8]
    return {
        "batches": len(sizes),
        "full": sum(size == MAX_BATCH for size in sizes) / len(sizes),
        "efficiency": statistics.mean(sizes) / MAX_BATCH,
    }


def show(callers: int, found: dict[str, dict[str, float]]) -> None:
    """One block of the table."""
    print(f"{callers} caller{'s' if callers > 1 else ''}")
    for name, figures in found.items():
        ratio = figures["us"] / found["queue"]["us"]
        print(
            f"  {name:7} {figures['us']:8.1f} us  {figures['per_second']:9.0f}/s"
            f"  {ratio:5.2f} of a queue and a thread"
        )
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
