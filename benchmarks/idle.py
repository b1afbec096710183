# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""`python -m benchmarks.idle`: what an active node costs while no frame comes.

With 1 and 20 models: CPU of the process in percent of a core, its memory and threads; all servers
of the network open, diagnostics once a second.  Goal: under 2 %, whatever the number of models.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import processes
from benchmarks.soak import sample
from benchmarks.swap import copy_models

OUTPUT = Path(__file__).resolve().parent.parent / "build" / "bench" / "idle.json"
MODELS, SETTLE_S, SECONDS = (1, 20), 8.0, 20.0


def main() -> int:
    """Measure, print, write `build/bench/idle.json`."""
    os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 101)
    network = {f"allow_{each}": True for each in ("http", "grpc", "metrics")}
    network |= {f"{each}_port": 0 for each in ("http", "grpc", "metrics")}
    rows = []
    for count in MODELS:
        with TemporaryDirectory() as root:
            copy_models(Path(root), [f"model_{number}" for number in range(count)])
            stream = {"front": {"topic": "/nobody", "model": "model_0"}}
            parameters = {"model_repository": [root], "streams": stream, **network}
            with processes.run_node(parameters) as node:
                time.sleep(SETTLE_S)
                begin = node.cpu_seconds()
                time.sleep(SECONDS)
                percent = (node.cpu_seconds() - begin) / SECONDS * 100
                now = sample(node.pid)
        rows.append({"models": count, "cpu_percent": percent, "resident_mb": now.resident_mb})
        rows[-1]["threads"] = now.threads
        print(json.dumps(rows[-1]), flush=True)
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(rows, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
