# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures for every test; the place of this file puts its folder on the path.

ROS tests share a machine with other ROS tests, so each gets a domain of its own (`ros_domain`)
and stays on this machine.  A new domain a test also keeps the ghosts of killed processes away.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cuda_rig import _cuda_library, cuda_rig, pytest_addoption
from hypothesis import HealthCheck, settings
from ros_process import claim_domain, environment

__all__ = ["_cuda_library", "cuda_rig", "pytest_addoption"]

# a slow machine is no failure: neither of a property, nor of the making of its examples
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")


@pytest.fixture
def ros_domain(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A ROS_DOMAIN_ID that no other test process on this machine has, set in the environment."""
    with claim_domain() as domain:
        monkeypatch.setenv("ROS_DOMAIN_ID", str(domain))
        monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        yield domain


Spawn = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def spawn(ros_domain: int, tmp_path: Path) -> Iterator[Spawn]:
    """``spawn("-m", "triton_ros.main", ...)``: a Python process in this test's domain.

    What it prints goes to ``tmp_path/<n>.log`` and, at the end, to pytest's captured output.  A
    process that still runs then gets SIGTERM and, ten seconds later, SIGKILL.
    """
    started: list[tuple[subprocess.Popen[str], Path]] = []

    def start(*arguments: str, **extra: str) -> subprocess.Popen[str]:
        log = tmp_path / f"{len(started)}.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                env={**environment(ros_domain), **extra},
            )
        started.append((process, log))
        return process

    yield start
    for process, log in started:
        _stop(process)
        print(f"--- {log.name}, exit {process.returncode} ---\n{log.read_text()}")


def _stop(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
