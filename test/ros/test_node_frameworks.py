# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A camera's picture through TensorFlow's trained graph in the node, and PyTorch beside it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from ros_client import Client, Launch, stamps
from sensor_msgs.msg import Image
from skimage import data
from vision_msgs.msg import Detection2DArray

REPOSITORY = Path(__file__).resolve().parents[2] / "build/framework_repository"
LOAD_SECONDS = 90
"""TensorFlow and PyTorch are imported, on a machine with other work."""
THERE = all(importlib.util.find_spec(name) for name in ("tensorflow", "torch"))
MADE = all((REPOSITORY / name / "1").is_dir() for name in ("pedestrians", "voice_activity"))

pytestmark = pytest.mark.skipif(
    not (THERE and MADE), reason="TensorFlow, PyTorch or their models are absent: make frameworks"
)


@pytest.fixture(scope="module")
def client(launch: Launch) -> Client:
    parameters = {
        "model_repository": [str(REPOSITORY)],
        "configure_wait_s": 0.1,
        "diagnostics_period_s": 0.1,
        "streams": {
            "street": {"model": "pedestrians", "topic": "image", "reliability": "reliable"}
        },
    }
    client = launch(parameters).client
    client.to_active()
    for name in ("pedestrians", "voice_activity"):
        loaded, said = client.trigger(f"models/{name}/load", LOAD_SECONDS)
        assert loaded, said
    return client


def test_people_are_found_and_both_runtimes_live_in_one_process(client: Client) -> None:
    answers = client.collect(Detection2DArray, "street/detections")
    camera = client.camera("image")
    picture = data.astronaut()
    height, width = picture.shape[:2]
    message = Image(
        height=height, width=width, encoding="rgb8", step=3 * width, data=picture.tobytes()
    )
    sent = camera.send(message)
    client.until(lambda: answers, "the picture is answered", LOAD_SECONDS)
    assert stamps(answers) == [sent]
    (found,) = answers[0].detections
    assert found.results[0].hypothesis.class_id == "person"
    assert found.results[0].hypothesis.score > 0.8
    assert found.bbox.size_y > 400
