# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Models come, go and change while frames flow; no frame is lost, none is answered by two."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from ros_client import LATCHED, Client, Launch, Run, Traffic
from std_srvs.srv import Trigger
from toy_models import Toy, onnx_identity, write_model, write_repository
from toy_vision import toy_detector
from vision_msgs.msg import Detection2DArray, LabelInfo, VisionInfo

LEFT = ((0.0, 0.0, 0.25, 0.5),)
RIGHT = ((0.5, 0.5, 0.75, 1.0),)
SLOW_TO_LOAD = toy_detector(turns=100_000, warm_up=20)  # some seconds


@pytest.fixture(scope="module")
def run(launch: Launch, repository: Path) -> Run:
    """Two detectors that are told apart by their label and their box."""
    write_repository(
        repository,
        {
            "left": toy_detector(LEFT, labels=["left"], count=2, turns=500),
            "right": toy_detector(RIGHT, labels=["right"], turns=1500),
            "raw": Toy(onnx_identity(), config=""),
            "2nd try": toy_detector(),
            "a_b": toy_detector(),
            "a-b": toy_detector(),
        },
    )
    parameters = {
        "model_repository": [str(repository)],
        "load_models": ["right", "raw"],
        "diagnostics_period_s": 0.1,
        "streams": {
            "front": {
                "topic": "images",
                "model": "left",
                "reliability": "reliable",
                "depth": 100,
                "policy": "queue:100",
            }
        },
    }
    run = launch(parameters)
    run.client.to_active()
    return run


@pytest.fixture
def client(run: Run) -> Client:
    """The client of an active node whose stream `left` answers."""
    client = run.client
    if client.state() != "active":
        client.to_unconfigured()
        client.to_active()
    assert client.trigger("models/left/load")[0]
    assert client.set({"streams.front.model": "left"}) == [""]
    return client


@pytest.fixture
def traffic(client: Client) -> Iterator[Traffic]:
    answers = client.collect(Detection2DArray, "front/detections")
    camera = client.camera("/images")
    yield Traffic(client, camera, answers)
    camera.close()


def who(answer: Detection2DArray) -> str:
    """The model that answered; its box and its label must both be its own."""
    (detection,) = answer.detections
    label, x = detection.results[0].hypothesis.class_id, detection.bbox.center.position.x
    assert (label, x) in [("left", 8.0), ("right", 40.0)]
    return str(label)


def test_setting_the_model_swaps_without_losing_a_frame(client: Client, traffic: Traffic) -> None:
    traffic.during(lambda: traffic.answers, "answers come")
    names = ["right", "left", "right"]
    for name in names:
        request = SetParameters.Request(
            parameters=[Parameter("streams.front.model", value=name).to_parameter_msg()]
        )
        future = client.start_call(SetParameters, "set_parameters", request)
        traffic.during(future.done, f"the stream swaps to {name}")
        assert future.result().results[0].successful
        last = len(traffic.sent)
        traffic.during(lambda last=last: len(traffic.answers) > last, f"{name} answers")
        assert who(traffic.answers[-1]) == name
    traffic.end()
    order = [who(answer) for answer in traffic.answers]
    changes = [b for a, b in itertools.pairwise(order) if a != b]
    assert changes == names, "each answer is from one model, and none comes back"


def test_reload_under_traffic_loses_no_frame(client: Client, traffic: Traffic) -> None:
    for _ in range(3):
        future = client.start_call(Trigger, "models/left/load", Trigger.Request())
        traffic.during(future.done, "the model is loaded again")
        assert future.result().success, future.result().message
    traffic.end()
    assert {who(answer) for answer in traffic.answers} == {"left"}


def test_a_new_file_answers_after_a_reload(
    client: Client, traffic: Traffic, repository: Path
) -> None:
    traffic.during(lambda: traffic.answers, "answers come")
    write_model(repository / "left", toy_detector(RIGHT, labels=["right"]))
    try:
        future = client.start_call(Trigger, "models/left/load", Trigger.Request())
        traffic.during(future.done, "the model is loaded again")
        traffic.end()
        order = [who(answer) for answer in traffic.answers]
        assert order == sorted(order)
        assert {*order} == {"left", "right"}
        labels = client.collect(LabelInfo, "front/label_info", LATCHED)
        client.until(lambda: labels, "the labels are there")
        assert labels[-1].class_map[0].class_name == "right"
    finally:
        write_model(repository / "left", toy_detector(LEFT, labels=["left"], count=2, turns=500))


