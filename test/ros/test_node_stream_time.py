# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Streams by a clock that is not the wall's: ages and rates in simulated time, which may jump."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from ros_client import Camera, Client, Launch, picture, stamps
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from toy_models import write_repository
from toy_vision import toy_detector
from vision_msgs.msg import Detection2DArray

Tick = Callable[[float], None]


@pytest.fixture(scope="module")
def client(launch: Launch, repository: Path) -> Client:
    write_repository(repository, {"toy": toy_detector()})
    stream = {"model": "toy", "reliability": "reliable", "policy": "queue:100"}
    parameters = {
        "use_sim_time": True,
        "model_repository": [str(repository)],
        "diagnostics_period_s": 0.1,
        "streams": {
            "aged": {"topic": "aged", "max_age_ms": 100.0, **stream},
            "slowed": {"topic": "slowed", "max_rate_hz": 1.0, **stream},
        },
    }
    client = launch(parameters).client
    client.to_active()
    return client


@pytest.fixture(scope="module")
def tick(client: Client) -> Tick:
    """Sets the node's clock to some seconds; its diagnostics carry that time."""
    publisher = client.node.create_publisher(Clock, "/clock", 10)
    client.until(publisher.get_subscription_count, "the node hears the clock")

    def set_clock(seconds: float) -> None:
        message = Clock()
        message.clock.sec = int(seconds)
        message.clock.nanosec = round((seconds - int(seconds)) * 1e9)
        publisher.publish(message)
        client.diagnostics.clear()
        client.until(
            lambda: any(array.header.stamp == message.clock for array in client.diagnostics),
            "the node's clock is set",
        )

    return set_clock


def at(seconds: int) -> Image:
    """A picture of that second (a camera gives the nanoseconds)."""
    message = picture()
    message.header.stamp.sec = seconds
    return message


def counted(client: Client, stream: str, **expected: int) -> None:
    client.until_status(
        f"triton_ros: stream {stream}",
        lambda _, values: (
            values["waiting"] == "0"
            and all(values.get(key, "0") == str(number) for key, number in expected.items())
        ),
        f"{expected}",
    )


def test_age_is_in_simulated_time_and_a_jump_back_shuts_nothing(client: Client, tick: Tick) -> None:
    answers = client.collect(Detection2DArray, "aged/detections")
    camera = client.camera("/aged")
    unset = camera.send(at(50))  # the clock is not set: no age
    counted(client, "aged", received=1, answered=1)
    tick(100.0)
    camera.send(at(99))
    now = camera.send(at(100))
    ahead = camera.send(at(200))
    counted(client, "aged", received=4, answered=3, dropped_too_old=1)
    tick(10.0)
    again = camera.send(at(10))
    counted(client, "aged", received=5, answered=4, dropped_too_old=1, restarts=1)
    expected = [unset, now, ahead, again]
    client.until(lambda: stamps(answers) == expected, "what was counted is here")
    assert client.set({"streams.aged.max_age_ms": 0.0}) == [""]
    old = camera.send(at(9))
    client.until(lambda: stamps(answers)[-1] == old, "no limit any more")
    camera.close()


def test_rate_is_in_simulated_time_and_a_jump_back_shuts_nothing(
    client: Client, tick: Tick
) -> None:
    answers = client.collect(Detection2DArray, "slowed/detections")
    camera: Camera = client.camera("/slowed")

    def three(seconds: int) -> int:
        """Frames at once; the first one's stamp."""
        tick(seconds)
        first, *_ = [camera.send(at(seconds)) for _ in range(3)]
        return first

    expected = []
    for turn, seconds in enumerate((100, 101, 110, 5, 6)):
        expected.append(three(seconds))
        counted(
            client, "slowed", received=3 * turn + 3, answered=turn + 1,
            dropped_rate_limited=2 * turn + 2,
        )  # fmt: skip
    client.until(lambda: stamps(answers) == expected, "what was counted is here")
    assert client.set({"streams.slowed.max_rate_hz": 0.0}) == [""]
    expected += [camera.send(at(6)) for _ in range(3)]
    client.until(lambda: stamps(answers) == expected, "no limit any more")
    camera.close()
