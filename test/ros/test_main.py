# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The process: it ends at a signal whatever it does, with 0, soon, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from ros_client import Launch, stamps
from ros_process import NodeProcess, abandoned, claim_domain, environment
from toy_models import write_repository
from toy_vision import toy_detector
from vision_msgs.msg import Detection2DArray

SOON_S = 5.0
ENDLESS = 50_000_000  # turns; more than a minute


@pytest.fixture(scope="module")
def models(repository: Path) -> Path:
    return write_repository(
        repository,
        {
            "toy": toy_detector(),
            "endless": toy_detector(turns=ENDLESS),
            "never": toy_detector(turns=ENDLESS, warm_up=1),
        },
    )


def parameters(models: Path, **others: object) -> dict[str, object]:
    stream = {"topic": "images", "model": "toy", "reliability": "reliable"}
    return {
        "model_repository": [str(models)],
        "load_models": [],
        "streams": {"front": stream},
        **others,
    }


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("state", ["unconfigured", "inactive", "active"])
def test_a_signal_ends_it_in_every_state(
    launch: Launch, models: Path, number: signal.Signals, state: str
) -> None:
    run = launch(parameters(models))
    if state == "unconfigured":
        assert run.client.state() == state
    else:
        assert run.client.change_state("configure")
    if state == "active":
        assert run.client.change_state("activate")
        answers = run.client.collect(Detection2DArray, "front/detections")
        camera = run.client.camera("/images")
        run.client.until(lambda: camera.send() and answers, "frames are answered")
    segments = run.node.segments()
    assert segments, "the middleware has shared memory"
    status, seconds = run.node.stop(number)
    assert status == 0, run.node.log
    assert seconds < SOON_S
    assert "Traceback" not in run.node.log
    assert "ends without waiting" not in run.node.log
    run.client.close()
    assert not abandoned(segments)


def run_first(monkeypatch: pytest.MonkeyPatch, folder: Path, code: str) -> None:
    """Every Python that is started from now on begins with this code."""
    (folder / "sitecustomize.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_ros_is_imported(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    run_first(
        monkeypatch,
        tmp_path,
        "import os, sys\n"
        "class Hook:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'rclpy':\n"
        "            sys.meta_path.remove(self)\n"
        f"            os.kill(os.getpid(), {int(number)})\n"
        "sys.meta_path.insert(0, Hook())\n",
    )
    with claim_domain() as domain:
        node = NodeProcess(domain, tmp_path, parameters(models, autostart=True))
        assert node.process.wait(timeout=30) == 0, node.log
    assert node.log == ""


def test_a_second_signal_does_not_kill_what_has_ended_well(
    launch: Launch, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`launch` sends one to who had Ctrl-C already; here, when Python has taken its handlers."""
    run_first(
        monkeypatch,
        tmp_path,
        "import builtins, os, signal\n"
        "class Late:\n"
        "    def __del__(self, kill=os.kill, pid=os.getpid(), number=signal.SIGINT):\n"
        "        kill(pid, number)\n"
        "builtins.late = Late()\n",
    )
    run = launch(parameters(models))
    assert run.client.state() == "unconfigured"
    assert run.node.stop(signal.SIGINT)[0] == 0, run.node.log


def test_autostart_brings_it_to_active(launch: Launch, models: Path) -> None:
    run = launch(parameters(models, autostart=True))
    answers = run.client.collect(Detection2DArray, "front/detections")
    stamp = run.client.camera("/images").send()
    run.client.until(lambda: stamps(answers) == [stamp], "the frame is answered")
    assert run.client.state() == "active"


def test_a_signal_while_a_frame_runs_that_does_not_end(launch: Launch, models: Path) -> None:
    run = launch(parameters(models, load_models=["endless"], diagnostics_period_s=0.1))
    run.client.to_active()
    assert run.client.set({"streams.front.model": "endless"}) == [""]
    run.client.camera("/images").send()
    run.client.until_status(
        "triton_ros: stream front", lambda _, v: v["waiting"] == "1", "the frame runs"
    )
    segments = run.node.segments()
    status, seconds = run.node.stop()
    assert status == 0, run.node.log
    assert seconds < SOON_S
    assert "stream 'front': 1 frames still run after 2 s" in run.node.log
    assert "ends without waiting for" in run.node.log
    run.client.close()
    assert not abandoned(segments)


@pytest.mark.parametrize("autostart", [False, True])
def test_a_signal_while_a_model_loads_that_does_not_end(
    launch: Launch, models: Path, autostart: bool
) -> None:
    run = launch(parameters(models, load_models=["never"], configure_wait_s=1, autostart=autostart))
    if not autostart:
        assert run.client.change_state("configure"), "it goes on loading in the background"
    run.client.until_status(
        "triton_ros: model never", lambda _, v: v["state"] == "LOADING", "still loads"
    )
    assert "still loading: never" in run.node.log
    status, seconds = run.node.stop()
    assert status == 0, run.node.log
    assert seconds < SOON_S


def test_a_signal_during_configure(launch: Launch, models: Path) -> None:
    """The signal that comes while autostart still waits for the models."""
    run = launch(parameters(models, load_models=["never"], autostart=True))
    run.client.until(lambda: "model 'toy' is loaded" in run.node.log, "configure has begun")
    status, seconds = run.node.stop()
    assert status == 0, run.node.log
    assert seconds < SOON_S


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--params-file", "/no/file"], "'--params-file /no/file'"),
        (["--banana"], "triton_ros: unknown after --ros-args: ['--banana']"),
        (["-r", "__node:=a-b"], "'-r __node:=a-b'"),
    ],
)
def test_a_wrong_command_line_is_told_in_a_line(arguments: list[str], message: str) -> None:
    with claim_domain() as domain:
        done = subprocess.run(
            [sys.executable, "-m", "triton_ros.main", "--ros-args", *arguments],
            env=environment(domain),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
