# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What Nav2's lifecycle manager does to a node: its calls, its patience, and its bond."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from ros_client import Client, Launch, stamps
from toy_models import write_repository
from toy_vision import toy_detector
from vision_msgs.msg import Detection2DArray

from triton_ros.ros.bond import status_type

SERVICE_TIMEOUT_S = 5.0
"""What the manager waits for a transition, and then gives the node up."""
COMMANDS = {
    "STARTUP": (("configure", "inactive"), ("activate", "active")),
    "PAUSE": (("deactivate", "inactive"),),
    "RESUME": (("activate", "active"),),
    "RESET": (("deactivate", "inactive"), ("cleanup", "unconfigured")),
    "CONFIGURE": (("configure", "inactive"),),
    "CLEANUP": (("cleanup", "unconfigured"),),
    "SHUTDOWN": (
        ("deactivate", "inactive"),
        ("cleanup", "unconfigured"),
        ("shutdown", "finalized"),
    ),
}


def manage(client: Client, command: str) -> None:
    """As the manager does: each transition in its time, and the state that it must lead to."""
    for transition, state in COMMANDS[command]:
        begin = time.monotonic()
        assert client.change_state(transition, SERVICE_TIMEOUT_S), transition
        assert time.monotonic() - begin < SERVICE_TIMEOUT_S
        assert client.state(SERVICE_TIMEOUT_S) == state


@pytest.fixture(scope="module")
def models(repository: Path) -> Path:
    """One that loads at once, and one that warms up for longer than the manager waits."""
    slow = toy_detector(turns=8_000_000, warm_up=1)
    write_repository(repository, {"toy": toy_detector(), "slow": slow})
    return repository


def test_every_command_in_its_time_while_a_model_loads(launch: Launch, models: Path) -> None:
    stream = {"topic": "cam", "model": "toy", "reliability": "reliable"}
    parameters = {
        "model_repository": [str(models)],
        "diagnostics_period_s": 0.1,
        "streams": {"front": stream},
    }
    client = launch(parameters).client
    manage(client, "STARTUP")
    loading = client.values("triton_ros: model slow")
    assert loading["state"] == "LOADING", "configure did not wait for it"
    answers = client.collect(Detection2DArray, "front/detections")
    camera = client.camera("/cam")
    stamp = camera.send()
    client.until(lambda: stamps(answers) == [stamp], "the loaded model answers meanwhile")
    for command in ("PAUSE", "RESUME", "RESET", "CONFIGURE", "CLEANUP", "STARTUP", "SHUTDOWN"):
        manage(client, command)


def test_without_the_package_there_is_no_bond_and_no_harm(launch: Launch, models: Path) -> None:
    if status_type() is not None:
        pytest.skip("the package bond is installed: the other test sees the bond")
    run = launch({"model_repository": [str(models)], "load_models": ["toy"]})
    run.client.to_active()
    assert "no bond with a lifecycle manager: the package bond (bondpy)" in run.node.log


def test_the_bond_forms_at_activate_and_breaks_at_deactivate(launch: Launch, models: Path) -> None:
    kind: Any = status_type()
    if kind is None:
        pytest.skip("the package bond (of bondpy) is not installed")
    parameters = {"model_repository": [str(models)], "load_models": ["toy"]}
    client = launch({**parameters, "bond_heartbeat_period": 0.05}).client
    heard: list[Any] = []
    client.node.create_subscription(kind, "/bond", heard.append, 100)
    client.to_active()
    client.until(lambda: len(heard) > 5, "heartbeats come")
    assert {(s.id, s.active) for s in heard} == {("triton_ros", True)}
    assert len({s.instance_id for s in heard}) == 1
    assert client.change_state("deactivate")
    client.until(lambda: not heard[-1].active, "the node says that it goes")
    count = len(heard)
    assert client.change_state("activate")
    client.until(lambda: len(heard) > count + 3, "and comes again")
    assert heard[-1].active
    assert heard[-1].instance_id != heard[0].instance_id
