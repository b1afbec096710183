# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""``triton_ros streams``: of a running node, with their rates, latencies and drops."""

from __future__ import annotations

import argparse
import json

from triton_ros.cli.application import Application
from triton_ros.cli.node_client import connected
from triton_ros.cli.results import table

_COLUMNS = ("model", "topic", "received_hz", "answered_hz", "latency_p50_ms", "latency_p95_ms")


def run(given: argparse.Namespace, application: Application) -> int:
    """Prints a table, or JSON."""
    with connected(given) as client:
        statuses = client.statuses()
    streams = {n.removeprefix("stream "): v for n, v in statuses.items() if n.startswith("stream ")}
    if given.json:
        print(json.dumps(streams, indent=2))
        return 0
    rows = [
        (name, *(values.get(column, "-") for column in _COLUMNS), _drops(values), values["message"])
        for name, values in sorted(streams.items())
    ]
    print(table(("stream", *_COLUMNS, "dropped", "message"), rows))
    return 0


def _drops(values: dict[str, str]) -> str:
    drops = {k.removeprefix("dropped_"): v for k, v in values.items() if k.startswith("dropped_")}
    return " ".join(f"{reason}={count}" for reason, count in drops.items()) or "none"
