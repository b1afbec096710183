# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How often a frame is copied between the middleware's buffer and the model's input.

Counted where Python sees it: `tracemalloc` has the peak of what was allocated (numpy and OpenCV's
arrays included) while a frame goes through a part of its way, and `whole_copies` is how often the
frame's bytes fit into it.

- *take*: `Subscription.take_message` of one frame, serialized (as the node) and as a message.
- *view*: `read_image` and the processor's `prepare`.
- *write*: into the model's input tensor, which was there before.

What happens in C++ before is not seen; from the sources of rclpy 9.1 and rmw_fastrtps 9.3: the
serialized take copies the payload of Fast DDS's history into a buffer of the RMW's, that into the
message of rcl, and that into the `bytes` that are counted here: three.  The take of a message
deserializes into the C message, and what Python makes of that is counted here.
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
import rclpy
from rclpy.qos import QoSProfile
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image

from benchmarks.cameras import image_message, picture
from benchmarks.direct import Preprocessing
from benchmarks.processes import REPOSITORY
from triton_ros.ros.image_cdr import read_image

SIZES = ((640, 480), (1920, 1080))
MODELS, TIMES, FIND_S, ARRIVES_S = ("blazeface", "coco_ssd"), 30, 1.0, 0.02


def measure(quick: bool) -> list[dict[str, Any]]:
    """A row of each size."""
    rows = []
    for width, height in SIZES[:1] if quick else SIZES:
        message = image_message(picture(width, height))
        row: dict[str, Any] = {"size": f"{width}x{height}", "frame_mb": len(message.data) / 1e6}
        row["take_serialized"] = take(message, raw=True)
        row["take_message"] = take(message, raw=False)
        for model in MODELS:
            row[model] = path(model, message)
        rows.append(row)
        print(row, flush=True)
    return rows


def take(message: Image, raw: bool) -> dict[str, float]:
    """One message out of the middleware, by this process' own publisher."""
    node = rclpy.create_node("copies", enable_rosout=False, start_parameter_services=False)
    publisher = node.create_publisher(Image, "copies", QoSProfile(depth=2))
    subscription = node.create_subscription(Image, "copies", print, QoSProfile(depth=2), raw=raw)
    serialized = serialize_message(message)

    def send() -> None:
        publisher.publish(serialized)
        time.sleep(ARRIVES_S)

    def get() -> object:
        found = subscription.handle.take_message(Image, raw)
        assert found is not None, "the frame is not there yet"
        return found

    try:
        time.sleep(FIND_S)
        return measured(get, len(message.data), send)
    finally:
        node.destroy_node()


def path(model: str, message: Image) -> dict[str, dict[str, float]]:
    """What the package does with the bytes."""
    prepared = Preprocessing(REPOSITORY, model)
    raw, size = serialize_message(message), len(message.data)
    source = prepared.source(read_image(raw)[1])
    slot = np.empty(source.shape, source.dtype)
    return {
        "view": measured(lambda: prepared.source(read_image(raw)[1]), size),
        "write": measured(lambda: source.write(slot), size),
    }


def measured(
    call: Callable[[], object], size: int, before: Callable[[], object] = lambda: None
) -> dict[str, float]:
    """Peak of the allocations in frames, and the median time in ms."""
    peaks, times = [], []
    for _ in range(TIMES):
        before()
        tracemalloc.start()
        tracemalloc.reset_peak()
        held = call()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        del held
    for _ in range(TIMES):
        before()
        start = time.perf_counter()
        held = call()
        times.append((time.perf_counter() - start) * 1e3)
        del held
    peak = median(peaks) / size
    return {"whole_copies": int(peak), "allocated_frames": peak, "ms": float(np.median(times))}
