# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""``triton_ros prebuild``: load models once, so that what a backend builds on the device is built.

TensorRT builds plans of ONNX files, and keeps them.  The others optimise in memory, at every load;
the times and memory of the loads are worth knowing all the same.
"""

from __future__ import annotations

import argparse
import sys

from triton_ros.cli.application import Application
from triton_ros.cli.results import table
from triton_ros.core.errors import TritonError
from triton_ros.core.server import InferenceServer


def run(given: argparse.Namespace, application: Application) -> int:
    """Loads one after the other, so that the memory of each can be told; 1 if one cannot be."""
    application.tune_process()
    rows, failed = [], False
    with application.make_server(given.model_repository) as server:
        for name in given.model or server.repository.names():
            print(f"loading {name} ...", file=sys.stderr)
            try:
                server.load_model(name).result()
            except TritonError as error:
                failed = True
                print(f"triton_ros prebuild: {error}", file=sys.stderr)
                continue
            rows.append(_row(server, name))
    print(table(("model", "version", "backend", "seconds", "MB", "built"), rows))
    return int(failed)


def _row(server: InferenceServer, name: str) -> tuple[object, ...]:
    model = server.describe(name)
    backend = "ensemble" if model.config.is_ensemble else model.config.backend
    memory = sum(usage.byte_size for usage in model.statistics.memory_usage) / 1e6
    seconds = f"{model.statistics.load_seconds:.2f}"
    built = "; ".join(model.built) or "nothing to keep"
    return name, model.version, backend, seconds, f"{memory:.0f}", built
