# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Where a replayed stream's messages go instead of topics: into a bag, and into rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from triton_ros.cli import golden
from triton_ros.cli.bag_files import BagWriter
from triton_ros.cli.golden import NOWHERE, Found
from triton_ros.core.tensor import Array
from triton_ros.ros.frame import Answer
from triton_ros.ros.stream_outputs import StreamOutputs
from triton_ros.ros.stream_settings import StreamSettings

UNASKED = ("annotated", "annotated/compressed", "timing/")
"""Topics that nobody asked a bag for."""


class Recorder:
    """One topic of a bag; without a bag, messages are built and go nowhere."""

    active = True

    def __init__(self, topic: str, bag: BagWriter | None, now_ns: Callable[[], int]) -> None:
        self._topic = topic
        self._bag = bag
        self._now_ns = now_ns
        part = topic.split("/", 3)[-1]
        self.listened = bag is not None and not part.startswith(UNASKED)

    def publish(self, message: Any) -> bool:
        if self._bag is not None:
            header = getattr(message, "header", None)
            stamp = header.stamp.sec * 10**9 + header.stamp.nanosec if header else 0
            self._bag.write(self._topic, message, stamp or self._now_ns())
        return True

    def close(self) -> None: ...


class RecordedOutputs(StreamOutputs):
    """Also hands on each answer, in the order of the frames."""

    on_answer: Callable[[Answer], None]

    def publish(self, answer: Answer, settings: StreamSettings) -> bool:
        sent = super().publish(answer, settings)
        self.on_answer(answer)
        return sent


def golden_answer(answer: Answer) -> golden.Answer:
    """What a golden file keeps of an answer."""
    header = answer.frame.header
    found: list[Found] = []
    if "detections" in answer.messages:
        for detection in answer.messages["detections"].detections:
            box = detection.bbox
            place = (box.center.position.x, box.center.position.y, box.size_x, box.size_y)
            first = detection.results[0].hypothesis
            found.append(Found(first.class_id, first.score, (*place, box.center.theta)))
    elif "classification" in answer.messages:
        results = answer.messages["classification"].results
        found += [Found(result.class_id, result.score, NOWHERE) for result in results]
    elif "CLASS_MAP" in answer.response.outputs:
        found += _places_of(answer.response.outputs["CLASS_MAP"])
    return golden.Answer(header.stamp_ns, header.frame_id, tuple(found))


def _places_of(ids: Array) -> Iterator[Found]:
    """Where each class of a map [h, w] is: the box around its pixels; 0 is the background."""
    for class_id in np.unique(ids[ids != 0]).tolist():
        rows, columns = np.nonzero(ids == class_id)
        (top, bottom), (left, right) = ((int(a.min()), int(a.max()) + 1) for a in (rows, columns))
        box = ((left + right) / 2, (top + bottom) / 2, right - left, bottom - top, 0.0)
        yield Found(str(class_id), 1.0, box)


def json_row(stream: str, model: str, answer: Answer, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """A line of a results file: a frame of a stream, and what was found in it."""
    header = answer.frame.header
    return {
        "stream": stream,
        "stamp": header.stamp_ns,
        "frame_id": header.frame_id,
        "model": model,
        "version": answer.response.model_version,
        "found": rows,
    }
