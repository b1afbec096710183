# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What an active node costs while no frame comes.

With 1 and 20 models: CPU of the process in percent of a core, its memory and threads; all servers
of the network open, diagnostics once a second.  Goal: under 2 %, whatever the number of models.
Then the callbacks a second of its executor, as calls of ``get_state`` by one client in turn, which
are not to depend on the number of models either.
"""

from __future__ import annotations

import time
from typing import Any

import rclpy
from lifecycle_msgs.srv import GetState
from rclpy.experimental.events_executor import EventsExecutor

from benchmarks import processes, repositories
from benchmarks.held import sample

MODELS, SETTLE_S, SECONDS, CALLS_S = (1, 20), 6.0, 10.0, 3.0


def measure(quick: bool) -> list[dict[str, Any]]:
    """A row of each number of models."""
    network: dict[str, Any] = {f"allow_{each}": True for each in ("http", "grpc", "metrics")}
    network |= {f"{each}_port": 0 for each in ("http", "grpc", "metrics")}
    rows = []
    for count in MODELS[-1:] if quick else MODELS:
        names = {f"model_{number}": "blazeface" for number in range(count)}
        with repositories.copies(names) as root:
            stream = {"front": {"topic": "/nobody", "model": "model_0"}}
            parameters = {"model_repository": [str(root)], "streams": stream, **network}
            with processes.run_node(parameters) as node:
                time.sleep(SETTLE_S)
                begin = node.cpu_seconds()
                time.sleep(SECONDS)
                percent = (node.cpu_seconds() - begin) / SECONDS * 100
                now = sample(node.pid)
                calls = calls_per_second()
        row = {"models": count, "cpu_percent": percent, "resident_mb": now.resident_mb}
        rows.append({**row, "threads": now.threads, "calls_per_second": calls})
        print(rows[-1], flush=True)
    return rows


def calls_per_second() -> float:
    """Of the node's executor: a call when the one before is answered."""
    node = rclpy.create_node("idle_client", enable_rosout=False, start_parameter_services=False)
    executor: Any = EventsExecutor()
    executor.add_node(node)
    client = node.create_client(GetState, "/triton_ros/get_state")
    client.wait_for_service(SETTLE_S)
    count, start = 0, time.monotonic()
    while time.monotonic() < start + CALLS_S:
        future = client.call_async(GetState.Request())
        executor.spin_until_future_complete(future, SETTLE_S)
        count += future.done()
    seconds = time.monotonic() - start
    executor.shutdown()
    node.destroy_node()
    return count / seconds
