# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Every transition of the node, from another process; also those that are refused or fail."""

from __future__ import annotations

from pathlib import Path

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from ros_client import Client, Launch, Run, stamps
from toy_models import write_model, write_repository
from toy_vision import toy_detector
from vision_msgs.msg import Detection2DArray


@pytest.fixture(scope="module")
def run(launch: Launch, repository: Path) -> Run:
    """One stream, whose topic's quality of service can be overridden with nonsense."""
    write_repository(repository, {"toy": toy_detector()})
    parameters = {
        "model_repository": [str(repository)],
        "streams": {"front": {"topic": "images", "model": "toy", "reliability": "reliable"}},
    }
    return launch(parameters)


@pytest.fixture
def client(run: Run) -> Client:
    """The client of an unconfigured node."""
    run.client.to_unconfigured()
    return run.client


def test_every_transition_and_what_it_leads_to(client: Client) -> None:
    steps = [
        ("configure", "inactive"),
        ("activate", "active"),
        ("deactivate", "inactive"),
        ("activate", "active"),
        ("deactivate", "inactive"),
        ("cleanup", "unconfigured"),
        ("configure", "inactive"),
        ("cleanup", "unconfigured"),
    ]
    assert client.state() == "unconfigured"
    for transition, state in steps:
        assert client.change_state(transition), transition
        assert client.state() == state
        client.until_status(
            "triton_ros: node",
            lambda status, values, state=state: (
                values["state"] == state
                and status.level == DiagnosticStatus.OK
                and status.message == state
            ),
            f"is {state}",
        )


@pytest.mark.parametrize(
    ("state", "refused"),
    [
        ("unconfigured", ["activate", "deactivate", "cleanup"]),
        ("inactive", ["configure", "deactivate"]),
        ("active", ["configure", "activate", "cleanup"]),
    ],
)
def test_transitions_that_a_state_does_not_have_are_refused(
    client: Client, state: str, refused: list[str]
) -> None:
    if state != "unconfigured":
        assert client.change_state("configure")
    if state == "active":
        assert client.change_state("activate")
    for transition in refused:
        assert not client.change_state(transition), transition
        assert client.state() == state


def test_frames_are_answered_only_while_active(client: Client) -> None:
    client.to_active()
    answers = client.collect(Detection2DArray, "front/detections")
    camera = client.camera("/images")
    sent = [camera.send()]
    client.until(lambda: stamps(answers) == sent, "the frame is answered")
    assert client.change_state("deactivate")
    client.until(lambda: not client.node.count_subscribers("/images"), "no subscription is left")
    camera.send()
    assert client.change_state("activate")
    client.until(lambda: client.node.count_subscribers("/images"), "it subscribes again")
    camera = client.camera("/images")
    sent.append(camera.send())
    client.until(lambda: len(answers) == 2, "the frame is answered")
    assert stamps(answers) == sent


def test_cleanup_takes_every_topic_and_service_away(client: Client) -> None:
    def ours() -> set[str]:
        topics = client.node.get_publisher_names_and_types_by_node("triton_ros", "/")
        services = client.node.get_service_names_and_types_by_node("triton_ros", "/")
        return {name for name, _ in topics + services if "/front/" in name or "/models/" in name}

    client.to_active()
    names = {
        *(f"/triton_ros/front/{t}" for t in ("detections", "annotated", "label_info")),
        "/triton_ros/front/vision_info",
        "/triton_ros/models/toy/load",
        "/triton_ros/models/toy/unload",
    }
    client.until(lambda: names <= ours(), "all topics and services are there")
    client.to_unconfigured()
    client.until(lambda: not ours(), "all topics and services are gone")


