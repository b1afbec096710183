# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Found things -> vision_msgs.  Free functions; nothing here publishes.

All raise `KeyError`, `ValueError` or `TypeError` for outputs that do not fit: the messages
themselves would take anything, and fail when they are published.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from std_msgs.msg import Header
from vision_msgs.msg import (
    Classification,
    Detection2D,
    Detection2DArray,
    ObjectHypothesis,
    ObjectHypothesisWithPose,
)

from triton_ros.core.tensor import Array

ATTRIBUTE = "LABELS_"
Place = tuple[float, float, float, float, float]
"""(x, y, width, height, theta) with x, y the centre."""
Hypothesis = tuple[str, float]


def detections_message(header: Header, outputs: Mapping[str, Array]) -> Detection2DArray:
    """From BOXES [n, 4] or REGIONS [n, 4, 2], SCORES [n], LABELS [n] or CLASS_IDS [n].

    Source pixels all the way.  LABELS_<NAME> [n] (and SCORES_<NAME>) are what further models said
    of each detection: hypotheses behind the first, with the class "<name>:<label>".
    """
    message = Detection2DArray(header=header)
    places = _boxes(outputs["BOXES"]) if "BOXES" in outputs else _quads(outputs["REGIONS"])
    first = _hypotheses(outputs, "", len(places))
    names = sorted(name for name in outputs if name.startswith(ATTRIBUTE))
    more = [_hypotheses(outputs, name.removeprefix("LABELS"), len(places)) for name in names]
    message.detections = [
        _detection(header, place, [first[row], *(found[row] for found in more if found[row][0])])
        for row, place in enumerate(places)
    ]
    return message


def classification_message(header: Header, outputs: Mapping[str, Array]) -> Classification:
    """From LABELS [n] or CLASS_IDS [n], and SCORES [n]; the surest class first."""
    count = len(outputs["LABELS"] if "LABELS" in outputs else outputs["CLASS_IDS"])
    found = sorted(_hypotheses(outputs, "", count), key=lambda pair: -pair[1])
    results = [ObjectHypothesis(class_id=name, score=score) for name, score in found]
    return Classification(header=header, results=results)


def keypoints_message(
    header: Header, outputs: Mapping[str, Array], names: Sequence[str]
) -> Detection2DArray:
    """From KEYPOINTS [n, k, 2] and KEYPOINT_SCORES [n, k]: a box without size for each point.

    `class_id` is the point's name (its number where it has none); `id` is the index of the
    detection that the point belongs to.
    """
    points = outputs["KEYPOINTS"].astype(np.float64)
    count, each = points.shape[:2]
    scores = outputs.get("KEYPOINT_SCORES", np.ones((count, each))).astype(np.float64)
    titles = [*names[:each], *map(str, range(len(names), each))]
    message = Detection2DArray(header=header)
    message.detections = [
        _detection(header, (x, y, 0.0, 0.0, 0.0), [(title, score)], str(owner))
        for owner, (row, sure) in enumerate(zip(points.tolist(), scores.tolist(), strict=True))
        for (x, y), title, score in zip(row, titles, sure, strict=True)
    ]
    return message


def set_ids(message: Detection2DArray, ids: Sequence[int], points: Detection2DArray | None) -> None:
    """Give detections, and the points that belong to them, their tracks' ids; 0 is none yet."""
    for detection, track in zip(message.detections, ids, strict=True):
        detection.id = str(track) if track else ""
    for point in points.detections if points else ():
        point.id = message.detections[int(point.id)].id


def _boxes(boxes: Array) -> list[Place]:
    return [
        ((x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0, 0.0)
        for x0, y0, x1, y1 in boxes.astype(np.float64).tolist()
    ]


def _quads(quads: Array) -> list[Place]:
    """Of four corners in reading order; theta is the direction of reading."""
    rows = []
    for quad in quads.astype(np.float64):
        centre, along, down = quad.mean(0), quad[1] - quad[0], quad[3] - quad[0]
        theta = math.atan2(along[1], along[0])
        rows.append((centre[0], centre[1], math.hypot(*along), math.hypot(*down), theta))
    return rows


def _hypotheses(outputs: Mapping[str, Array], suffix: str, count: int) -> list[Hypothesis]:
    """Class and score of each detection; `suffix` chooses what is asked for ("_COLOR")."""
    kind = f"{suffix[1:].lower()}:" if suffix else ""
    names = [f"{kind}{name}" if name else "" for name in _class_names(outputs, suffix, count)]
    given = outputs.get(f"SCORES{suffix}")
    scores = [1.0] * count if given is None else [float(score) for score in given.tolist()]
    return list(zip(names, scores, strict=True))


def _class_names(outputs: Mapping[str, Array], suffix: str, count: int) -> list[str]:
    if f"LABELS{suffix}" in outputs:
        return [_text(label) for label in outputs[f"LABELS{suffix}"]]
    if f"CLASS_IDS{suffix}" in outputs:
        return [str(index) for index in outputs[f"CLASS_IDS{suffix}"].tolist()]
    return [""] * count


def _text(label: object) -> str:
    return label.decode("utf-8", "replace") if isinstance(label, bytes) else str(label)


def _detection(
    header: Header, place: Place, found: Sequence[Hypothesis], own_id: str = ""
) -> Detection2D:
    detection = Detection2D(header=header, id=own_id)
    for name, score in found:
        hypothesis = ObjectHypothesisWithPose()
        hypothesis.hypothesis.class_id = name
        hypothesis.hypothesis.score = score
        detection.results.append(hypothesis)
    box = detection.bbox
    box.center.position.x, box.center.position.y, box.size_x, box.size_y, box.center.theta = place
    return detection
