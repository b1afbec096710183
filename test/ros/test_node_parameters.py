# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Each parameter has an effect, at the time it promises; what is wrong is refused with a reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from rcl_interfaces.srv import DescribeParameters, ListParameters
from ros_client import Client, Launch, Run, stamps, values
from toy_models import write_repository
from toy_vision import toy_detector
from vision_msgs.msg import Detection2DArray

from triton_ros.ros.parameters import NODE_SPECS
from triton_ros.ros.stream_settings import STREAM_SPECS

TWO_CATS = {
    "boxes": ((0.0, 0.0, 0.5, 0.5), (0.0, 0.1, 0.5, 0.6), (0.5, 0.5, 1.0, 1.0)),  # IoU 2/3
    "scores": ((0.9,), (0.8,), (0.6,)),
}


@pytest.fixture(scope="module")
def run(launch: Launch, repository: Path) -> Run:
    write_repository(
        repository,
        {
            "toy": toy_detector(**TWO_CATS),
            "slow": toy_detector(turns=60_000, count=4),
            "spare": toy_detector(),
        },
    )
    stream = {"reliability": "reliable", "depth": 100}
    parameters = {
        "model_repository": [str(repository)],
        "load_models": [],
        "diagnostics_period_s": 0.1,
        "configure_wait_s": 3600,  # whole numbers for decimal ones
        "streams": {
            "front": {"topic": "front", "model": "toy", "policy": "queue:100", **stream},
            "slow": {"topic": "slow", "model": "slow", "in_flight": 1, **stream},
        },
    }
    return launch(parameters)


@pytest.fixture
def client(run: Run) -> Client:
    """The client of an active node with its parameters as at the start."""
    client = run.client
    if client.state() != "active":
        client.to_unconfigured()
        client.to_active()
    return client


@pytest.fixture
def found(client: Client) -> Iterator[Callable[[], list[float]]]:
    """Sends a frame to stream `front`; the scores that come back."""
    answers = client.collect(Detection2DArray, "front/detections")
    camera = client.camera("/front")

    def send() -> list[float]:
        stamp = camera.send()
        client.until(lambda: stamp in stamps(answers), "the frame is answered")
        return [round(d.results[0].hypothesis.score, 3) for d in answers[-1].detections]

    yield send
    camera.close()


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("score_threshold", 0.7, [0.9]),
        ("score_threshold", 1, []),  # a whole number for a decimal one
        ("iou_threshold", 0.8, [0.9, 0.8, 0.6]),
        ("max_detections", 1, [0.9]),
    ],
)
def test_thresholds_are_live(
    client: Client, found: Callable[[], list[float]], name: str, value: float, expected: list[float]
) -> None:
    name = f"streams.front.{name}"
    untouched = client.get(name)
    assert found() == [0.9, 0.6]
    assert client.set({name: value}) == [""]
    assert found() == expected
    assert client.get(name) == value
    assert client.set({name: untouched}) == [""]
    assert found() == [0.9, 0.6]


