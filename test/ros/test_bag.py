# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Real frames through the real node: a bag's detections against golden ones.

The bag is made as the demo makes it (five frames of the front camera, four of the side camera),
the node runs in a process of its own, and each frame is published when the one before is answered.
What a stream must answer is in ``test/data/golden_<stream>.json``.  After a change that is meant to
change detections, record it anew, look at the diff, and commit it:

    RECORD_GOLDEN=1 python -m pytest test/ros/test_bag.py
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from difflib import SequenceMatcher
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import pytest

pytest.importorskip("rclpy")

from demo.bag import FRONT, SIDE, make_bag
from demo.client import Answer, Client, Found
from demo.node_process import CHECKOUT, read_parameters, write_parameters
from demo.player import Player

REPOSITORY = CHECKOUT / "build/model_repository"
GOLDEN = Path(__file__).resolve().parent.parent / "data"
CAMERAS = (replace(FRONT, rate_hz=0.5), replace(SIDE, rate_hz=0.4))
SCORE_TOLERANCE, ANGLE_TOLERANCE, LEAST_IOU = 0.08, 0.1, 0.9
LEAST_LIKENESS = 0.9
"""Of class names: a long text may be read with another space; no two classes are so alike."""
LEAST_SCORE = 0.6
"""Weaker detections come and go with the last bit of a CPU's arithmetic: not compared."""
LIMIT_S = 30.0

pytestmark = pytest.mark.skipif(
    not REPOSITORY.is_dir(), reason="no build/model_repository: run `make models`"
)


# --- Comparison ----------------------------------------------------------------------------------


def iou(one: Sequence[float], other: Sequence[float]) -> float:
    """Of two boxes (centre x, y, width, height, angle in radians)."""
    rectangles = [
        ((box[0], box[1]), (box[2], box[3]), math.degrees(box[4])) for box in (one, other)
    ]
    _, corners = cv2.rotatedRectangleIntersection(*rectangles)
    common = 0.0 if corners is None else cv2.contourArea(cv2.convexHull(corners))
    return common / (one[2] * one[3] + other[2] * other[3] - common)


def same(one: Found, other: Found) -> bool:
    turn = math.remainder(one.box[4] - other.box[4], 2 * math.pi)
    return (
        SequenceMatcher(None, one.class_id, other.class_id).ratio() >= LEAST_LIKENESS
        and abs(one.score - other.score) <= SCORE_TOLERANCE
        and abs(turn) <= ANGLE_TOLERANCE
        and iou(one.box, other.box) >= LEAST_IOU
    )


def differences(golden: Sequence[Answer], actual: Sequence[Answer]) -> Iterator[str]:
    """What is different, one line each; nothing when it is the same."""
    if [a.stamp for a in golden] != [a.stamp for a in actual]:
        yield f"stamps {[a.stamp for a in actual]}, golden {[a.stamp for a in golden]}"
        return
    for want, got in zip(golden, actual, strict=True):
        place = f"frame {want.stamp}"
        for header in (got, *got.found):
            if (header.stamp, header.frame_id) != (want.stamp, want.frame_id):
                yield f"{place}: header {header.stamp} '{header.frame_id}', not the frame's"
        yield from (f"{place}: missing {found}" for found in _alone(want.found, got.found))
        yield from (f"{place}: unexpected {found}" for found in _alone(got.found, want.found))


def _alone(these: Iterable[Found], others: Iterable[Found]) -> list[Found]:
    """The clear ones of `these` that have no partner of their own among `others`."""
    left, alone = list(others), []
    for found in sorted(these, key=lambda f: -f.score):
        partner = next((other for other in left if same(found, other)), None)
        if partner is not None:
            left.remove(partner)
        elif found.score >= LEAST_SCORE:
            alone.append(found)
    return alone


def read_golden(stream: str) -> list[Answer]:
    frames = json.loads((GOLDEN / f"golden_{stream}.json").read_text())
    return [_answer(frame) for frame in frames]


def _answer(frame: dict[str, Any]) -> Answer:
    stamp, frame_id = frame["stamp"], frame["frame_id"]
    found = (
        Found(row["class_id"], row["score"], tuple(row["box"]), frame_id, stamp)
        for row in frame["found"]
    )
    return Answer(stamp, frame_id, tuple(found))


def record_golden(stream: str, answers: Sequence[Answer]) -> None:
    """One line a detection, so that a diff can be read."""
    frames = []
    for answer in answers:
        lines = [f"\n    {json.dumps(_row(f), ensure_ascii=False)}" for f in answer.found]
        head = f'"stamp": {answer.stamp}, "frame_id": "{answer.frame_id}"'
        frames.append(f'  {{{head}, "found": [{",".join(lines)}]}}')
    text = "[\n" + ",\n".join(frames) + "\n]\n"
    (GOLDEN / f"golden_{stream}.json").write_text(text)


