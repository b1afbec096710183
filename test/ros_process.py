# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""ROS domains of their own, and the node as a process in one of them."""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

DOMAINS = 101
"""The ports of domains above fall into the range that the kernel hands out."""

DISCOVERY = {
    "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
    "FASTDDS_DEFAULT_PROFILES_FILE": str(Path(__file__).with_name("quick_discovery.xml")),
}
"""Variables of every process that takes part."""

SHARED = Path("/dev/shm")

_next = itertools.count(os.getpid())


@contextmanager
def claim_domain() -> Iterator[int]:
    """A ROS_DOMAIN_ID that no other test process on this machine has meanwhile."""
    claimed = (try_claim(number % DOMAINS + 1) for number in itertools.islice(_next, DOMAINS))
    domain, lock = next(claim for claim in claimed if claim)
    with lock:
        yield domain


def try_claim(domain: int) -> tuple[int, IO[str]] | None:
    """The domain and the lock that holds it while it is open; None when another test has it."""
    lock = Path(tempfile.gettempdir(), f"triton_ros_test_domain_{domain}").open("w")  # noqa: SIM115
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return domain, lock


def environment(domain: int) -> dict[str, str]:
    """The variables of a process in this domain."""
    return {**os.environ, **DISCOVERY, "ROS_DOMAIN_ID": str(domain)}


class NodeProcess:
    """``python -m triton_ros.main`` with parameters, a log file and a domain.

    `parameters` are nested as in a parameter file; they reach the node through one.
    """

    def __init__(
        self, domain: int, folder: Path, parameters: Mapping[str, Any], *arguments: str
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "parameters.yaml"
        file.write_text(json.dumps({"/**": {"ros__parameters": parameters}}))  # JSON is YAML
        self._log = folder / "node.log"
        self._others = set(SHARED.iterdir())
        command = ["-m", "triton_ros.main", "--ros-args", "--params-file", str(file), *arguments]
        with self._log.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, *command],
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment(domain),
            )

    @property
    def log(self) -> str:
        """What it has printed so far."""
        return self._log.read_text(errors="replace")

    def segments(self) -> set[Path]:
        """Shared memory that it has mapped and that was not there before it: the middleware's."""
        return mapped(self.process.pid) - self._others

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """Its exit status after the signal, and how many seconds that took."""
        begin = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            self.process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        return self.process.returncode, time.monotonic() - begin


def mapped(pid: int) -> set[Path]:
    """Shared memory of a process; none if it is gone or somebody else's."""
    try:
        lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    except OSError:
        return set()
    return {Path(line[line.index("/") :]) for line in lines if f"{SHARED}/" in line}


def abandoned(segments: set[Path]) -> list[str]:
    """Those that are still there although no process has them any more; and their locks."""
    left = {path for path in segments if path.exists()}
    for place in Path("/proc").iterdir() if left else ():
        if place.name.isdigit():
            left -= mapped(int(place.name))
    locks = [path.with_name(f"{path.name}_el") for path in segments if not path.exists()]
    return sorted(str(path) for path in (*left, *locks) if path.exists())
