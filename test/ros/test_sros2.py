# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The access-control policy in config/sros2 against what a running node offers, and the other way.

Security itself cannot be run on PyPI's middleware, which is built without; what is told by a node
that is asked for it all the same is.
"""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import rclpy
from rclpy.context import Context
from rclpy.node import Node
from ros_client import Launch, Run
from ros_process import claim_domain, environment
from toy_models import write_repository
from toy_vision import toy_detector

from triton_ros.cli.node_client import NodeClient
from triton_ros.ros.bond import status_type
from triton_ros.ros.output_kinds import MAPS, PLACES, RAW, output_kinds

ROOT = Path(__file__).resolve().parents[2]
POLICY = ET.parse(ROOT / "config/sros2/triton_ros.policy.xml").getroot()
NODE, OPERATOR = "/triton_ros", "/triton_ros_operator"
KINDS = [("topics", "publish"), ("topics", "subscribe"), ("services", "reply")]
KINDS += [("services", "request")]
HEADS = {
    "detector": "",
    "raw": "type: raw",
    "classes": "type: classification, output: scores",
    "pixels": "type: segmentation, output: boxes",
    "depths": "type: depth, output: boxes",
    "points": "type: landmarks, output: boxes, values: 2",
}
Names = dict[tuple[str, str], set[str]]
"""By kind, topics or services, and by what may be done with them."""


def allowed(enclave: str) -> Names:
    """Full names with wildcards, by what may be done with them."""
    profile = POLICY.find(f"./enclaves/enclave[@path='{enclave}']/profiles/profile")
    assert profile is not None
    return {
        (kind, verb): {
            full_name(str(entry.text), profile)
            for section in profile.iter(kind)
            if section.get(verb) == "ALLOW"
            for entry in section
        }
        for kind, verb in KINDS
    }


def full_name(name: str, profile: ET.Element) -> str:
    """As sros2 expands one: below the node, the namespace, or nothing."""
    if name.startswith("~/"):
        return f"{profile.get('ns')}{profile.get('node')}{name[1:]}"
    return name if name.startswith("/") else f"{profile.get('ns')}{name}"


def offered(seen_by: Node, name: str) -> Names:
    """What a node has in the graph."""
    found = (
        seen_by.get_publisher_names_and_types_by_node(name, "/"),
        seen_by.get_subscriber_names_and_types_by_node(name, "/"),
        seen_by.get_service_names_and_types_by_node(name, "/"),
        seen_by.get_client_names_and_types_by_node(name, "/"),
    )
    return {kind: {n for n, _ in names} for kind, names in zip(KINDS, found, strict=True)}


def uncovered(names: Names, policy: Names) -> list[str]:
    return [
        f"{verb} {name}"
        for (kind, verb), wanted in names.items()
        for name in wanted
        if not any(fnmatchcase(name, pattern) for pattern in policy[kind, verb])
    ]


def idle(names: Names, policy: Names) -> set[str]:
    """Rights that nothing uses."""
    return {
        f"{verb} {pattern}"
        for (kind, verb), patterns in policy.items()
        for pattern in patterns
        if not any(fnmatchcase(name, pattern) for name in names[kind, verb])
    }


@pytest.fixture(scope="module")
def run(launch: Launch, repository: Path) -> Run:
    """A stream for every kind of answer, one of them with the default topic."""
    toy = toy_detector(((0, 0, 0.5, 0.5), (0.5, 0.5, 1, 1)), ((0.9,), (0.8,)))
    models = {
        name: replace(toy, extra={**toy.extra, "vision.yaml": f"input: {{}}\nhead: {{{head}}}\n"})
        if head
        else toy
        for name, head in HEADS.items()
    }
    write_repository(repository, models)
    streams: dict[str, Any] = {
        name: {"model": name, "topic": f"/camera/{name}/image_raw"} for name in HEADS
    }
    streams["raw"].pop("topic")
    parameters = {"model_repository": [str(repository)], "streams": streams, "use_sim_time": True}
    run = launch(parameters)
    run.client.to_active()
    return run


def test_the_policy_covers_what_the_node_has_and_nothing_else(run: Run) -> None:
    policy = allowed(NODE)
    unused = {"publish /triton_ros/*/instance_map"}  # the next test sees that one
    if status_type() is None:
        unused.add("publish /bond")
    everywhere = [f"/triton_ros/{name}/vision_info" for name in HEADS]
    everywhere += [f"/triton_ros/{name}/timing/total_ms" for name in HEADS]

    def names() -> Names | None:
        found = offered(run.client.node, "triton_ros")
        there = set().union(*found.values()).issuperset(everywhere)
        return found if there and idle(found, policy) == unused else None

    try:
        found = run.client.until(names, "the node offers all that the policy has")
    except AssertionError as error:
        found = offered(run.client.node, "triton_ros")
        raise AssertionError(f"{error}: {idle(found, policy)}") from None
    assert uncovered(found, policy) == []


def test_topics_of_every_kind_of_answer_are_covered() -> None:
    names = dict.fromkeys([*PLACES, "KEYPOINTS", *MAPS, f"{RAW}x"], "FP32")
    kinds = [*output_kinds(names), *output_kinds({"LABELS": "BYTES"})]
    topics = {f"/triton_ros/stream/{kind.topic}" for kind in kinds}
    assert len(topics) == 7
    assert uncovered({("topics", "publish"): topics}, allowed(NODE)) == []


def test_the_operator_may_what_its_commands_do(run: Run) -> None:
    context = Context()
    rclpy.init(context=context, domain_id=run.domain)
    client = NodeClient(context, "triton_ros", 10)
    try:
        assert "node" in client.statuses()
        assert client.trigger("models/raw/load", 20)[0]
        names = offered(client.node, "triton_ros_cli")
    finally:
        client.node.destroy_node()
        rclpy.shutdown(context=context)
    assert "/triton_ros/models/raw/load" in names["services", "request"]
    assert uncovered(names, allowed(OPERATOR)) == []


def test_a_right_that_is_missing_is_seen() -> None:
    policy = allowed(NODE)
    names = {("topics", "publish"): {"/triton_ros/front/detections", "/elsewhere"}}
    assert uncovered(names, policy) == ["publish /elsewhere"]
    policy["topics", "publish"].remove("/triton_ros/*/detections")
    assert "publish /triton_ros/front/detections" in uncovered(names, policy)
    assert uncovered({("services", "request"): {"/triton_ros/get_state"}}, policy)


def test_the_page_shows_names_that_are_in_the_policy() -> None:
    page = (ROOT / "docs/sros2.md").read_text()
    rights = set().union(*allowed(NODE).values(), *allowed(OPERATOR).values())
    shown = {f"/triton_ros{name[1:]}" for name in re.findall(r"`(~/[\w/*]+\w)`", page)}
    assert len(shown) > 5
    assert shown <= rights


def test_a_node_that_is_to_be_secure_and_cannot_does_not_run(tmp_path: Path) -> None:
    enclave = tmp_path / "enclaves/triton_ros"
    enclave.mkdir(parents=True)
    for name in ("identity_ca.cert", "permissions_ca.cert", "cert", "key"):
        (enclave / f"{name}.pem").write_text("none\n")
    for name in ("governance", "permissions"):
        (enclave / f"{name}.p7s").write_text("none\n")
    secure = {
        "ROS_SECURITY_KEYSTORE": str(tmp_path),
        "ROS_SECURITY_ENABLE": "true",
        "ROS_SECURITY_STRATEGY": "Permissive",
    }
    command = [sys.executable, "-m", "triton_ros.main", "--ros-args", "--enclave", NODE]
    with claim_domain() as domain:
        done = subprocess.run(
            command,
            env={**environment(domain), **secure},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    if "security libraries" not in done.stderr:
        pytest.skip(f"this middleware has security: {done.stderr[-200:]}")
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("triton_ros: error creating node: This Fast DDS version doesn't have")
    assert "Traceback" not in done.stderr
