# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The node in a process of its own, which ends with the demo whatever happens."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from demo.client import DemoError

CHECKOUT = Path(__file__).resolve().parent.parent
STOP_S = 10.0
LOG_LINES = 15


def read_parameters(repository: Path) -> dict[str, Any]:
    """The parameters of `demo/triton.yaml`, with the streams whose models are there."""
    document: dict[str, Any] = yaml.safe_load((CHECKOUT / "demo/triton.yaml").read_text())
    parameters: dict[str, Any] = document["/**"]["ros__parameters"]
    parameters["model_repository"] = [str(repository)]
    streams = parameters["streams"]
    parameters["streams"] = {
        name: stream for name, stream in streams.items() if (repository / stream["model"]).is_dir()
    }
    return parameters


def write_parameters(path: Path, parameters: dict[str, Any]) -> None:
    """As a parameter file that any node accepts."""
    path.write_text(yaml.safe_dump({"/**": {"ros__parameters": parameters}}))


class NodeProcess:
    """`triton_ros --params-file ...`, its output in a log."""

    def __init__(self, parameters: Path, log: Path) -> None:
        command = [sys.executable, "-m", "triton_ros.main", "--ros-args"]
        self._log = log
        with log.open("w") as output:
            self._process = subprocess.Popen(
                [*command, "--params-file", str(parameters)],
                cwd=CHECKOUT,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def check(self) -> None:
        """Raise `DemoError` with the end of the log if the process has ended."""
        status = self._process.poll()
        if status is not None:
            lines = self._log.read_text(errors="replace").splitlines()[-LOG_LINES:]
            raise DemoError("\n".join([f"the node ended with status {status}", *lines]))

    def stop(self) -> int:
        """End it, by force if it must be; the exit status."""
        self._process.terminate()
        try:
            return self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


@contextlib.contextmanager
def running_node(parameters: Path, log: Path) -> Iterator[NodeProcess]:
    """Stopped at the end of the block, also when that is an exception."""
    process = NodeProcess(parameters, log)
    try:
        yield process
    finally:
        process.stop()