def test_a_reload_that_fails_leaves_the_old_one_running(
    client: Client, traffic: Traffic, repository: Path
) -> None:
    file = repository / "left/1/model.onnx"
    good = file.read_bytes()
    file.write_bytes(good[:100])
    try:
        traffic.during(lambda: traffic.answers, "answers come")
        future = client.start_call(Trigger, "models/left/load", Trigger.Request())
        traffic.during(future.done, "the load is answered")
        assert not future.result().success
        assert "left" in future.result().message
        traffic.during(lambda: True, "more frames")
        traffic.end()
        client.until_status(
            "triton_ros: model left", lambda s, _: s.level == DiagnosticStatus.WARN, "warns"
        )
    finally:
        file.write_bytes(good)
    assert client.trigger("models/left/load") == (True, "model 'left' is loaded")
    client.until_status(
        "triton_ros: model left", lambda s, _: s.level == DiagnosticStatus.OK, "is well again"
    )


def test_unload_counts_frames_and_load_brings_answers_back(
    client: Client, traffic: Traffic, run: Run
) -> None:
    before = int(client.values("triton_ros: stream front").get("dropped_model_unavailable", 0))
    assert client.trigger("models/left/unload") == (True, "model 'left' is unloaded")
    camera = client.camera("/images")
    for _ in range(4):
        camera.send()
    status = client.until_status(
        "triton_ros: stream front",
        lambda _, v: int(v.get("dropped_model_unavailable", 0)) == before + 4,
        "the frames are counted",
    )
    assert status.level == DiagnosticStatus.WARN
    assert "'left'" in status.message
    assert not traffic.answers
    assert client.trigger("models/left/load")[0]
    traffic.during(lambda: traffic.answers, "answers come again")
    traffic.end()
    client.until_status(
        "triton_ros: stream front", lambda s, _: s.level == DiagnosticStatus.OK, "is well again"
    )
    camera.close()


def test_a_hundred_waiting_frames_end_with_their_model(client: Client, repository: Path) -> None:
    """Each ends in the call that ends the one before; they must not pile up on the stack."""
    write_model(repository / "left", toy_detector(LEFT, labels=["left"], turns=100_000))
    assert client.trigger("models/left/load")[0]
    before = client.values("triton_ros: stream front")
    camera = client.camera("/images")
    for _ in range(100):
        camera.send()
    client.until_status(
        "triton_ros: stream front",
        lambda _, v: int(v["received"]) == int(before["received"]) + 100,
        "all frames have come",
    )
    assert client.trigger("models/left/unload")[0]
    status = client.until_status(
        "triton_ros: stream front", lambda _, v: v["waiting"] == "0", "no frame waits"
    )
    dropped = {pair.key: pair.value for pair in status.values}["dropped_model_unavailable"]
    assert int(dropped) - int(before.get("dropped_model_unavailable", 0)) > 90
    write_model(repository / "left", toy_detector(LEFT, labels=["left"], count=2, turns=500))
    camera.close()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("nobody", "unknown model: 'nobody'"),
        ("2nd try", "'2nd try'"),
        ("raw", "give it a vision.yaml"),
        ("", "accepted: a model's name"),
    ],
)
def test_a_refused_swap_says_why_and_changes_nothing(
    client: Client, traffic: Traffic, name: str, reason: str
) -> None:
    (message,) = client.set({"streams.front.model": name})
    assert reason in message
    assert client.get("streams.front.model") == "left"
    traffic.during(lambda: traffic.answers, "answers come")
    traffic.end()
    assert {who(answer) for answer in traffic.answers} == {"left"}


def test_infos_are_published_again_and_the_version_grows(client: Client) -> None:
    labels = client.collect(LabelInfo, "front/label_info", LATCHED)
    info = client.collect(VisionInfo, "front/vision_info", LATCHED)
    client.until(lambda: labels and info, "both are latched")
    versions = [info[-1].database_version]
    swap = {"streams.front.model": "right", "streams.front.score_threshold": 0.5}
    assert client.set(swap, atomically=True) == [""]
    client.until(lambda: info[-1].method == "right/1", "the swap is announced")
    client.until(lambda: labels[-1].class_map[0].class_name == "right", "so are the labels")
    assert labels[-1].threshold == pytest.approx(0.5)
    versions.append(info[-1].database_version)
    assert client.trigger("models/right/load")[0]
    client.until(lambda: info[-1].database_version > versions[-1], "the reload is announced")
    assert info[-1].method == "right/1"
    assert versions[0] < versions[1]
    assert client.set({"streams.front.score_threshold": -1.0}) == [""]


