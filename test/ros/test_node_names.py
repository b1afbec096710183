# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Namespaces, remapping, and two nodes side by side."""

from __future__ import annotations

from pathlib import Path

import pytest
from ros_client import Client, Launch, Run, stamps
from toy_models import write_repository
from toy_vision import toy_detector
from vision_msgs.msg import Detection2DArray

LEFT = ((0.0, 0.0, 0.25, 0.5),)


@pytest.fixture(scope="module")
def runs(launch: Launch, repository: Path) -> tuple[Run, Run]:
    """``/one/triton_ros`` with a remapped topic, and ``/two/deep/eyes``."""
    write_repository(repository, {"left": toy_detector(LEFT, labels=["left"]), "x": toy_detector()})

    def parameters(topic: str, model: str) -> dict[str, object]:
        stream = {"topic": topic, "model": model, "reliability": "reliable"}
        return {
            "model_repository": [str(repository)],
            "load_models": [],
            "streams": {"front": stream},
        }

    one = launch(
        parameters("camera/image", "left"),
        *("-r", "__ns:=/one", "-r", "camera/image:=/shared/image"),
        *("-r", "~/front/detections:=found"),
        name="/one/triton_ros",
    )
    two = launch(
        parameters("camera/image", "x"),
        *("-r", "__ns:=/two/deep", "-r", "__node:=eyes"),
        name="/two/deep/eyes",
        beside=one,
    )
    for run in (one, two):
        run.client.to_active()
    return one, two


@pytest.mark.parametrize(
    ("number", "camera", "detections"),
    [(0, "/shared/image", "/one/found"), (1, "/two/deep/camera/image", "front/detections")],
)
def test_each_answers_its_own_topic(
    runs: tuple[Run, Run], number: int, camera: str, detections: str
) -> None:
    clients: list[Client] = [run.client for run in runs]
    mine, other = clients[number], clients[1 - number]
    answers = mine.collect(Detection2DArray, detections)
    others = other.collect(Detection2DArray, ("/one/found", "front/detections")[number - 1])
    stamp = mine.camera(camera).send()
    mine.until(lambda: stamps(answers) == [stamp], "the frame is answered")
    assert not others


def test_services_and_parameters_are_each_nodes_own(runs: tuple[Run, Run]) -> None:
    one, two = (run.client for run in runs)
    assert one.trigger("models/x/load") == (True, "model 'x' is loaded")
    assert one.set({"streams.front.model": "x"}) == [""]
    assert one.set({"streams.front.model": "left"}) == [""]
    assert two.get("streams.front.model") == "x"
    assert two.set({"streams.front.model": "left"}) != [""], "it has not loaded that"
    assert two.change_state("deactivate")
    assert one.state() == "active"
    assert two.change_state("activate")


def test_diagnostics_tell_them_apart(runs: tuple[Run, Run]) -> None:
    one = runs[0].client
    for place, model in (("one/triton_ros", "left"), ("two/deep/eyes", "x")):
        one.until_status(
            f"{place}: stream front", lambda _, v, m=model: v["model"] == m, "has its own"
        )