def test_a_missing_model_fails_configure_and_can_be_set_right(client: Client, run: Run) -> None:
    assert client.set({"streams.front.model": "nobody"}) == [""]
    assert not client.change_state("configure")
    assert client.state() == "unconfigured"
    reason = "model 'nobody' is not in the model repository; it has: toy"
    assert reason in run.node.log
    status = client.until_status(
        "triton_ros: node", lambda s, _: s.level == DiagnosticStatus.ERROR, "reports the failure"
    )
    assert reason in status.message
    client.diagnostics.clear()
    client.until_status("triton_ros: node", lambda s, _: reason in s.message, "goes on reporting")
    assert client.set({"streams.front.model": "toy"}) == [""]
    assert client.change_state("configure")
    client.until_status(
        "triton_ros: node", lambda s, _: s.level == DiagnosticStatus.OK, "has recovered"
    )


def test_a_model_to_load_that_does_not_exist_fails_configure(client: Client, run: Run) -> None:
    assert client.set({"load_models": ["*", "typo"]}) == [""]
    assert not client.change_state("configure")
    assert "model 'typo' is not in the model repository" in run.node.log
    assert client.set({"load_models": []}) == [""]  # the streams' models only
    assert client.change_state("configure")


def test_a_repository_that_is_not_there_fails_configure(
    client: Client, run: Run, repository: Path
) -> None:
    try:
        assert client.set({"model_repository": ["/nowhere"]}) == [""]
        assert not client.change_state("configure")
        assert "'/nowhere' is not a directory" in run.node.log
    finally:
        assert client.set({"model_repository": [str(repository)]}) == [""]
    assert client.change_state("configure")


def test_other_models_are_served_when_one_does_not_load(client: Client, repository: Path) -> None:
    good = toy_detector()
    write_model(repository / "broken", toy_detector())
    (repository / "broken/1/model.onnx").write_bytes(b"not a model")
    assert client.set({"load_models": ["*"]}) == [""]
    client.to_active()
    status = client.until_status(
        "triton_ros: model broken", lambda s, _: s.level == DiagnosticStatus.ERROR, "has failed"
    )
    assert "model.onnx" in status.message or "broken" in status.message
    client.until_status("triton_ros: model toy", lambda _, v: v["state"] == "READY", "serves")
    success, message = client.trigger("models/broken/load")
    assert not success
    assert "broken" in message

    write_model(repository / "broken", good)
    assert client.trigger("models/broken/load") == (True, "model 'broken' is loaded")
    client.until_status(
        "triton_ros: model broken", lambda s, _: s.level == DiagnosticStatus.OK, "serves"
    )
    assert client.set({"streams.front.model": "broken"}) == [""]


def test_an_activation_that_fails_is_undone(launch: Launch, repository: Path) -> None:
    write_repository(repository, {"toy": toy_detector()})
    stream = {"topic": "images_a", "model": "toy"}
    parameters = {
        "model_repository": [str(repository)],
        "streams": {"a": stream, "b": {"topic": "images_b", "model": "toy"}},
        "qos_overrides": {"/images_b": {"subscription": {"reliability": "banana"}}},
    }
    run = launch(parameters, "-r", "__node:=half", name="/half")
    client = run.client
    assert client.change_state("configure")
    assert not client.change_state("activate")
    assert client.state() == "inactive"
    status = client.until_status(
        "half: node", lambda s, _: s.level == DiagnosticStatus.ERROR, "reports the failure"
    )
    assert "banana" in status.message
    client.until(lambda: not client.node.count_subscribers("/images_a"), "stream a is undone")
    client.until_status("half: stream a", lambda s, _: s.message == "inactive", "is inactive")
    assert client.change_state("cleanup")


@pytest.mark.parametrize("state", ["unconfigured", "inactive", "active"])
def test_a_client_can_shut_it_down_and_the_process_still_ends_well(
    launch: Launch, repository: Path, state: str
) -> None:
    write_repository(repository, {"toy": toy_detector()})
    parameters = {
        "model_repository": [str(repository)],
        "streams": {"front": {"topic": "images", "model": "toy"}},
    }
    run = launch(parameters, "-r", f"__node:=last_{state}", name=f"/last_{state}")
    if state != "unconfigured":
        assert run.client.change_state("configure")
    if state == "active":
        assert run.client.change_state("activate")
    assert run.client.change_state("shutdown")
    assert run.client.state() == "finalized"
    assert not run.client.change_state("configure")
    assert run.node.stop()[0] == 0, run.node.log
