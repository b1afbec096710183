# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Where the time of a frame went, stage by stage, in milliseconds.

Of an ensemble, `queue` to `postprocess` are sums over its steps, which may have run side by side;
`total` is from reception to publication, `age` from the frame's stamp to it, in ROS time.
"""

from __future__ import annotations

from triton_ros.core.request import Timing

STAGES = ("queue", "preprocess", "inference", "postprocess", "total", "age")


def stages(timing: Timing, total_ns: int, age_ns: int) -> dict[str, float]:
    """Milliseconds by `STAGES`."""
    nanoseconds = (
        timing.queue_ns,
        timing.compute_input_ns,
        timing.compute_infer_ns,
        timing.compute_output_ns,
        total_ns,
        age_ns,
    )
    return {stage: ns / 1e6 for stage, ns in zip(STAGES, nanoseconds, strict=True)}