def test_names_are_made_valid_and_collisions_are_refused(client: Client, run: Run) -> None:
    assert client.trigger("models/m2nd_try/load") == (True, "model '2nd try' is loaded")
    assert client.trigger("models/a_b/load") == (True, "model 'a_b' is loaded")
    client.until_status(
        "triton_ros: model a-b", lambda _, v: v["state"] != "READY", "was not meant by a_b"
    )
    reason = "model 'a-b' gets no services: its name becomes 'a_b' in ROS"
    assert run.node.log.count(reason) == 1
    status = client.until_status(
        "triton_ros: node", lambda s, _: s.level == DiagnosticStatus.WARN, "warns"
    )
    assert "model 'a-b' has no services: same name as 'a_b'" in status.message


def test_a_model_that_is_copied_in_later_gets_services(client: Client, repository: Path) -> None:
    write_model(repository / "later", toy_detector())
    assert client.trigger("models/later/load") == (True, "model 'later' is loaded")
    assert client.set({"streams.front.model": "later"}) == [""]
    assert client.set({"streams.front.model": "left"}) == [""]
    shutil.rmtree(repository / "later")
    success, message = client.trigger("models/later/load")
    assert not success
    assert "model 'later' is not in the model repository" in message
    assert client.trigger("models/later/unload")[0], "what is served can be unloaded"
    assert not client.trigger("models/later/unload")[0]


def test_a_later_model_does_not_take_the_services_of_another(
    client: Client, run: Run, repository: Path
) -> None:
    write_model(repository / "x-y", toy_detector())
    assert client.trigger("models/x_y/load") == (True, "model 'x-y' is loaded")
    write_model(repository / "x_y", toy_detector())
    client.until(lambda: "model 'x_y' gets no services" in run.node.log, "the later is refused")
    assert client.trigger("models/x_y/load") == (True, "model 'x-y' is loaded")
    for name in ("x-y", "x_y"):
        shutil.rmtree(repository / name)


def test_the_node_answers_while_a_model_loads_slowly(client: Client, repository: Path) -> None:
    write_model(repository / "heavy", SLOW_TO_LOAD)
    load = client.start_call(Trigger, "models/heavy/load", Trigger.Request())
    for _ in range(5):
        answer = client.start_call(GetState, "get_state", GetState.Request())
        client.until(answer.done, "get_state is answered")
        assert not load.done(), "while the model still loads"
    client.until(load.done, "the model is loaded")
    assert load.result().success
    shutil.rmtree(repository / "heavy")


def test_cleanup_during_a_load_answers_who_waits(
    client: Client, run: Run, repository: Path
) -> None:
    write_model(repository / "heavier", toy_detector(turns=100_000, warm_up=10))
    load = client.start_call(Trigger, "models/heavier/load", Trigger.Request())
    client.until_status("triton_ros: model heavier", lambda _, v: v["state"] == "LOADING", "loads")
    assert client.change_state("deactivate")
    assert client.change_state("cleanup")
    client.until(load.done, "the load is answered")
    assert not load.result().success
    assert load.result().message == "model 'heavier': the node was cleaned up meanwhile"
    # It goes on until its stage ends, and would slow down the tests that follow.
    client.until(lambda: "model 'heavier' is not loaded: " in run.node.log, "the load has ended")
    shutil.rmtree(repository / "heavier")
    assert client.change_state("configure")
    assert client.change_state("activate")


def test_deactivate_waits_for_running_frames_with_a_limit(client: Client, repository: Path) -> None:
    """A frame that takes many seconds is waited for two, and the node is there again."""
    write_model(repository / "left", toy_detector(LEFT, labels=["left"], turns=4_000_000))
    assert client.trigger("models/left/load")[0]
    answers = client.collect(Detection2DArray, "front/detections")
    camera = client.camera("/images")
    camera.send()
    client.until_status("triton_ros: stream front", lambda _, v: v["waiting"] == "1", "it runs")
    request = ChangeState.Request()
    request.transition.label = "deactivate"
    begin = client.node.get_clock().now()
    deactivate = client.start_call(ChangeState, "change_state", request)
    assert client.state(limit_s=5.0) == "inactive"
    assert deactivate.done()
    assert deactivate.result().success
    seconds = (client.node.get_clock().now() - begin).nanoseconds / 1e9
    assert 1.5 < seconds < 4.0
    client.until_status(
        "triton_ros: stream front",
        lambda _, v: v["waiting"] == "0" and v.get("dropped_deactivated") == "1",
        "the late answer is counted",
    )
    assert not answers
    write_model(repository / "left", toy_detector(LEFT, labels=["left"], count=2, turns=500))
    camera.close()
