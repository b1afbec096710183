# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What streams must answer, in JSON lines, and how far an answer may be from it.

A line is a frame of a stream::

    {"stream": "front", "stamp": 17..., "frame_id": "cam", "found": [
      {"class_id": "cup", "score": 0.93, "box": [x, y, width, height, theta]}]}

with the box's centre, in pixels and radians.  Frames are compared by stream and stamp; what was
found, in whatever order, by class, score, angle and overlap.  Of a model that classes pixels, each
class but 0 is there with the box around its pixels.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, TypeAlias

import cv2

from triton_ros.core.errors import InvalidArgumentError

ANGLE = 0.1
"""Radians that may lie between two directions of reading."""
LIKENESS = 0.9
"""Of class names: a long text may be read with another space; no two classes are so alike."""

Box: TypeAlias = tuple[float, float, float, float, float]
"""Centre x, y, width, height, angle."""
NOWHERE: Box = (0.0, 0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Found:
    """One detection, or a class without a place (a box of zeros)."""

    class_id: str
    score: float
    box: Box


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found in one frame."""

    stamp: int
    frame_id: str
    found: tuple[Found, ...]


Answers: TypeAlias = Mapping[str, Sequence[Answer]]
"""By stream, in the order of the frames."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How alike two detections must be; those weaker than `least_score` come and go with the last
    bit of a CPU's arithmetic and are not compared.
    """

    iou: float = 0.9
    score: float = 0.08
    least_score: float = 0.6


def iou(one: Box, other: Box) -> float:
    """Of two turned boxes; 1 for two that have no area in one place."""
    first, second = (((b[0], b[1]), (b[2], b[3]), math.degrees(b[4])) for b in (one, other))
    areas = one[2] * one[3] + other[2] * other[3]
    if areas == 0:
        return float(one[:2] == other[:2])
    _, corners = cv2.rotatedRectangleIntersection(first, second)
    common = 0.0 if corners is None else float(cv2.contourArea(cv2.convexHull(corners)))
    return common / (areas - common)


def same(one: Found, other: Found, limits: Tolerance) -> bool:
    """Whether two detections are of one thing."""
    turn = math.remainder(one.box[4] - other.box[4], 2 * math.pi)
    return (
        SequenceMatcher(None, one.class_id, other.class_id).ratio() >= LIKENESS
        and abs(one.score - other.score) <= limits.score
        and abs(turn) <= ANGLE
        and iou(one.box, other.box) >= limits.iou
    )


def differences(golden: Answers, actual: Answers, limits: Tolerance) -> Iterator[str]:
    """What is different, one line each; nothing when it is the same."""
    for stream in sorted({*golden, *actual}):
        for difference in _of_stream(golden.get(stream, ()), actual.get(stream, ()), limits):
            yield f"stream {stream}: {difference}"


def _of_stream(
    golden: Sequence[Answer], actual: Sequence[Answer], limits: Tolerance
) -> Iterator[str]:
    wanted, got = [a.stamp for a in golden], [a.stamp for a in actual]
    if len(set(got)) < len(got):
        yield f"answered twice: {sorted({stamp for stamp in got if got.count(stamp) > 1})}"
    for stamp in sorted({*wanted} - {*got}):
        yield f"frame {stamp}: not answered"
    for stamp in sorted({*got} - {*wanted}):
        yield f"frame {stamp}: not in the golden file"
    by_stamp = {answer.stamp: answer for answer in actual}
    for want in golden:
        have = by_stamp.get(want.stamp)
        if have is not None:
            yield from _of_frame(want, have, limits)


def _of_frame(want: Answer, have: Answer, limits: Tolerance) -> Iterator[str]:
    place = f"frame {want.stamp}"
    if have.frame_id != want.frame_id:
        yield f"{place}: frame_id '{have.frame_id}', golden '{want.frame_id}'"
    yield from (f"{place}: missing {_words(f)}" for f in _alone(want.found, have.found, limits))
    yield from (f"{place}: unexpected {_words(f)}" for f in _alone(have.found, want.found, limits))


def _words(found: Found) -> str:
    box = " ".join(f"{value:g}" for value in found.box[:4])
    return f"'{found.class_id}' {found.score:.2f} at {box}"


def _alone(these: Iterable[Found], others: Iterable[Found], limits: Tolerance) -> list[Found]:
    """The clear ones of `these` that have no partner of their own among `others`."""
    left, alone = list(others), []
    for found in sorted(these, key=lambda f: -f.score):
        partner = next((other for other in left if same(found, other, limits)), None)
        if partner is not None:
            left.remove(partner)
        elif found.score >= limits.least_score:
            alone.append(found)
    return alone


def read_golden(path: Path) -> dict[str, list[Answer]]:
    """The answers of a file by stream; raises `InvalidArgumentError` naming the line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgumentError(f"golden file {path} cannot be read: {error}") from error
    answers: dict[str, list[Answer]] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            answers.setdefault(str(row["stream"]), []).append(_answer(row))
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidArgumentError(
                f"{path}:{number}: not a line of stream, stamp, frame_id, found: {error!r}"
            ) from error
    return answers


def _answer(row: Mapping[str, Any]) -> Answer:
    found = []
    for each in row["found"]:
        x, y, width, height, theta = map(float, each["box"])
        box = (x, y, width, height, theta)
        found.append(Found(str(each["class_id"]), float(each["score"]), box))
    return Answer(int(row["stamp"]), str(row["frame_id"]), tuple(found))


def golden_line(stream: str, answer: Answer) -> str:
    """The line of a frame, rounded so that a diff can be read."""
    found = [
        {
            "class_id": f.class_id,
            "score": round(f.score, 3),
            "box": [*(round(value, 1) for value in f.box[:4]), round(f.box[4], 3)],
        }
        for f in answer.found
    ]
    row = {"stream": stream, "stamp": answer.stamp, "frame_id": answer.frame_id, "found": found}
    return json.dumps(row, ensure_ascii=False)
