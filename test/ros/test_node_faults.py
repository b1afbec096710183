# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What goes wrong in one stream is counted and told there; another stream on another model goes on.

The faults and where each is tested: ``docs/faults.md``.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from ros_client import Camera, Client, Launch, Run, Traffic, picture, stamps
from std_msgs.msg import Float32MultiArray
from std_srvs.srv import Trigger
from toy_fragile import Level, fragile_detector
from toy_models import Toy, write_repository
from toy_shared_library import FILENAME, NO_COMPILER, library
from toy_vision import toy_detector
from vision_msgs.msg import Detection2DArray

LIMITS = {"EXECUTE_TIMEOUT_SECONDS": "1", "MEMORY_LIMIT_BYTES": str(1 << 30)}
CRASHES, HANGS = 0, 101
"""Levels of a frame, as `NATIVE` scales them for the toy backend's kind "crash"."""
NATIVE = Toy(
    config="""backend: "toy" max_batch_size: 1 instance_group { count: 1 kind: KIND_CPU }
input { name: "x" data_type: TYPE_FP32 dims: [2, 2, 3] }
output { name: "y" data_type: TYPE_FP32 dims: [2, 2, 3] }
parameters { key: "kind" value: { string_value: "crash" } }
parameters { key: "PROCESS_ISOLATION" value: { string_value: "true" } }
parameters { key: "EXECUTE_TIMEOUT_SECONDS" value: { string_value: "1" } }""",
    extra={"vision.yaml": "input: {scale: 10, mean: 10}\nhead: {type: raw}\n"},
)


