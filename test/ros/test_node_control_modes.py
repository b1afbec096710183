# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Who decides what is loaded: modes poll and none beside explicit, which the other tests use."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from ros_client import LATCHED, Client, Launch, Run, stamps
from toy_models import write_model, write_repository
from toy_vision import toy_detector
from vision_msgs.msg import Detection2DArray, LabelInfo

REFUSED = (False, "explicit model load / unload is not allowed if polling is enabled")


@pytest.fixture(scope="module")
def run(launch: Launch, repository: Path) -> Run:
    write_repository(repository, {"toy": toy_detector(labels=["first"])})
    parameters = {
        "model_repository": [str(repository)],
        "model_control_mode": "poll",
        "repository_poll_secs": 0.1,
        "poll_quiet_secs": 0.2,
        "diagnostics_period_s": 0.1,
        "streams": {"front": {"topic": "images", "model": "toy", "reliability": "reliable"}},
    }
    return launch(parameters)


@pytest.fixture
def client(run: Run) -> Client:
    """The client of an active node."""
    if run.client.state() != "active":
        run.client.to_unconfigured()
        run.client.to_active()
    return run.client


def test_a_model_that_comes_is_loaded_and_has_services_that_refuse(
    client: Client, repository: Path
) -> None:
    assert client.trigger("models/toy/load") == REFUSED
    assert client.trigger("models/toy/unload") == REFUSED
    write_model(repository / "later", toy_detector())
    client.until_status("triton_ros: model later", lambda _, v: v["state"] == "READY", "serves")
    assert client.trigger("models/later/load") == REFUSED
    assert client.set({"streams.front.model": "later"}) == [""]
    assert client.set({"streams.front.model": "toy"}) == [""]
    shutil.rmtree(repository / "later")
    client.until(
        lambda: (
            any(status.name == "triton_ros: node" for status in client.diagnostics[-1].status)
            and not any(
                status.name == "triton_ros: model later" for status in client.diagnostics[-1].status
            )
        ),
        "the model that went is not listed any more",
    )


def test_a_stream_follows_its_model(client: Client, repository: Path) -> None:
    """It answers from the new files and announces their labels, once."""
    labels = client.collect(LabelInfo, "front/label_info", LATCHED)
    client.until(lambda: labels and labels[-1].class_map[0].class_name == "first", "the old labels")
    write_model(repository / "toy", toy_detector(labels=["second"], count=3))
    client.until(lambda: labels[-1].class_map[0].class_name == "second", "the new labels")
    announced = len(labels)
    for _ in range(3):
        assert client.values("triton_ros: model toy")["instances"] == "3"
    assert len(labels) == announced, "not at every look"
    answers = client.collect(Detection2DArray, "front/detections")
    camera = client.camera("/images")
    stamp = camera.send()
    client.until(lambda: stamps(answers) == [stamp], "the frame is answered")
    assert answers[0].detections[0].results[0].hypothesis.class_id == "second"
    camera.close()


def test_what_comes_broken_is_said_and_serves_once_it_is_whole(
    client: Client, repository: Path
) -> None:
    model = repository / "upload"
    write_model(model, toy_detector())
    good = (model / "1/model.onnx").read_bytes()
    (model / "1/model.onnx").write_bytes(good[:100])
    client.until_status(
        "triton_ros: model upload", lambda s, _: s.level == DiagnosticStatus.ERROR, "has failed"
    )
    (model / "1/model.onnx").write_bytes(good)
    client.until_status(
        "triton_ros: model upload", lambda s, _: s.level == DiagnosticStatus.OK, "serves"
    )
    shutil.rmtree(model)


def test_a_model_that_goes_is_missed_and_answers_when_it_is_back(
    client: Client, repository: Path
) -> None:
    kept = repository.parent / "kept"
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(repository / "toy", kept)
    shutil.rmtree(repository / "toy")
    client.until_status(
        "triton_ros: stream front", lambda s, _: s.level == DiagnosticStatus.WARN, "misses it"
    )
    shutil.move(kept, repository / "toy")
    client.until_status(
        "triton_ros: stream front", lambda s, _: s.level == DiagnosticStatus.OK, "is well again"
    )


def test_mode_none_loads_everything_once(client: Client, repository: Path) -> None:
    client.to_unconfigured()
    assert client.set({"model_control_mode": "none"}) == [""]
    write_model(repository / "other", toy_detector())
    client.to_active()
    client.until_status("triton_ros: model other", lambda _, v: v["state"] == "READY", "serves")
    assert client.trigger("models/other/unload") == REFUSED
    write_model(repository / "too_late", toy_detector())
    assert client.trigger("models/too_late/load") == REFUSED
    client.until_status(
        "triton_ros: model too_late", lambda _, v: v["state"] == "UNKNOWN", "is not loaded"
    )
    for name in ("other", "too_late"):
        shutil.rmtree(repository / name)
    client.to_unconfigured()
    assert client.set({"model_control_mode": "poll"}) == [""]


def test_a_choice_of_models_needs_mode_explicit(client: Client) -> None:
    client.to_unconfigured()
    assert client.set({"load_models": ["toy"]}) == [""]
    assert not client.change_state("configure")
    reason = "parameter 'load_models' is ['toy']: model_control_mode poll loads every model"
    client.until_status("triton_ros: node", lambda s, _: reason in s.message, reason)
    assert client.set({"model_control_mode": "explicit"}) == [""]
    assert client.change_state("configure")
    assert client.trigger("models/toy/load") == (True, "model 'toy' is loaded")
    assert client.change_state("cleanup")
    assert client.set({"load_models": ["*"], "model_control_mode": "poll"}) == [""]
