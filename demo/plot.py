# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""When each frame was answered: latency over the time of the demo, and answers a second."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

mpl.use("Agg")
from matplotlib import pyplot as plt

Pairs = Sequence[tuple[float, float]]
"""When a frame was sent and when its answer came, seconds on one clock."""


def draw_latencies(
    path: Path, began: float, streams: Mapping[str, Pairs], marks: Mapping[str, float]
) -> None:
    """Write the picture; `marks` are what was changed, and when."""
    figure, (above, below) = plt.subplots(
        2, 1, figsize=(11, 6.5), sharex=True, height_ratios=(3, 2)
    )
    end = max((came for pairs in streams.values() for _, came in pairs), default=began + 1) - began
    for name, pairs in streams.items():
        sent = np.array([pair[0] for pair in pairs]) - began
        came = np.array([pair[1] for pair in pairs]) - began
        above.plot(sent, (came - sent) * 1e3, ".-", label=name, linewidth=0.8, markersize=4)
        counts, edges = np.histogram(came, np.arange(0, end + 1, 1.0))
        below.plot(edges[:-1] + 0.5, counts, ".-", label=name, linewidth=1)
    for number, (what, at) in enumerate(marks.items()):
        _mark(above, below, what, max(at - began, 0.0), number)
    above.set(ylabel="frame sent to answer received, ms", yscale="log")
    below.set(ylabel="answers a second", xlabel="seconds of the bag", ylim=(0, None))
    above.legend(loc="upper right", ncols=len(streams), fontsize=8)
    for axes in (above, below):
        axes.grid(alpha=0.25)
    figure.suptitle("Every frame of every stream; models are swapped and reloaded meanwhile")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _mark(above: Any, below: Any, what: str, at: float, number: int) -> None:
    for axes in (above, below):
        axes.axvline(at, color="0.4", linestyle="--", linewidth=0.8)
    place = above.get_xaxis_transform()
    above.text(at + 0.05, 0.03 + 0.07 * number, what, transform=place, fontsize=8, color="0.25")