def test_policy_and_in_flight_are_live(client: Client) -> None:
    """20 frames at once: those that run, those that wait; the others are dropped."""
    answers = client.collect(Detection2DArray, "slow/detections")
    camera = client.camera("/slow")

    def answered() -> int:
        before = client.values("triton_ros: stream slow")
        answers.clear()
        for _ in range(20):
            camera.send()
        status = client.until_status(
            "triton_ros: stream slow",
            lambda _, v: int(v["received"]) == int(before["received"]) + 20 and v["waiting"] == "0",
            "all frames are accounted for",
        )
        # The status may be taken before the answers that it counts.
        count = int(values(status)["answered"]) - int(before["answered"])
        client.until(lambda: len(answers) == count, "all are here")
        assert len(set(stamps(answers))) == count, "each once"
        return count

    assert 2 <= answered() <= 4
    assert client.set({"streams.slow.policy": "queue:10"}) == [""]
    assert 11 <= answered() <= 13
    assert client.set({"streams.slow.in_flight": 4}) == [""]
    assert 14 <= answered() <= 19
    assert client.set({"streams.slow.policy": "latest", "streams.slow.in_flight": 1}) == [""]
    camera.close()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model_repository", ["/tmp"]),
        ("load_models", ["toy"]),
        ("configure_wait_s", 1.0),
        ("diagnostics_period_s", 1.0),
        ("autostart", True),
    ],
)
def test_structural_parameters_are_refused_while_configured(
    client: Client, name: str, value: object
) -> None:
    before = client.get(name)
    expected = f"parameter '{name}' can only be set while the node is unconfigured"
    assert client.set({name: value}) == [expected]
    assert client.change_state("deactivate")
    assert client.set({name: value}) == [expected]
    assert client.get(name) == before
    assert client.change_state("cleanup")
    assert client.set({name: value}) == [""]
    assert client.get(name) == value
    assert client.set({name: before}) == [""]


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("streams.front.score_threshold", 1.5, "is 1.5; accepted: double -1 .. 1"),
        ("streams.front.score_threshold", "high", "is 'high'; accepted: double -1 .. 1"),
        (
            "streams.front.policy",
            "queue:0",
            "is 'queue:0': accepted: latest | queue:<1 .. 999> | b",
        ),
        ("streams.front.in_flight", -1, "is -1; accepted: integer 0 .. 64"),
        ("streams.front.max_detections", 2.5, "is 2.5; accepted: integer 0 .. 100000"),
        ("streams.front.max_detections", None, "cannot be deleted; delete 'streams.front.model'"),
        ("load_models", None, "parameter 'load_models' cannot be deleted"),
        ("streams.front.region", [0.0, 0.0, 10.0], "accepted: 4 doubles"),
        ("streams.front.region", [-1.0, 0.0, 10.0, 5.0], "accepted: [x, y, width, height] in"),
        ("load_models", "toy", "is 'toy'; accepted: string array"),
        ("no_such", 1, "parameter 'no_such' is not known; accepted: model_repository, pipel"),
        ("streams.front.no_such", 1, "is not known; accepted: topic, transport, model, policy"),
        ("streams.nobody.no_such", "toy", "of the streams front, slow"),
    ],
)
def test_values_that_cannot_be_are_refused(
    client: Client, name: str, value: object, reason: str
) -> None:
    (message,) = client.set({name: value})
    assert reason in message
    assert client.get(name) != value


def test_one_bad_value_keeps_all_out_when_set_atomically(client: Client) -> None:
    wrong = {"streams.front.score_threshold": 0.7, "streams.front.policy": "all"}
    (message,) = client.set(wrong, atomically=True)
    assert "'streams.front.policy' is 'all'" in message
    assert client.get("streams.front.score_threshold") == -1.0


def test_topic_transport_and_reliability_subscribe_anew(client: Client) -> None:
    before = {
        f"streams.front.{leaf}": client.get(f"streams.front.{leaf}")
        for leaf in ("topic", "reliability", "depth", "transport")
    }
    answers = client.collect(Detection2DArray, "front/detections")

    def subscribed(topic: str, reliability: str, kind: str) -> bool:
        found = client.node.get_subscriptions_info_by_topic(topic)
        asked = [(info.qos_profile.reliability.name, info.topic_type) for info in found]
        return asked == [(reliability, f"sensor_msgs/msg/{kind}")]

    assert client.set({"streams.front.topic": "other/place"}) == [""]
    assert client.set({"streams.front.depth": 3}) == [""]
    client.until(lambda: subscribed("/other/place", "RELIABLE", "Image"), "the other topic")
    camera = client.camera("/other/place")
    stamp = camera.send()
    client.until(lambda: stamps(answers) == [stamp], "answers come from there")
    camera.close()
    assert client.set({"streams.front.reliability": "best_effort"}) == [""]
    assert client.set({"streams.front.transport": "compressed"}) == [""]
    client.until(
        lambda: subscribed("/other/place", "BEST_EFFORT", "CompressedImage"), "another type"
    )
    assert client.node.get_subscriptions_info_by_topic("/front") == []
    for name, value in before.items():
        assert client.set({name: value}) == [""]
    client.until(lambda: subscribed("/front", "RELIABLE", "Image"), "as it was")


