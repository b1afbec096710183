# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Every command but replay, as a person runs it; and that completion and help are quick."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from cli_files import Run
from ros_process import DISCOVERY, NodeProcess, claim_domain

from triton_ros.cli import COMMANDS, is_command, make_parser
from triton_ros.cli.results import table

ROOT = Path(__file__).resolve().parents[2]


def test_the_node_is_what_is_run_without_a_command() -> None:
    assert not is_command([])
    assert not is_command(["--ros-args", "-p", "autostart:=true"])
    for name in COMMANDS:
        assert is_command([name])
    assert is_command(["--help"])


def test_help_needs_neither_ros_nor_opencv() -> None:
    make_parser()
    heavy = "import sys, triton_ros.main; print([m for m in sys.modules if m in"
    heavy += " ('rclpy', 'cv2', 'numpy', 'onnxruntime')])"
    done = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("triton_ros in", {"infer"}),
        ("triton_ros replay --go", {"--golden"}),
        ("triton_ros infer --model-repository {} br", {"bright"}),
    ],
)
def test_completion(repository: Path, line: str, words: set[str], tmp_path: Path) -> None:
    text, answer = line.format(repository), tmp_path / "answer"
    asked = {"COMP_LINE": text, "COMP_POINT": str(len(text)), "_ARGCOMPLETE": "1"}
    asked |= {"_ARGCOMPLETE_IFS": " ", "_ARGCOMPLETE_STDOUT_FILENAME": str(answer)}
    command = [sys.executable, "-m", "triton_ros.main"]
    subprocess.run(command, env={**os.environ, **asked}, cwd=ROOT, check=False, timeout=60)
    assert set(answer.read_text().split()) == words


def test_unknown_commands_name_the_known(run: Run) -> None:
    done = run("modles")
    assert done.returncode == 2
    assert "models" in done.stderr


def test_tables() -> None:
    text = table(("name", "n"), [("a", 5), ("long", 10)])
    assert text.splitlines() == ["name   n", "a      5", "long  10"]
    assert table(("a", "b"), []) == "a  b"


# --- without a node ------------------------------------------------------------------------------


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """A bright one and a dark one."""
    found = []
    for name, level in (("bright", 250), ("dark", 5)):
        found.append(tmp_path / f"{name}.png")
        cv2.imwrite(str(found[-1]), np.full((48, 64, 3), level, np.uint8))
    return found


def test_infer(run: Run, repository: Path, pictures: list[Path], tmp_path: Path) -> None:
    where = ("--model-repository", repository)
    done = run("infer", "bright", *pictures, *where, "--json", "--output", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [Path(row["file"]).name for row in rows] == ["bright.png", "dark.png"]
    assert rows[0]["found"] != rows[1]["found"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"bright.png", "dark.png"}
    told = run("infer", "bright", pictures[0], *where)
    assert "frame 0: 1 found" in told.stdout
    none = run("infer", "bright", pictures[0], *where, "--score-threshold", "1", "--json")
    assert json.loads(none.stdout)["found"] == []


def test_infer_of_a_video(run: Run, repository: Path, tmp_path: Path) -> None:
    video, out = tmp_path / "in.avi", tmp_path / "out.mp4"
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for level in range(0, 250, 25):
        writer.write(np.full((48, 64, 3), level, np.uint8))
    writer.release()
    where = ("--model-repository", repository, "--json", "--every", 5, "--output", out)
    done = run("infer", "bright", video, *where)
    assert [json.loads(line)["frame"] for line in done.stdout.splitlines()] == [0, 5]
    written = cv2.VideoCapture(str(out))
    assert written.read()[0]
    assert written.get(cv2.CAP_PROP_FPS) == pytest.approx(10)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("bright", "none.png"), "there is no file none.png"),
        (("bright", __file__), "neither a picture"),
        (("nobody", "none.png"), "nobody"),
        (("tensors", "none.png"), "accepted: a model that takes IMAGE alone"),
        (("bright", "none.png", "--every", "0"), "--every is 0; accepted: 1 or more"),
    ],
)
def test_what_cannot_be_inferred(
    run: Run, repository: Path, arguments: tuple[str, ...], words: str
) -> None:
    done = run("infer", *arguments, "--model-repository", repository)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_prebuild(run: Run, repository: Path) -> None:
    done = run("prebuild", "--model-repository", repository)
    assert done.returncode == 0
    assert "onnxruntime" in done.stdout
    failed = run("prebuild", "nobody", "bright", "--model-repository", repository)
    assert failed.returncode == 1
    assert "nobody" in failed.stderr
    assert "bright" in failed.stdout, "the others are built all the same"


