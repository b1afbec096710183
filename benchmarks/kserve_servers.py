# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The servers that are measured: ours, and the real Triton of nvidia-pytriton's wheel."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

_TICKS = os.sysconf("SC_CLK_TCK")
START_S = 60.0


@dataclass(frozen=True)
class Server:
    """A running one."""

    name: str
    http_port: int
    grpc_port: int
    pid: int

    def cpu_seconds(self) -> float:
        """User and system time so far, with its worker processes."""
        return sum(_cpu(pid) for pid in _tree(self.pid))


def _cpu(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            yield from _tree(int(child))


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports


@contextmanager
def ours(repository: Path, name: str) -> Iterator[Server]:
    """`triton_ros serve`, which may use shared memory."""
    http, grpc, metrics = _free_ports(3)
    command = [
        sys.executable,
        "-m",
        "triton_ros.main",
        "serve",
        "--model-repository",
        str(repository),
    ]
    command += ["--http-port", str(http), "--grpc-port", str(grpc), "--metrics-port", str(metrics)]
    command += ["--allow-client-shm", "true"]
    with _running(command, http, {}) as pid:
        yield Server(name, http, grpc, pid)


@contextmanager
def real_triton(repository: Path, venv: Path) -> Iterator[Server]:
    """The server that nvidia-pytriton brings, on loopback, with its Python backend."""
    (packages,) = venv.glob("lib/python3*/site-packages")
    wheel = packages / "pytriton" / "tritonserver"
    version = packages.parent.name.removeprefix("python")
    http, grpc, metrics = _free_ports(3)
    with TemporaryDirectory() as root:
        backend = Path(root) / "python"
        shutil.copytree(wheel / "backends/python", backend)
        stub = wheel / "python_backend_stubs" / version / "triton_python_backend_stub"
        shutil.copy(stub, backend)
        command = [str(wheel / "bin/tritonserver"), f"--model-repository={repository}"]
        command += [f"--backend-directory={root}", "--disable-auto-complete-config"]
        command += [f"--http-port={http}", f"--grpc-port={grpc}", f"--metrics-port={metrics}"]
        command += [f"--{name}-address=127.0.0.1" for name in ("http", "grpc", "metrics")]
        libraries = [packages / "nvidia_pytriton.libs", wheel / "external_libs"]
        variables = {
            "LD_LIBRARY_PATH": os.pathsep.join(map(str, libraries)),
            "PATH": f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(packages),
        }
        with _running(command, http, variables) as pid:
            yield Server("triton", http, grpc, pid)


@contextmanager
def _running(command: Sequence[str], port: int, variables: Mapping[str, str]) -> Iterator[int]:
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, env={**os.environ, **variables}, **quiet)  # type: ignore[call-overload]
    try:
        _wait_ready(process, port)
        yield process.pid
    finally:
        process.terminate()
        process.wait(60)


def _wait_ready(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_S
    url = f"http://127.0.0.1:{port}/v2/models/identity/ready"
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SystemExit(f"the server on port {port} ended with {process.returncode}")
        try:
            if urllib.request.urlopen(url, timeout=1).status == 200:
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise SystemExit(f"the server on port {port} was not ready within {START_S:g} s")
