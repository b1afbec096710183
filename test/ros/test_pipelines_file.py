# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Cameras wired to models by a file: what it stands for, and each mistake with its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from ros_client import Launch, stamps
from toy_models import write_repository
from toy_vision import toy_detector
from vision_msgs.msg import Detection2DArray

from triton_ros.core.errors import ConfigError
from triton_ros.ros.pipelines_file import read_pipelines

EXAMPLE = Path(__file__).resolve().parents[2] / "config/pipelines.yaml"
GOOD = """\
model_repository: models
cameras:
  front: {topic: /front}
  side:
    topic: /side
    transport: compressed
    depth: 10
pipelines:
  objects:
    model: coco
    cameras: [front, side]
    score_threshold: 0.5
  signs: {model: signs, cameras: side, region: [0, 1, 20, 30]}
"""


def read(folder: Path, text: str) -> dict[str, object]:
    path = folder / "pipelines.yaml"
    path.write_text(text)
    return read_pipelines(path).parameters


def test_homes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of somebody whom this machine does not know: a name like any other, found by fuzzing."""
    monkeypatch.setenv("HOME", "/home/me")
    text = GOOD.replace("models\n", '["~/models", "~no such user/models"]\n', 1)
    roots = read(tmp_path, text)["model_repository"]
    assert roots == ["/home/me/models", str(tmp_path / "~no such user/models")]


def test_a_file_stands_for_parameters(tmp_path: Path) -> None:
    assert read(tmp_path, GOOD) == {
        "model_repository": [str(tmp_path / "models")],
        "streams.objects_front.topic": "/front",
        "streams.objects_front.model": "coco",
        "streams.objects_front.score_threshold": 0.5,
        "streams.objects_side.topic": "/side",
        "streams.objects_side.transport": "compressed",
        "streams.objects_side.depth": 10,
        "streams.objects_side.model": "coco",
        "streams.objects_side.score_threshold": 0.5,
        "streams.signs.topic": "/side",
        "streams.signs.transport": "compressed",
        "streams.signs.depth": 10,
        "streams.signs.model": "signs",
        "streams.signs.region": [0.0, 1.0, 20.0, 30.0],
    }


def test_the_example() -> None:
    streams = read_pipelines(EXAMPLE).streams
    assert streams == ("objects_front", "objects_side", "faces", "signs")


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        (
            "transport: compressed",
            "transport: theora",
            6,
            "is 'theora'; accepted: raw | comp",
        ),
        ("depth: 10", "deep: 10", 7, "cameras.side.deep is not a field; the fields are topic"),
        ("depth: 10", "depth: ten", 7, "is 'ten'; accepted: integer 1 .. 1000"),
        ("{topic: /front}", "{}", 3, "topic is missing"),
        ("{topic: /front}", "{topic: /a b}", 9, "Invalid topic name"),
        ("[front, side]", "[front, rear]", 11, "names 'rear'; accepted: front, side"),
        ("[front, side]", "[front, front]", 11, "names one twice"),
        ("    cameras: [front, side]\n", "", 9, "cameras is missing; accepted: front, side"),
        ("score_threshold: 0.5", "score_threshold: 5", 12, "is 5.0; accepted: double -1 .. 1"),
        ("score_threshold: 0.5", "score_treshold: 1", 12, "is not a field; the fields are cameras"),
        ("score_threshold: 0.5", "topic: /x", 12, "topic is not a field"),
        ("model: coco", "policy: all", 10, "is 'all': accepted: latest | queue"),
        ("    model: coco\n", "", 9, "cannot be a stream: parameter 'streams.objects_front.model'"),
        (
            "signs: {model",
            "objects_side: {model",
            13,
            "makes a stream 'objects_side', as 'ob",
        ),
        ("signs: {model", "signs-2: {model", 13, "stream 'signs-2' cannot be part of a topic"),
        ("region: [0, 1, 20, 30]", "region: [0, 1]", 13, "accepted: 4 doubles"),
        ("model_repository", "repository", 1, "is not a field; the fields are cameras, pipelines"),
        ("pipelines:\n", "pipelines: 3\nmore:\n", 8, "pipelines must be a mapping"),
    ],
)
def test_a_mistake_has_its_line(tmp_path: Path, old: str, new: str, line: int, words: str) -> None:
    assert old in GOOD
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, GOOD.replace(old, new, 1))
    assert words in str(caught.value)
    assert f"pipelines.yaml:{line}: " in str(caught.value)


def test_a_node_takes_it_and_parameters_go_before_it(launch: Launch, tmp_path: Path) -> None:
    write_repository(tmp_path / "models", {"toy": toy_detector(), "other": toy_detector()})
    path = tmp_path / "pipelines.yaml"
    path.write_text(
        "model_repository: models\ncameras: {cam: {topic: /cam, reliability: reliable}}\n"
        "pipelines: {one: {model: toy, cameras: cam}, two: {model: toy, cameras: cam}}\n"
    )
    streams = {"two": {"model": "other"}}
    client = launch({"pipelines_file": str(path), "streams": streams}).client
    client.to_active()
    assert client.get("streams.one.model") == "toy"
    assert client.get("streams.two.model") == "other"
    answers = client.collect(Detection2DArray, "two/detections")
    camera = client.camera("/cam")
    stamp = camera.send()
    client.until(lambda: stamps(answers) == [stamp], "the stream answers")


def test_a_bad_file_is_refused_at_configure_with_its_line(launch: Launch, tmp_path: Path) -> None:
    path = tmp_path / "pipelines.yaml"
    path.write_text("cameras: {}\npipelines:\n  one: {model: toy, cameras: cam}\n")
    run = launch({"pipelines_file": str(path), "model_repository": [str(tmp_path)]})
    assert not run.client.change_state("configure")
    reason = "pipelines.yaml:3: pipelines.one.cameras names 'cam'; accepted: (none)"
    run.client.until_status("triton_ros: node", lambda s, _: reason in s.message, reason)
    assert reason in run.node.log


def test_it_can_be_set_before_configure(launch: Launch, tmp_path: Path) -> None:
    write_repository(tmp_path / "models", {"toy": toy_detector()})
    bad, good = tmp_path / "bad.yaml", tmp_path / "good.yaml"
    bad.write_text("cameras: {}\npipelines: {one: {model: toy}}\n")
    good.write_text(
        "model_repository: models\ncameras: {cam: {topic: /cam, reliability: reliable}}\n"
        "pipelines: {one: {model: toy, cameras: cam, score_threshold: 0.25}}\n"
    )
    client = launch({"streams": {"one": {"score_threshold": 0.5}}}).client
    (reason,) = client.set({"pipelines_file": str(bad)})
    assert "bad.yaml:2: pipelines.one.cameras is missing" in reason
    assert client.set({"pipelines_file": str(good)}) == [""]
    assert client.get("streams.one.score_threshold") == 0.5, "what was set goes before it"
    client.to_active()
    answers = client.collect(Detection2DArray, "one/detections")
    camera = client.camera("/cam")
    stamp = camera.send()
    client.until(lambda: stamps(answers) == [stamp], "the stream answers")
    assert client.set({"pipelines_file": str(bad)}) != [""], "not while configured"