def test_models_on_disk(run: Run, repository: Path) -> None:
    done = run("models", "--model-repository", repository)
    assert done.stdout.split() == ["model", "versions", "bright", "1", "tensors", "1"]
    as_json = run("models", "--model-repository", repository, "--json")
    assert json.loads(as_json.stdout) == {"bright": [1], "tensors": [1]}


@pytest.mark.parametrize("flag", [(), ("--no-load",)])
def test_check_tells_everything(
    run: Run, repository: Path, tmp_path: Path, flag: tuple[str, ...]
) -> None:
    good = tmp_path / "good.yaml"
    good.write_text(
        f"model_repository: ['{repository}']\ncameras: {{a: {{topic: /a}}}}\n"
        "pipelines: {x: {model: bright, cameras: a}}\n"
    )
    done = run("check", "--pipelines", good, *flag)
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 models" in done.stdout
    bad = tmp_path / "bad.yaml"
    stream = "{model: nobody}"
    streams = f"streams: {{x: {stream}, y: {stream}}}"
    bad.write_text(f"/**: {{ros__parameters: {{model_repository: ['{repository}'], {streams}}}}}")
    (tmp_path / "more/broken/1").mkdir(parents=True)
    (tmp_path / "more/broken/config.pbtxt").write_text("max_batch_size: many")
    more = ("--model-repository", repository, "--model-repository", tmp_path / "more")
    done = run("check", "--params-file", bad, *more, *flag)
    assert done.returncode == 1
    for words in ("model 'broken'", "stream 'x'", "stream 'y'", "3 problems"):
        assert words in done.stdout


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("streams: {x: {modle: a}}", "streams.x.modle' is not known; accepted: topic"),
        ("streams: {x: {model: a, depth: many}}", "'many'; accepted: integer 1 .. 1000"),
        ("streams: {x: {model: a, topic: 'a b'}}", "Invalid topic name"),
        ("model_repositry: [x]", "is not known; accepted: model_repository"),
        ("model_repository: [/none]", "'/none' is not a directory"),
    ],
)
def test_check_of_parameters(run: Run, tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "parameters.yaml"
    file.write_text(f"/**: {{ros__parameters: {{{text}}}}}")
    done = run("check", "--params-file", file)
    assert done.returncode == 1
    assert words in done.stdout


def test_check_of_nothing(run: Run, tmp_path: Path) -> None:
    assert "give --model-repository" in run("check").stderr
    done = run("check", "--params-file", tmp_path / "none.yaml")
    assert "cannot be read" in done.stdout


# --- with a node ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def domain(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Iterator[dict[str, str]]:
    """The variables with which a command finds the node that runs."""
    with claim_domain() as number:
        parameters = {
            "model_repository": [str(repository)],
            "autostart": True,
            "diagnostics_period_s": 0.1,
            "streams": {"front": {"model": "bright", "topic": "/front"}},
        }
        node = NodeProcess(number, tmp_path_factory.mktemp("node"), parameters)
        yield {**DISCOVERY, "ROS_DOMAIN_ID": str(number)}
        status, _ = node.stop()
        assert status == 0, node.log


def test_a_nodes_models_and_streams(run: Run, domain: dict[str, str]) -> None:
    models = run("models", "--discovery", "20", **domain)
    assert "bright" in models.stdout, models.stderr
    assert "READY" in models.stdout
    streams = json.loads(run("streams", "--json", **domain).stdout)
    assert streams["front"]["topic"] == "/front"
    assert "front" in run("streams", **domain).stdout


def test_load_and_unload(run: Run, domain: dict[str, str]) -> None:
    done = run("load", "bright", "--discovery", "20", **domain)
    assert (done.returncode, done.stdout.strip()) == (0, "model 'bright' is loaded"), done.stderr
    assert run("unload", "tensors", **domain).returncode == 0
    again = run("load", "tensors", "--json", **domain)
    assert json.loads(again.stdout) == {"success": True, "message": "model 'tensors' is loaded"}
    unknown = run("load", "nobody", "--discovery", "1", **domain)
    assert unknown.returncode == 1
    assert "there is no service /triton_ros/models/nobody/load" in unknown.stderr


def test_a_node_that_is_not_there(run: Run, domain: dict[str, str]) -> None:
    done = run("streams", "--node", "/other", "--discovery", "2", **domain)
    assert done.returncode == 1
    assert "no node /other; there are: /triton_ros" in done.stderr
