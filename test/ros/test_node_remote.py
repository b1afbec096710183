# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A camera whose detector runs on another server, which goes away and comes back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from kserve_server import Remote
from ros_client import Client, Launch, stamps, values
from toy_models import Toy, write_repository
from toy_vision import toy_detector
from vision_msgs.msg import Detection2DArray

from triton_ros.backends.registry import BackendRegistry
from triton_ros.core.server import InferenceServer

FAR, NEAR = toy_detector(scores=((0.9,),)), toy_detector(scores=((0.6,),))
CONFIG = """backend: "kserve" max_batch_size: 8
parameters { key: "url" value: { string_value: "URL" } }
parameters { key: "protocol" value: { string_value: "PROTOCOL" } }
parameters { key: "remote_model" value: { string_value: "far" } }
parameters { key: "retries" value: { string_value: "0" } }
parameters { key: "breaker_failures" value: { string_value: "1" } }
parameters { key: "breaker_open_ms" value: { string_value: "100" } }
input { name: "images" data_type: TYPE_UINT8 dims: [16, 16, 3] }
output { name: "boxes" data_type: TYPE_FP32 dims: [1, 4] }
output { name: "scores" data_type: TYPE_FP32 dims: [1, 1] label_filename: "labels.txt" }
"""
FALLBACK = 'parameters { key: "fallback_model" value: { string_value: "near" } }'


BACKED, ALONE = "triton_ros: model backed", "triton_ros: model alone"


@dataclass
class World:
    client: Client
    remote: Remote


@pytest.fixture(scope="module", params=["grpc", "http"])
def world(
    request: pytest.FixtureRequest, launch: Launch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """Streams `backed`, whose model has a fallback, and `alone`, whose model has none."""
    path = tmp_path_factory.mktemp("remote")
    write_repository(path / "far", {"far": FAR})
    with (
        InferenceServer([path / "far"], BackendRegistry().load_backend) as far,
        Remote(far, request.param) as remote,
    ):
        far.load_model("far").result(30)
        config = CONFIG.replace("URL", remote.url).replace("PROTOCOL", request.param)
        backed = Toy(config=config + FALLBACK, extra=FAR.extra)
        alone = Toy(config=config, extra=FAR.extra)
        write_repository(path / "own", {"backed": backed, "alone": alone, "near": NEAR})
        run = launch(_parameters(path / "own"))
        run.client.to_active()
        yield World(run.client, remote)


def _parameters(repository: Path) -> dict[str, Any]:
    return {
        "model_repository": [str(repository)],
        "load_models": ["near"],
        "diagnostics_period_s": 0.1,
        "streams": {
            name: {"topic": name, "model": name, "reliability": "reliable"}
            for name in ("backed", "alone")
        },
    }


def test_the_fallback_takes_over_and_hands_back(world: World) -> None:
    client, remote = world.client, world.remote
    answers = client.collect(Detection2DArray, "backed/detections")
    camera = client.camera("/backed")

    def score() -> float:
        stamp = camera.send()
        client.until(lambda: stamp in stamps(answers), "the frame is answered")
        (found,) = answers[stamps(answers).index(stamp)].detections
        return round(found.results[0].hypothesis.score, 3)

    assert score() == 0.9
    remote.stop()
    assert score() == 0.6
    client.until_status(ALONE, lambda s, v: s.level == DiagnosticStatus.OK, "nobody asked")
    client.until_status(BACKED, lambda s, v: v.get("backend_fallbacks") == "1", "it is counted")
    client.camera("/alone").send()
    status = client.until_status(
        ALONE, lambda s, v: s.level == DiagnosticStatus.ERROR, "it is told"
    )
    assert "no server answers" in status.message
    assert values(status)["backend_circuits_open"] == "1"
    remote.start()
    for name in (BACKED, ALONE):
        client.until_status(
            name, lambda s, v: v.get("backend_circuits_open") == "0", "it is found again"
        )
    assert score() == 0.9
