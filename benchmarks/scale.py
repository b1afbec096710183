# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One model, 1 to 16 cameras: what a frame costs the node.

A node for each number of cameras, all of them up, taking turns; the same number of frames on their
way whatever the number of cameras, from each camera in its turn.  Once with pictures that hardly
have pixels, once with 640x480: what grows with the second only is memory.  A camera's frame comes
into buffers of its subscription's, and those of 16 cameras (15 MB) are in no core's cache any more
when it is their turn again.  Goal: a frame costs no more with 16 cameras than with one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from statistics import median
from typing import Any

from benchmarks.cameras import Cameras, cameras, picture
from benchmarks.processes import REPOSITORY, Measured, run_node, streams, topics

MODEL, COUNTS, SIZES = "blazeface", (1, 4, 16), ((64, 48), (640, 480))
ON_THEIR_WAY, TURNS, SECONDS = 16, 5, 1.5
SETTINGS = {"reliability": "reliable", "depth": 20, "policy": "queue:20"}


def measure(quick: bool) -> list[dict[str, Any]]:
    """A row of each size."""
    rows = []
    for size in SIZES:
        rows.append(of_size(*size, 1 if quick else TURNS))
        print(rows[-1], flush=True)
    return rows


def of_size(width: int, height: int, turns: int) -> dict[str, Any]:
    """By number of cameras: medians of the turns, and of each turn's ratio to one camera."""
    with nodes(COUNTS) as rigs, ExitStack() as stack:
        senders = [
            stack.enter_context(cameras(name, topics(name, count), picture(width, height)))
            for name, count, _ in rigs
        ]
        taken = [
            [of_frames(sender, rig[2]) for sender, rig in zip(senders, rigs, strict=True)]
            for _ in range(turns)
        ]
    by_count = dict(zip(map(str, COUNTS), zip(*taken, strict=True), strict=True))
    cost = {count: [ms for ms, _ in each] for count, each in by_count.items()}
    one = cost[str(COUNTS[0])]
    return {
        "size": f"{width}x{height}",
        "frames_per_second": {c: median(rate for _, rate in each) for c, each in by_count.items()},
        "cpu_ms": {count: median(each) for count, each in cost.items()},
        "over_one_camera": {
            count: median(ms / first for ms, first in zip(each, one, strict=True))
            for count, each in cost.items()
        },
    }


@contextmanager
def nodes(counts: Sequence[int]) -> Iterator[list[tuple[str, int, Measured]]]:
    """Name, number of cameras and process of each."""
    with ExitStack() as stack:
        found = []
        for count in counts:
            name = f"scale_{count}"
            parameters = {
                "model_repository": [str(REPOSITORY)],
                "load_models": [MODEL],
                "streams": streams(name, MODEL, count, **SETTINGS),
            }
            found.append((name, count, stack.enter_context(run_node(parameters, name))))
        yield found


def of_frames(sender: Cameras, node: Measured) -> tuple[float, float]:
    """The node's CPU in ms a frame, and frames a second."""
    used = node.cpu_seconds()
    run = sender.saturated(ON_THEIR_WAY, SECONDS)
    used = node.cpu_seconds() - used
    return used / run.answered * 1e3, run.answered / run.seconds