@pytest.fixture(scope="module")
def backends(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the toy backend in C, where it can be compiled."""
    folder = tmp_path_factory.mktemp("backends")
    if not NO_COMPILER:
        (folder / "toy").mkdir()
        (folder / "toy" / FILENAME).write_bytes(library())
    return folder


@pytest.fixture(scope="module")
def run(launch: Launch, repository: Path, backends: Path) -> Run:
    """A stream that nothing happens to, two whose models fail, one whose camera does."""
    models = {
        "toy": toy_detector(),
        "other": toy_detector(),
        "fragile": fragile_detector(**LIMITS),
        "late": fragile_detector(initialize_s=0.5),
    }
    streams = {"well": "toy", "model": "fragile", "camera": "other"}
    if not NO_COMPILER:
        models["native"] = NATIVE
        streams["native"] = "native"
    write_repository(repository, models)
    parameters = {
        "model_repository": [str(repository)],
        "backend_directory": str(backends),
        "diagnostics_period_s": 0.1,
        "streams": {
            name: {"topic": f"/{name}", "model": model, "reliability": "reliable", "depth": 100}
            | {"policy": "queue:100"}
            for name, model in streams.items()
        },
    }
    run = launch(parameters)
    run.client.to_active()
    return run


@pytest.fixture
def well(client: Client) -> Iterator[Traffic]:
    """Frames of the stream that nothing happens to; each has to be answered, once and in order."""
    camera = client.camera("/well")
    traffic = Traffic(client, camera, client.collect(Detection2DArray, "well/detections"))
    yield traffic
    traffic.during(lambda: True, "more frames")
    traffic.end()
    camera.close()


@pytest.fixture
def camera(client: Client) -> Iterator[Camera]:
    camera = client.camera("/camera")
    yield camera
    camera.close()


@pytest.mark.parametrize(
    ("level", "words"),
    [
        (Level.RAISE, "a frame that it does not like"),
        (Level.HANG, "did not end 'execute' within 1 s and was killed"),
        (Level.WRONG_SHAPE, "model 'fragile': its outputs cannot be used"),
        (Level.MISSING_OUTPUT, "scores"),
        (Level.MEMORY, "Unable to allocate"),
        (Level.SEGFAULT, "was ended by SIGSEGV"),
        (Level.LEAVE, "ended with status 7"),
    ],
)
def test_a_model_that_fails(client: Client, well: Traffic, level: Level, words: str) -> None:
    answers = client.collect(Detection2DArray, "model/detections")
    camera = client.camera("/model")
    stream, model = "triton_ros: stream model", "triton_ros: model fragile"
    before, served = client.values(stream), client.values(model)
    dropped = int(before.get("dropped_model_error", 0))
    camera.send(picture(level=level))
    good = camera.send()
    well.during(lambda: stamps(answers) == [good], "the frame behind it is answered")
    status = client.until_status(
        stream, lambda _, v: v.get("dropped_model_error") == str(dropped + 1), "counts the frame"
    )
    assert status.level == DiagnosticStatus.WARN
    assert words in status.message
    died = level in (Level.HANG, Level.SEGFAULT, Level.LEAVE)
    client.until_status(
        model,
        lambda s, v: (
            int(v["failures"]) == int(served["failures"]) + 1
            and int(v["backend_restarts"]) == int(served["backend_restarts"]) + died
            and s.level == DiagnosticStatus.OK
        ),
        "counts the failure, and a process that was started again; and serves",
    )
    camera.close()


@pytest.mark.skipif(bool(NO_COMPILER), reason=NO_COMPILER)
@pytest.mark.parametrize(
    ("level", "words"),
    [(CRASHES, "SIGSEGV"), (HANGS, "did not end 'execute' within 1 s and was killed")],
)
def test_a_c_backend_that_fails(client: Client, well: Traffic, level: int, words: str) -> None:
    answers = client.collect(Float32MultiArray, "native/tensors/y")
    camera = client.camera("/native")
    stream, model = "triton_ros: stream native", "triton_ros: model native"
    camera.send(picture(level=2))
    well.during(lambda: len(answers) == 1, "a frame before it is answered")
    before, served = client.values(stream), client.values(model)
    dropped = int(before.get("dropped_model_error", 0))
    camera.send(picture(level=level))
    camera.send(picture(level=3))
    well.during(lambda: len(answers) == 2, "the frame behind it is answered")
    assert [set(answer.data) for answer in answers] == [{10.0}, {20.0}]
    status = client.until_status(
        stream, lambda _, v: v.get("dropped_model_error") == str(dropped + 1), "counts the frame"
    )
    assert words in status.message
    client.until_status(
        model,
        lambda s, v: (
            int(v["backend_restarts"]) == int(served["backend_restarts"]) + 1
            and s.level == DiagnosticStatus.OK
        ),
        "counts the process that was started again; and serves",
    )
    camera.close()


def test_a_model_that_is_replaced_while_it_loads(
    client: Client, well: Traffic, repository: Path
) -> None:
    """Each load takes what it finds, whole, or is refused; what serves goes on meanwhile."""
    file = repository / "toy/1/model.onnx"
    good = file.read_bytes()
    told = []
    for size in (100, len(good) // 2, len(good) - 1, len(good)):
        future = client.start_call(Trigger, "models/toy/load", Trigger.Request())
        file.write_bytes(good[:size])
        well.during(future.done, "the load is answered", frames=5)
        told.append(future.result())
    assert all(answer.success or "toy" in answer.message for answer in told)
    assert client.trigger("models/toy/load") == (True, "model 'toy' is loaded")


def test_a_model_that_is_truncated_while_it_initializes(
    client: Client, well: Traffic, repository: Path
) -> None:
    file = repository / "late/1/model.py"
    good = file.read_bytes()
    future = client.start_call(Trigger, "models/late/load", Trigger.Request())
    client.until_status("triton_ros: model late", lambda _, v: "load_stage" in v, "loads")
    file.write_bytes(good[: good.index(b"self._one(") + 10])
    well.during(future.done, "the load is answered")
    success, _ = client.trigger("models/late/load")
    assert not success, "half a file is no model"
    status = client.until_status(
        "triton_ros: model late", lambda s, _: s.level != DiagnosticStatus.OK, "says so"
    )
    assert "late" in status.message or "model.py" in status.message
    file.write_bytes(good)
    assert client.trigger("models/late/load") == (True, "model 'late' is loaded")


def test_a_camera_that_changes_its_size_and_encoding(
    client: Client, well: Traffic, camera: Camera
) -> None:
    answers = client.collect(Detection2DArray, "camera/detections")
    sizes = [(64, 48), (100, 20), (20, 100), (64, 48)]
    for (width, height), (encoding, depth) in itertools.product(
        sizes, [("mono8", 1), ("bgra8", 4)]
    ):
        step = width * depth
        data = bytes([99]) * (step * height)
        camera.send(picture(width, height, encoding=encoding, step=step, data=data))
    well.during(lambda: len(answers) == 2 * len(sizes), "all are answered")
    found = [answer.detections[0].bbox for answer in answers]
    assert [(box.size_x, box.size_y) for box in found[::2]] == [(w / 2, h / 2) for w, h in sizes]
    assert found[::2] == found[1::2]


def test_a_camera_that_goes_back_in_time(client: Client, well: Traffic, camera: Camera) -> None:
    answers = client.collect(Detection2DArray, "camera/detections")
    stream = "triton_ros: stream camera"
    before = int(client.values(stream)["restarts"])
    for second in (1000, 1001, 5, 6):
        message = picture()
        message.header.stamp.sec = second
        camera.send(message)
    well.during(lambda: len(answers) == 4, "all are answered")
    assert [answer.header.stamp.sec for answer in answers] == [1000, 1001, 5, 6]
    client.until_status(stream, lambda _, v: v["restarts"] == str(before + 1), "counts the jump")


def test_a_camera_that_stops(client: Client, well: Traffic, camera: Camera) -> None:
    answers = client.collect(Detection2DArray, "camera/detections")
    stream = "triton_ros: stream camera"
    camera.send()
    status = client.until_status(stream, lambda s, _: s.level == DiagnosticStatus.WARN, "says so")
    assert "no frame for" in status.message
    assert "'/camera'" in status.message
    stamp = camera.send()
    well.during(lambda: stamps(answers)[-1:] == [stamp], "the next frame is answered")
    client.until_status(stream, lambda s, _: s.level == DiagnosticStatus.OK, "is well again")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1.0])
def test_depth_that_is_no_distance(
    client: Client, well: Traffic, camera: Camera, value: float
) -> None:
    answers = client.collect(Detection2DArray, "camera/detections")
    data = np.full((48, 64), value, np.float32).tobytes()
    stamp = camera.send(picture(encoding="32FC1", step=256, data=data))
    well.during(lambda: stamps(answers) == [stamp], "the frame is answered")
