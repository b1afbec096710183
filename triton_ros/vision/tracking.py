# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Detections of a frame -> stable ids, by norfair (PyPI `norfair-enough`, BSD-3).

A track is a Kalman filter on the corners of a box; a detection belongs to the track of its class
whose predicted box it overlaps most.  norfair is imported when the first tracker is made, because
only streams that want ids need it.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from triton_ros.core.errors import UnavailableError
from triton_ros.core.tensor import Array

TRACKERS = ("", "norfair")
UNCONFIRMED = 0


@dataclass(frozen=True, slots=True)
class TrackerSettings:
    """`iou` is the least overlap with where a track should be now; a track ends after
    `max_missed` frames without a detection, and begins with the second one.
    """

    kind: str = ""
    iou: float = 0.3
    max_missed: int = 15


class Tracker:
    """Follows the boxes of one stream; frames must come in their order, one at a time."""

    def __init__(self, settings: TrackerSettings) -> None:
        norfair = _norfair()
        self.settings = settings
        self._make_detection = norfair.Detection
        self._tracker = norfair.Tracker(
            distance_function="iou",
            distance_threshold=1.0 - settings.iou,
            hit_counter_max=settings.max_missed,
            initialization_delay=1,
            past_detections_length=0,
        )
        self._frames = itertools.count()

    def update(self, outputs: Mapping[str, Array]) -> Array:
        """The track of each detection, int32 [n]; `UNCONFIRMED` for one seen only once.

        `outputs` have BOXES [n, 4] or REGIONS [n, 4, 2]; CLASS_IDS or LABELS [n] keep classes
        apart.
        """
        boxes = bounds(outputs)
        labels = outputs.get("CLASS_IDS", outputs.get("LABELS", np.zeros(len(boxes))))
        frame = next(self._frames)
        detections = [
            self._make_detection(points=box.reshape(2, 2), label=str(label), data=(frame, index))
            for index, (box, label) in enumerate(zip(boxes, labels, strict=True))
        ]
        ids = np.full(len(boxes), UNCONFIRMED, np.int32)
        for track in self._tracker.update(detections=detections):
            seen, index = track.last_detection.data
            if seen == frame:
                ids[index] = track.id
        return ids


def bounds(outputs: Mapping[str, Array]) -> Array:
    """Upright boxes [n, 4] (x0, y0, x1, y1) of whatever the detections are, float64."""
    if "BOXES" in outputs:
        return outputs["BOXES"].astype(np.float64)
    quads = outputs["REGIONS"].astype(np.float64)
    return np.concatenate([quads.min(axis=1), quads.max(axis=1)], axis=1)


def check_tracker(kind: str) -> None:
    """Raises `UnavailableError` if the library that a tracker needs is not installed."""
    if kind:
        _norfair()


def _norfair() -> Any:
    try:
        import norfair  # noqa: PLC0415 (only who tracks needs it)
    except ImportError as error:
        raise UnavailableError(
            "tracker 'norfair' needs the Python package norfair-enough, which is not installed:"
            " pip install norfair-enough"
        ) from error
    return norfair
