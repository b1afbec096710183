# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Real frames through the real node: a bag's detections against golden ones.

The bag is made as the demo makes it (five frames of the front camera, four of the side camera),
the node runs in a process of its own, and each frame is published when the one before is answered.
What the streams must answer is in ``test/data/golden_scenes.jsonl``.  After a change that is meant
to change detections, record it anew, look at the diff, and commit it:

    RECORD_GOLDEN=1 python -m pytest test/ros/test_bag.py
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy")

from demo.bag import FRONT, SIDE, make_bag
from demo.client import Answer, Client
from demo.node_process import CHECKOUT, read_parameters, write_parameters
from demo.player import Player
from triton_ros.cli.golden import Tolerance, differences, golden_line, read_golden

REPOSITORY = CHECKOUT / "build/model_repository"
GOLDEN = Path(__file__).resolve().parent.parent / "data/golden_scenes.jsonl"
CAMERAS = (replace(FRONT, rate_hz=0.5), replace(SIDE, rate_hz=0.4))
LIMIT_S = 30.0

pytestmark = pytest.mark.skipif(
    not REPOSITORY.is_dir(), reason="no build/model_repository: run `make models`"
)


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


def test_detections_are_the_golden_ones(answers: dict[str, list[Answer]]) -> None:
    if os.environ.get("RECORD_GOLDEN"):
        lines = [golden_line(stream, a) for stream, found in answers.items() for a in found]
        GOLDEN.write_text("\n".join(lines) + "\n", encoding="utf-8")
        pytest.skip(f"recorded {GOLDEN.name}")
    golden = {stream: found for stream, found in read_golden(GOLDEN).items() if stream in answers}
    assert {"faces", "signs"} <= golden.keys()
    found = list(differences(golden, answers, Tolerance()))
    assert not found, "\n".join(found)
    for answer in (each for given in answers.values() for each in given):
        headers = {(f.stamp, f.frame_id) for f in answer.found}
        assert headers <= {(answer.stamp, answer.frame_id)}, "each detection has the frame's"


def test_goldens_show_every_stream_at_work() -> None:
    for stream, golden in read_golden(GOLDEN).items():
        clear = [f for a in golden for f in a.found if f.score >= Tolerance().least_score]
        assert len(clear) >= 2, stream
