# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""``triton_ros serve``: a server without ROS, from start to signal."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cli_files import Run
from http_client import ask

ROOT = Path(__file__).resolve().parents[2]
FREE = ("--http-port", "0", "--grpc-port", "0", "--metrics-port", "0")


def test_it_serves_until_a_signal(repository: Path) -> None:
    command = [sys.executable, "-m", "triton_ros.main", "serve", *FREE]
    command += ["--model-repository", str(repository), "--load-model", "tensors"]
    command += ["--option", "default_max_batch_size=3", "--allow-model-control", "false"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        addresses, loaded = {}, False
        for line in process.stdout:
            protocol, on, address = line.strip().partition(" on ")
            if on:
                addresses[protocol] = address
            loaded = loaded or line.startswith("model 'tensors' is loaded")
            if loaded and len(addresses) == 3:
                break
        assert set(addresses) == {"http", "grpc", "metrics"}
        http = addresses["http"]
        index = {row["name"]: row for row in ask(http, "POST", "/v2/repository/index").json}
        assert set(index) == {"bright", "tensors"}
        assert "state" not in index["bright"], "only what was asked for is loaded"
        assert ask(http, "GET", "/v2/models/tensors/config").json["max_batch_size"] == 3
        assert ask(http, "POST", "/v2/repository/models/bright/load").status == 503
        assert b"nv_inference_count" in ask(addresses["metrics"], "GET", "/metrics").body
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_many_signals_at_once_end_it_too(repository: Path) -> None:
    """`timeout` and a terminal both signal the whole group, so one often comes twice."""
    command = [sys.executable, "-m", "triton_ros.main", "serve", *FREE]
    command += ["--model-repository", str(repository), "--load-model", "tensors"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        assert any(" on " in line for line in process.stdout)
        for number in [signal.SIGTERM, signal.SIGINT] * 2000:
            process.send_signal(number)
        try:
            process.wait(20)
        finally:
            process.kill()
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--http-port", "70000"), "parameter 'http_port' is 70000; accepted: integer 0 .. 65535"),
        (("--option", "nope=1"), "--option nope=1: accepted: model_control_mode"),
        (("--option", "cache_byte_size=x"), "parameter 'cache_byte_size' is 'x'"),
        (("--http-restricted-api", "nope:a=b"), "unknown api 'nope'; accepted: health"),
        (("--http-address", "203.0.113.1"), "http_address '203.0.113.1'"),
        (("--allow-http", "0", "--allow-grpc", "0", "--allow-metrics", "0"), "nothing to serve"),
        (("--option", "model_control_mode=none", "--load-model", "a"), "is for model_control_mode"),
    ],
)
def test_what_is_wrong_is_named(
    run: Run, repository: Path, arguments: tuple[str, ...], text: str
) -> None:
    done = run("serve", "--model-repository", repository, *FREE, *arguments)
    assert done.returncode == 1
    assert text in done.stderr


def test_booleans_are_true_or_false(run: Run, repository: Path) -> None:
    done = run("serve", "--model-repository", repository, "--allow-http", "maybe")
    assert done.returncode == 2
    assert "'maybe'; accepted: true, false" in done.stderr
