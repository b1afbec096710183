# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The measured processes: the node, the peers, and the echo that they are compared with."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import rclpy

from benchmarks import resources
from benchmarks.cameras import Topics
from triton_ros.main import tune_process

CHECKOUT = Path(__file__).resolve().parent.parent
REPOSITORY = CHECKOUT / "build" / "model_repository"
PROFILE = CHECKOUT / "config" / "fastdds_shared_memory.xml"
END_S = 4.0


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
        return resources.cpu_seconds(self.pid)


@contextmanager
def ros() -> Iterator[None]:
    """In a domain of its own, with all that is started meanwhile."""
    os.environ["FASTDDS_DEFAULT_PROFILES_FILE"] = str(PROFILE)
    os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 101)
    tune_process()
    rclpy.init()
    try:
        yield
    finally:
        rclpy.shutdown()


def topics(who: str, count: int) -> Topics:
    """Of that many cameras of one system: frames, and answers as the node's streams name them."""
    return [(f"/{who}/camera_{n}", f"/{who}/stream_{n}/detections") for n in range(count)]


def streams(who: str, model: str, count: int, **settings: Any) -> dict[str, Any]:
    """The node's parameters for them."""
    each = {"model": model, **settings}
    named = enumerate(topics(who, count))
    return {f"stream_{n}": {**each, "topic": topic} for n, (topic, _) in named}


@contextmanager
def run_node(
    parameters: Mapping[str, Any], name: str = "triton_ros", env: Mapping[str, str] | None = None
) -> Iterator[Measured]:
    """The node with these parameters, active after a while."""
    with NamedTemporaryFile("w", suffix=".yaml") as file:
        own = {"autostart": True, **parameters}
        json.dump({"/**": {"ros__parameters": own}}, file)  # JSON is YAML
        file.flush()
        arguments = ["-m", "triton_ros.main", "--ros-args", "--log-level", "warn"]
        arguments += ["-r", f"__node:={name}", "--params-file", file.name]
        with _running(arguments, env) as measured:
            yield measured


@contextmanager
def echo(who: str, count: int = 1) -> Iterator[Measured]:
    """The node that does nothing."""
    with _running(["-m", "benchmarks.echo", *_flat(who, count)]) as measured:
        yield measured


def _flat(who: str, count: int) -> list[str]:
    return [name for pair in topics(who, count) for name in pair]


@contextmanager
def peer(way: str, model: str, count: int, depth: int) -> Iterator[Measured]:
    """The usual way, or one of them; see `benchmarks.peers.cv_bridge_node`."""
    arguments = ["-m", "benchmarks.peers.cv_bridge_node", str(REPOSITORY), model, way, str(depth)]
    with _running([*arguments, *_flat(way, count)]) as measured:
        yield measured


@contextmanager
def _running(arguments: Sequence[str], env: Mapping[str, str] | None = None) -> Iterator[Measured]:
    command = [sys.executable, *arguments]
    environment = {**os.environ, **(env or {})}
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environment)
    try:
        yield Measured(process)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:  # rclpy's executor with threads does, under load
            process.kill()
            process.wait()


def free_port() -> int:
    """One that nobody has now."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])