def test_period_of_diagnostics(client: Client) -> None:
    client.to_unconfigured()
    assert client.set({"diagnostics_period_s": 60.0}) == [""]
    client.to_active()
    client.until_status("triton_ros: node", lambda _, v: v["state"] == "active", "is active")
    client.diagnostics.clear()
    assert client.change_state("deactivate")
    assert client.change_state("activate")
    client.until(lambda: len(client.diagnostics) == 2, "each transition reports at once")
    client.to_unconfigured()
    assert client.set({"diagnostics_period_s": 0.1}) == [""]


def test_load_models_says_what_is_loaded_besides(client: Client) -> None:
    client.until_status("triton_ros: model spare", lambda _, v: v["state"] == "UNKNOWN", "is not")
    client.to_unconfigured()
    assert client.set({"load_models": ["spare"]}) == [""]
    client.to_active()
    client.until_status("triton_ros: model spare", lambda _, v: v["state"] == "READY", "is loaded")
    client.to_unconfigured()
    assert client.set({"load_models": []}) == [""]
    assert client.get("load_models") == [""]


def test_every_parameter_describes_itself(client: Client) -> None:
    names = client.call(ListParameters, "list_parameters", ListParameters.Request()).result.names
    names = [n for n in names if not n.startswith(("use_sim_time", "start_type", "qos_over"))]
    assert len(names) == len(NODE_SPECS) + 2 * len(STREAM_SPECS)
    answer = client.call(
        DescribeParameters, "describe_parameters", DescribeParameters.Request(names=names)
    )
    for descriptor in answer.descriptors:
        assert descriptor.description
        assert "; set " in descriptor.additional_constraints


def test_what_is_wrong_at_start_is_said_at_once_and_refused_at_configure(
    launch: Launch, repository: Path
) -> None:
    run = launch(
        {
            "model_repository": [str(repository)],
            "configure_wait": 1.0,
            "autostart": "yes",
            "streams": {"front": {"model": "toy", "policy": "two", "score_treshold": 0.5}},
        }
    )
    client = run.client
    wrong = [
        "parameter 'configure_wait' is not known; accepted: model_repository, pipelines_file,",
        "parameter 'streams.front.score_treshold' is not known; accepted: topic, transport,",
        "parameter 'streams.front.policy' is 'two': accepted: latest | queue",
        "parameter 'autostart' is 'yes'; accepted: bool",
    ]
    status = client.until_status(
        "triton_ros: node", lambda s, _: s.level == DiagnosticStatus.ERROR, "says so"
    )
    for message in wrong:
        assert message in status.message
        assert message in run.node.log
    assert not client.change_state("configure")
    assert client.state() == "unconfigured"


def test_what_was_wrong_at_start_can_be_set_right(launch: Launch, repository: Path) -> None:
    stream = {"model": "toy", "policy": "two", "topic": "not a topic"}
    run = launch({"model_repository": str(repository), "streams": {"front": stream}})
    client = run.client
    steps = [
        ("parameter 'model_repository' is", {"model_repository": [str(repository)]}),
        ("parameter 'streams.front.policy' is 'two'", {"streams.front.policy": "queue:2"}),
        ("parameter 'streams.front.topic': Invalid topic name", {"streams.front.topic": "topic"}),
    ]
    for reason, right in steps:
        assert not client.change_state("configure")
        client.until_status("triton_ros: node", lambda s, _, r=reason: r in s.message, reason)
        assert client.set(right) == [""]
    client.to_active()


def test_a_stream_needs_a_name_that_ros_can_have(launch: Launch, repository: Path) -> None:
    parameters = {
        "model_repository": [str(repository)],
        "streams": {"front-left": {"model": "toy"}},
    }
    client = launch(parameters).client
    assert not client.change_state("configure")
    reason = "stream 'front-left' cannot be part of a topic's name; accepted: letters"
    client.until_status("triton_ros: node", lambda s, _: reason in s.message, reason)
