# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The server's options, set while the node is unconfigured: what they change, from outside."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from ros_client import Client, Launch, Run
from toy_models import Toy, onnx_identity, write_model, write_repository
from toy_vision import toy_detector

LIMITED = """
instance_group {
  kind: KIND_CPU
  rate_limiter { resources { name: "dsp" count: 3 } }
}
"""


@pytest.fixture(scope="module")
def run(launch: Launch, repository: Path) -> Run:
    toy = toy_detector()
    assert toy.config is not None
    write_repository(
        repository,
        {
            "toy": toy,
            "plain": Toy(onnx_identity()),
            "limited": Toy(onnx_identity(), LIMITED),
        },
    )
    (repository / "toy/configs").mkdir()
    (repository / "toy/configs/two.pbtxt").write_text(toy.config.replace("count: 1", "count: 2"))
    parameters = {
        "model_repository": [str(repository)],
        "diagnostics_period_s": 0.1,
        "streams": {"front": {"topic": "images", "model": "toy", "reliability": "reliable"}},
    }
    return launch(parameters)


def configured_with(client: Client, values: Mapping[str, object]) -> dict[str, object]:
    """Set these and configure; what they were before."""
    client.to_unconfigured()
    before = {name: client.get(name) for name in values}
    assert client.set(values) == [""]
    assert client.change_state("configure")
    return before


def test_a_configuration_of_another_name(client: Client) -> None:
    before = configured_with(client, {"model_config_name": "two"})
    client.until_status("triton_ros: model toy", lambda _, v: v.get("instances") == "2", "has two")
    configured_with(client, before)
    client.until_status("triton_ros: model toy", lambda _, v: v.get("instances") == "1", "has one")


def test_how_configurations_are_completed(client: Client) -> None:
    name = "triton_ros: model plain"
    before = configured_with(client, {"default_max_batch_size": 7})
    client.until_status(name, lambda _, v: v.get("max_batch_size") == "7", "batches by 7")
    before |= configured_with(client, {"disable_auto_complete_config": True})
    client.until_status(name, lambda s, _: s.level == DiagnosticStatus.ERROR, "lacks its inputs")
    configured_with(client, before)
    client.until_status(name, lambda _, v: v.get("max_batch_size") == "4", "batches by 4")


def test_resources_are_limited(client: Client) -> None:
    name = "triton_ros: model limited"
    values = {"rate_limit": True, "rate_limit_resource": ["dsp:2"]}
    before = configured_with(client, values)
    status = client.until_status(name, lambda s, _: s.level == DiagnosticStatus.ERROR, "too much")
    assert "'dsp' count 3 is more than the server's 2" in status.message
    client.to_unconfigured()
    assert client.set({"rate_limit": False}) == [""]
    assert not client.change_state("configure")
    reason = "parameter 'rate_limit_resource' is ['dsp:2']: nothing uses it"
    client.until_status("triton_ros: node", lambda s, _: reason in s.message, reason)
    configured_with(client, before)
    client.until_status(name, lambda _, v: v["state"] == "READY", "serves")


def test_the_last_version_that_loaded_stands_in(
    client: Client, repository: Path, tmp_path: Path
) -> None:
    file, name = tmp_path / "last_good.json", "triton_ros: model plain"
    before = configured_with(client, {"last_good_file": str(file)})
    client.until_status(name, lambda _, v: v["state"] == "READY", "serves")
    client.until(file.exists, "it is remembered")
    assert json.loads(file.read_text())["plain"]["version"] == 1
    write_model(repository / "plain", Toy(versions={2: b"no model"}))
    try:
        configured_with(client, {})
        status = client.until_status(name, lambda _, v: v["state"] == "READY", "serves")
        assert status.level == DiagnosticStatus.WARN
        assert "serving version 1, the last that loaded" in status.message
        configured_with(client, before)
        client.until_status(name, lambda s, _: s.level == DiagnosticStatus.ERROR, "is not served")
    finally:
        (repository / "plain/2/model.onnx").unlink()
        (repository / "plain/2").rmdir()


def test_instances_stay_on_the_cores_of_their_policy(client: Client, run: Run) -> None:
    first, *others = sorted(os.sched_getaffinity(0))
    if not others:
        pytest.skip("needs two cores")

    def bound() -> int:
        """Threads that may use one core only."""
        found = 0
        for task in Path(f"/proc/{run.node.process.pid}/task").iterdir():
            text = (task / "status").read_text()
            found += f"\nCpus_allowed_list:\t{first}\n" in text
        return found

    client.to_unconfigured()
    (reason,) = client.set({"host_policy": ["cpu,cpu-cores=1000"]})
    assert "parameter 'host_policy' is ['cpu,cpu-cores=1000']: host_policy 'cpu' has" in reason
    free = bound()
    before = configured_with(client, {"host_policy": [f"cpu,cpu-cores={first}"]})
    assert client.change_state("activate")
    camera = client.camera("/images")
    camera.send()
    client.until(lambda: bound() > free, "who executes is bound")
    camera.close()
    configured_with(client, before)
    client.until(lambda: bound() == free, "they are free again")


def test_loads_one_by_one_and_cleanup_that_waits_for_them(
    client: Client, run: Run, repository: Path
) -> None:
    """The last one: a load of it goes on until the process ends."""
    endless = toy_detector(turns=50_000_000, warm_up=1)
    write_repository(repository, {"never": endless, "nor_this": endless})
    values = {
        "model_load_thread_count": 1,
        "load_models": ["never", "nor_this"],
        "configure_wait_s": 0.0,
        "exit_timeout_secs": 2.5,
    }
    configured_with(client, values)
    status = client.until_status(
        "triton_ros: model never",
        lambda _, v: v.get("load_stage", "").startswith("warming up"),
        "warms up",
    )
    assert "warming up instance 1 of 1" in status.message
    waiting = client.values("triton_ros: model nor_this")
    assert waiting["load_stage"] == "waiting for a load thread"
    begin = time.monotonic()
    assert client.change_state("cleanup")
    assert 2.4 < time.monotonic() - begin < 8.0
    (line,) = client.until(
        lambda: [line for line in run.node.log.splitlines() if "abandoned at shutdown" in line],
        "it is said",
    )
    assert "load_never" in line
