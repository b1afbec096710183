# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""`python -m benchmarks.kserve [--triton VENV]`: V2 over HTTP, gRPC, shared memory; in process.

One model of the Python backend (``y = x``) behind `triton_ros serve`, once in a worker process as
Triton has it (*worker*) and once with ``IN_PROCESS`` (*thread*), and behind a real Triton if there
is one; all get the very same bytes from the same client, in turns.  Per cell: requests a second,
p50 and p99 in milliseconds, and CPU milliseconds a request of the server with its workers.  *small*
is 64 bytes, *image* [1,3,640,640] FP32 (4.9 MB), both ways.

A real Triton is in the wheel of nvidia-pytriton, which wants another protobuf than we do and so an
environment of its own::

    python3.11 -m venv /tmp/triton && /tmp/triton/bin/pip install nvidia-pytriton
    python -m benchmarks.kserve --triton /tmp/triton
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.kserve_load import SIZES, Figures, Load, in_process, run_load
from benchmarks.kserve_servers import ours, real_triton

OUTPUT = Path(__file__).resolve().parent.parent / "build" / "bench" / "kserve.json"
CONCURRENCY = (1, 4, 16)
WAYS = ("http", "grpc", "http+shm", "grpc+shm")
ROUNDS, SECONDS = 3, 1.0

CONFIG = """
backend: "python"
max_batch_size: 0
input [{ name: "x" data_type: TYPE_FP32 dims: [-1] }]
output [{ name: "y" data_type: TYPE_FP32 dims: [-1] }]
"""
MODEL = """
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        return [
            pb_utils.InferenceResponse(
                [pb_utils.Tensor("y", pb_utils.get_input_tensor_by_name(r, "x").as_numpy())]
            )
            for r in requests
        ]
"""
IN_PROCESS = 'parameters { key: "IN_PROCESS" value { string_value: "true" } }'


def main() -> int:
    """Measure, print, write `build/bench/kserve.json`."""
    parser = argparse.ArgumentParser(description="V2 over HTTP, gRPC and shared memory.")
    parser.add_argument("--triton", type=Path, help="a virtual environment with nvidia-pytriton")
    given = parser.parse_args()
    cells: dict[tuple[str, str, int, str], list[Figures]] = {}
    with ExitStack() as stack:
        servers = [
            stack.enter_context(ours(repository_of(stack), "worker")),
            stack.enter_context(ours(repository_of(stack, IN_PROCESS), "thread")),
        ]
        if given.triton:
            servers.append(stack.enter_context(real_triton(repository_of(stack), given.triton)))
        for _ in range(ROUNDS):
            for load in loads():
                for server in servers:
                    figures = run_load(server, load)
                    cells.setdefault((*load.key, server.name), []).append(figures)
    with repository(IN_PROCESS) as place:
        for size in SIZES:
            for callers in CONCURRENCY:
                figures = in_process(place, size, callers, SECONDS)
                cells[size, "in process", callers, "thread"] = [figures]
    report({key: best(found) for key, found in cells.items()})
    return 0


def loads() -> Iterator[Load]:
    """Every way, size and concurrency."""
    for size in SIZES:
        for way in WAYS:
            for callers in CONCURRENCY:
                yield Load(size, way, callers, SECONDS)


def best(found: list[Figures]) -> Figures:
    """The medians of some rounds."""
    return Figures(*(median(values) for values in zip(*(astuple(f) for f in found), strict=True)))


def astuple(figures: Figures) -> tuple[float, ...]:
    """In the order of its fields."""
    return tuple(asdict(figures).values())


@contextmanager
def repository(more: str = "") -> Iterator[Path]:
    """Of the one model."""
    with TemporaryDirectory() as root:
        folder = Path(root) / "identity"
        (folder / "1").mkdir(parents=True)
        (folder / "config.pbtxt").write_text(CONFIG + more)
        (folder / "1/model.py").write_text(MODEL)
        yield Path(root)


def repository_of(stack: ExitStack, more: str = "") -> Path:
    """One that lives as long as the stack."""
    return stack.enter_context(repository(more))


def report(cells: dict[tuple[str, str, int, str], Figures]) -> None:
    """A table with the ratio of ours to a real Triton's, and the file."""
    head = f"{'size':<6} {'way':<10} {'callers':>7}  {'server':<10} {'req/s':>8} {'p50 ms':>8}"
    print(head + f" {'p99 ms':>8} {'CPU ms':>8} {'req/s ratio':>12} {'CPU ratio':>10}")
    rows = []
    for (size, way, callers, name), f in sorted(cells.items(), key=lambda item: item[0][:3]):
        other = cells.get((size, way, callers, "triton"))
        ratios = {"rate_ratio": 0.0, "cpu_ratio": 0.0}
        if other and name != "triton":
            ratios = {"rate_ratio": f.rate / other.rate, "cpu_ratio": f.cpu_ms / other.cpu_ms}
        line = f"{size:<6} {way:<10} {callers:>7}  {name:<10} {f.rate:>8.0f} {f.p50_ms:>8.2f}"
        line += f" {f.p99_ms:>8.2f} {f.cpu_ms:>8.3f}"
        if ratios["rate_ratio"]:
            line += f" {ratios['rate_ratio']:>12.2f} {ratios['cpu_ratio']:>10.2f}"
        print(line)
        rows.append(
            {"size": size, "way": way, "callers": callers, "server": name, **asdict(f)} | ratios
        )
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    sys.exit(main())
