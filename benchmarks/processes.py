# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The measured processes: the node, and the echo that it is compared with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

ECHO_TOPIC, ECHO_DETECTIONS = "/echo/image_raw", "/echo/detections"
TOPIC, DETECTIONS = "/camera/image_raw", "/triton_ros/front/detections"


class Measured:
    """A child process and the CPU time it used."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """The process'."""
        return self._process.pid

    def cpu_seconds(self) -> float:
        """User and system time so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def node(repository: Path, model: str) -> Iterator[Measured]:
    """The node with one stream, active after a while."""
    front = {"model": model, "topic": TOPIC, "reliability": "reliable", "policy": "queue:8"}
    parameters = {
        "model_repository": [str(repository)],
        "load_models": [model],
        "streams": {"front": front},
    }
    with run_node(parameters) as measured:
        yield measured


@contextmanager
def run_node(parameters: Mapping[str, Any]) -> Iterator[Measured]:
    """The node with these parameters, active after a while."""
    with NamedTemporaryFile("w", suffix=".yaml") as file:
        own = {"autostart": True, **parameters}
        json.dump({"/**": {"ros__parameters": own}}, file)  # JSON is YAML
        file.flush()
        arguments = ["-m", "triton_ros.main", "--ros-args", "--log-level", "warn"]
        with _running([*arguments, "--params-file", file.name]) as measured:
            yield measured


@contextmanager
def echo() -> Iterator[Measured]:
    """The node that does nothing."""
    with _running(["-m", "benchmarks.echo", ECHO_TOPIC, ECHO_DETECTIONS]) as measured:
        yield measured


@contextmanager
def _running(arguments: Sequence[str]) -> Iterator[Measured]:
    process = subprocess.Popen([sys.executable, *arguments], stderr=subprocess.DEVNULL)
    try:
        yield Measured(process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)
