# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the node itself counts, as anybody would ask it: its metrics and statistics by HTTP."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from benchmarks.processes import free_port

FRAMES = "triton_ros_stream_frames_"
LIMIT_S = 5.0


class NodeCounters:
    """`parameters` open the ports; `snapshot` counts since the node's start."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._http, self._metrics = free_port(), free_port()

    @property
    def parameters(self) -> dict[str, Any]:
        """The node's."""
        http = {"allow_http": True, "http_port": self._http}
        return {**http, "allow_metrics": True, "metrics_port": self._metrics}

    def snapshot(self) -> Counter[str]:
        """``received``, ``published``, ``dropped <reason>`` of all streams; ``batch <size>``."""
        found: Counter[str] = Counter()
        text = _get(self._metrics, "metrics").decode()
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name.startswith(FRAMES) and sample.name.endswith("_total"):
                    what = sample.name.removeprefix(FRAMES).removesuffix("_total")
                    name = f"{what} {sample.labels.get('reason', '')}".strip()
                    found[name] += int(sample.value)
        answer = json.loads(_get(self._http, f"v2/models/{self._model}/stats"))
        for row in answer["model_stats"][0]["batch_stats"]:
            found[f"batch {row['batch_size']}"] += int(row["compute_infer"]["count"])
        return found


def since(now: Counter[str], before: Counter[str]) -> dict[str, Any]:
    """What was counted in between, and where frames were lost."""
    counted = now - before
    return {
        "received": counted["received"],
        "published": counted["published"],
        "dropped_by_reason": _named(counted, "dropped "),
        "batch_sizes": _named(counted, "batch "),
    }


def _named(counted: Counter[str], start: str) -> dict[str, int]:
    return {key.removeprefix(start): n for key, n in counted.items() if key.startswith(start)}


def _get(port: int, path: str) -> bytes:
    with urlopen(f"http://127.0.0.1:{port}/{path}", timeout=LIMIT_S) as answer:
        return bytes(answer.read())
