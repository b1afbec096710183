# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A frame's deadline and its priority reach the model's queue, and change while frames flow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from ros_client import Camera, Client, Launch, Run
from toy_models import write_repository
from toy_vision import toy_detector
from vision_msgs.msg import Detection2DArray

FRAMES = 8
LEVELS = "dynamic_batching { priority_levels: 2 default_priority_level: 2 }"


@pytest.fixture(scope="module")
def run(launch: Launch, repository: Path) -> Run:
    """Two streams that put all their frames into the queue of one slow model, one by one."""
    toy = toy_detector(turns=120_000)  # 0.08 s on a fast core: diagnostics come meanwhile
    assert toy.config is not None
    config = toy.config.replace("max_batch_size: 8", f"max_batch_size: 1 {LEVELS}")
    write_repository(repository, {"slow": replace(toy, config=config)})

    def stream(topic: str) -> dict[str, object]:
        queues = {"policy": "queue:100", "in_flight": 64, "depth": 100}
        return {"topic": topic, "model": "slow", "reliability": "reliable", **queues}

    parameters = {
        "model_repository": [str(repository)],
        "diagnostics_period_s": 0.1,
        "streams": {"many": stream("many"), "few": stream("few")},
    }
    run = launch(parameters)
    run.client.to_active()
    return run


@pytest.fixture
def camera(client: Client) -> Iterator[Camera]:
    camera = client.camera("/many")
    yield camera
    camera.close()


def test_a_deadline_is_live_and_drops_what_waits_too_long(client: Client, camera: Camera) -> None:
    def fates() -> tuple[int, int]:
        """How many of the frames were answered, and how many dropped for their deadline."""
        before = client.values("triton_ros: stream many")
        for _ in range(FRAMES):
            camera.send()
        status = client.until_status(
            "triton_ros: stream many",
            lambda _, v: (
                int(v["received"]) == int(before["received"]) + FRAMES and v["waiting"] == "0"
            ),
            "all frames are accounted for",
        )
        assert status.level == DiagnosticStatus.OK, "who asks for fresh frames wants that"
        after = {pair.key: pair.value for pair in status.values}
        answered, late = (
            int(after.get(key, 0)) - int(before.get(key, 0))
            for key in ("answered", "dropped_deadline")
        )
        return answered, late

    assert fates() == (FRAMES, 0)
    assert client.set({"streams.many.deadline_ms": 50}) == [""]
    answered, late = fates()
    assert answered <= 2
    assert answered + late == FRAMES
    failed = client.values("triton_ros: model slow")
    assert int(failed["failures_deadline"]) == late
    assert client.set({"streams.many.deadline_ms": 0.0}) == [""]
    assert fates() == (FRAMES, 0)


def test_a_priority_is_live_and_overtakes(client: Client, camera: Camera) -> None:
    few = client.camera("/few")

    def answered_before() -> int:
        """How many frames of the other stream, which came before, are answered before."""
        others = client.collect(Detection2DArray, "many/detections")
        answers = client.collect(Detection2DArray, "few/detections")
        for _ in range(FRAMES):
            camera.send()
        client.until_status(
            "triton_ros: model slow", lambda _, v: int(v["pending"]) >= FRAMES - 3, "they wait"
        )
        few.send()
        client.until(lambda: answers, "it is answered")
        before = len(others)
        client.until(lambda: len(others) == FRAMES, "the others are answered, too")
        return before

    assert answered_before() >= FRAMES - 1
    assert client.set({"streams.few.priority": 1}) == [""]
    assert answered_before() < FRAMES - 2
    assert client.set({"streams.few.priority": 0}) == [""]
    assert answered_before() >= FRAMES - 1
    few.close()
