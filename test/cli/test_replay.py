# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A bag through streams in one command: every frame once, results written, read and compared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_files import FRAMES, Run, make_bag
from rclpy.serialization import deserialize_message
from rosbags.rosbag2 import Reader, StoragePlugin
from vision_msgs.msg import Detection2DArray

STAMPS = [1_000_000_000 * (number + 1) for number in range(FRAMES)]


@pytest.fixture
def pipelines(tmp_path: Path, repository: Path) -> Path:
    """The bag's camera to two streams of one model."""
    path = tmp_path / "pipelines.yaml"
    path.write_text(
        f"model_repository: ['{repository}']\n"
        "cameras: {front: {topic: /front}}\n"
        "pipelines:\n"
        "  all: {model: bright, cameras: front, deadline_ms: 0.001, max_age_ms: 0.001}\n"
        "  few: {model: bright, cameras: front, max_rate_hz: 0.5}\n"
    )
    return path


def test_results_are_written_and_compared(run: Run, bag: Path, pipelines: Path) -> None:
    folder = pipelines.parent
    golden, lines, out = folder / "golden.jsonl", folder / "out.jsonl", folder / "out"
    done = run(
        *("replay", bag, "--pipelines", pipelines, "--record-golden", golden),
        *("--json", lines, "--output", out, "--copy-input"),
    )
    assert done.returncode == 1, "the broken frame is told"
    assert "yuv999" in done.stderr
    assert "unsupported_encoding=1" in done.stdout
    rows = [json.loads(line) for line in lines.read_text().splitlines()]
    whole = [row for row in rows if row["stream"] == "all"]
    assert [row["stamp"] for row in whole] == STAMPS
    assert {row["frame_id"] for row in whole} == {"lens"}
    assert 0 < len(rows) - len(whole) <= FRAMES // 2 + 1, "half of the frames at half the rate"
    with Reader(out) as reader:
        assert {"/front", "/text", "/triton_ros/all/detections"} <= set(reader.topics)
        assert not [topic for topic in reader.topics if "annotated" in topic or "timing" in topic]
        found = [
            deserialize_message(raw, Detection2DArray)
            for connection, _, raw in reader.messages()
            if connection.topic == "/triton_ros/all/detections"
        ]
    assert [message.header.stamp.sec * 10**9 for message in found] == STAMPS
    again = run("replay", bag, "--pipelines", pipelines, "--golden", golden)
    assert "✓ 0 differences" in again.stdout
    golden.write_text(golden.read_text().replace('"lens"', '"other"', 1))
    other = run("replay", bag, "--pipelines", pipelines, "--golden", golden)
    assert other.returncode == 1
    assert "frame_id 'lens', golden 'other'" in other.stdout


def test_one_stream_and_sqlite(run: Run, tmp_path: Path, repository: Path) -> None:
    bag = make_bag(tmp_path / "bag", StoragePlugin.SQLITE3)
    where = ("--model-repository", repository, "--topic", "/front", "--model", "bright")
    done = run("replay", bag, *where)
    assert f"{FRAMES + 1} frames in" in done.stdout
    assert "replay  bright" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--topic", "/side", "--model", "bright"), "no images on '/side'; image topics: /front"),
        (("--topic", "/front"), "--topic and --model go together"),
        (("--topic", "/front", "--model", "nobody"), "nobody"),
        (("--topic", "/front", "--model", "tensors"), "a stream needs a model that takes IMAGE"),
        ((), "no streams: --params-file, --pipelines, or --topic and --model"),
    ],
)
def test_what_cannot_be_replayed(
    run: Run, bag: Path, repository: Path, arguments: tuple[str, ...], words: str
) -> None:
    done = run("replay", bag, "--model-repository", repository, *arguments)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_no_bag(run: Run, bag: Path, tmp_path: Path, repository: Path) -> None:
    where = ("--model-repository", repository, "--topic", "/front", "--model", "bright")
    assert "there is no bag" in run("replay", tmp_path / "none", *where).stderr
    (tmp_path / "empty").mkdir()
    assert "no rosbag2 that can be read" in run("replay", tmp_path / "empty", *where).stderr
    cut = tmp_path / "cut"
    cut.mkdir()
    for file in bag.iterdir():
        content = file.read_bytes()
        (cut / file.name).write_bytes(
            content[: len(content) // 2] if file.suffix == ".mcap" else content
        )
    done = run("replay", cut, *where)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_results_are_never_written_over(run: Run, bag: Path, repository: Path) -> None:
    where = ("--model-repository", repository, "--topic", "/front", "--model", "bright")
    done = run("replay", bag, *where, "--output", bag)
    assert "is there already: name a folder that is not" in done.stderr


def test_a_missing_library_is_named(run: Run, bag: Path, tmp_path: Path) -> None:
    (tmp_path / "rosbags.py").write_text("raise ImportError('not here')")
    path = f"{tmp_path}:{Path(__file__).resolve().parents[2]}"
    done = run("replay", bag, "--topic", "/front", "--model", "bright", PYTHONPATH=path)
    assert "pip install rosbags tqdm" in done.stderr