def _row(found: Found) -> dict[str, Any]:
    box = [round(value, 1) for value in found.box[:4]] + [round(found.box[4], 3)]
    return {"class_id": found.class_id, "score": round(found.score, 3), "box": box}


# --- The run -------------------------------------------------------------------------------------


@pytest.fixture
def answers(spawn: Callable[..., Any], tmp_path: Path) -> dict[str, list[Answer]]:
    """What each stream answered to the bag's frames, published one at a time."""
    parameters = read_parameters(REPOSITORY)
    write_parameters(tmp_path / "parameters.yaml", parameters)
    make_bag(tmp_path / "bag", CAMERAS)
    params_file = str(tmp_path / "parameters.yaml")
    node = spawn("-m", "triton_ros.main", "--ros-args", "--params-file", params_file)
    streams = parameters["streams"]
    with (
        Client(streams, pictures=False) as client,
        Player(client.node, tmp_path / "bag") as player,
    ):
        client.check = partial(_running, node)
        client.transition("configure")
        client.transition("activate")
        topics = [stream["topic"] for stream in streams.values()]
        client.wait(
            "the node's topics",
            lambda: (
                client.listening()
                and all(player.subscribers(topic) >= topics.count(topic) for topic in topics)
            ),
            LIMIT_S,
        )
        for topic, stamp, raw in player.frames():
            player.publish(topic, stamp, raw)
            asked = [name for name, stream in streams.items() if stream["topic"] == topic]
            answered = partial(_answered, client, asked, stamp)
            client.wait(f"an answer of {asked} to frame {stamp}", answered, LIMIT_S)
        client.transition("deactivate")  # answers that come twice have come by now
        return {name: results.answers for name, results in client.results.items()}


def _answered(client: Client, streams: Sequence[str], stamp: int) -> bool:
    return all(any(a.stamp == stamp for a in client.results[s].answers) for s in streams)


def _running(node: Any) -> None:
    assert node.poll() is None, f"the node ended with status {node.returncode}"


def test_detections_are_the_golden_ones(
    answers: dict[str, list[Answer]], subtests: pytest.Subtests
) -> None:
    for stream in ("objects", "faces", "signs"):
        with subtests.test(msg=stream):
            if stream not in answers:
                pytest.skip(f"the model of '{stream}' is not in build/model_repository")
            if os.environ.get("RECORD_GOLDEN"):
                record_golden(stream, answers[stream])
                pytest.skip(f"recorded golden_{stream}.json")
            found = list(differences(read_golden(stream), answers[stream]))
            assert not found, "\n".join(found)


# --- The comparison can fail ---------------------------------------------------------------------

BOX = (100.0, 80.0, 60.0, 40.0, 0.0)
CAT = Found("cat", 0.9, BOX, "cam", 5)
GOOD = Answer(5, "cam", (CAT, Found("cup", 0.7, (300.0, 200.0, 50.0, 50.0, 0.0), "cam", 5)))


def test_goldens_show_every_stream_at_work() -> None:
    for stream in ("objects", "faces", "signs"):
        golden = read_golden(stream)
        assert sum(f.score >= LEAST_SCORE for answer in golden for f in answer.found) >= 2, stream


def test_small_differences_are_none() -> None:
    moved = replace(CAT, score=0.86, box=(101.0, 80.5, 61.0, 40.0, 0.02))
    weak = Found("spoon", 0.5, BOX, "cam", 5)
    assert not list(differences([GOOD], [replace(GOOD, found=(GOOD.found[1], moved, weak))]))


@pytest.mark.parametrize(
    "change",
    [
        {"class_id": "dog"},
        {"score": 0.7},
        {"box": (106.0, 80.0, 60.0, 40.0, 0.0)},
        {"box": (100.0, 80.0, 60.0, 40.0, math.pi)},
        {"stamp": 6},
        {"frame_id": "other"},
    ],
)
def test_a_changed_detection_is_a_difference(change: dict[str, Any]) -> None:
    changed = replace(GOOD, found=(replace(CAT, **change), GOOD.found[1]))
    assert list(differences([GOOD], [changed]))


def test_a_lost_or_doubled_answer_or_detection_is_a_difference() -> None:
    assert list(differences([GOOD], []))
    assert list(differences([GOOD], [GOOD, GOOD]))
    assert list(differences([GOOD], [replace(GOOD, found=(CAT,))]))
    assert list(differences([GOOD], [replace(GOOD, found=(*GOOD.found, CAT))]))
    assert list(differences([GOOD], [replace(GOOD, frame_id="other")]))
    assert asdict(GOOD)["found"], "the example must have something to lose"
