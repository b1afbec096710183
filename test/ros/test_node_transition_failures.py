# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Transitions that fail on the way back: told, reported, and the node is where ROS says it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import rclpy
from rclpy.context import Context
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from ros_process import claim_domain
from toy_models import write_repository
from toy_vision import toy_detector

from triton_ros.backends.registry import BackendRegistry
from triton_ros.core.server import InferenceServer
from triton_ros.core.server_options import ServerOptions
from triton_ros.ros.node import TritonNode
from triton_ros.vision.processor import load_processor

REASON = "it does not want to end"
SUCCESS = TransitionCallbackReturn.SUCCESS


class Stubborn(InferenceServer):
    """Ends, and says that it did not."""

    def close(self, timeout: float | None = None) -> tuple[str, ...]:
        super().close(timeout)
        raise RuntimeError(REASON)


def make_stubborn(repositories: Sequence[Path], options: ServerOptions) -> InferenceServer:
    return Stubborn(repositories, BackendRegistry().load_backend, load_processor, options=options)


@pytest.fixture
def node(repository: Path) -> Iterator[TritonNode]:
    """Inactive, with a server that does not want to end."""
    write_repository(repository, {"toy": toy_detector()})
    context = Context()
    given = {
        "model_repository": [str(repository)],
        "streams.a.topic": "/a",
        "streams.a.model": "toy",
    }
    with claim_domain() as domain:
        rclpy.init(context=context, domain_id=domain)
        overrides = [Parameter(name, value=value) for name, value in given.items()]
        node = TritonNode(make_stubborn, context=context, parameter_overrides=overrides)
        assert node.trigger_configure() == SUCCESS
        yield node
        node.shut_down()
        node.destroy_node()
        rclpy.shutdown(context=context)


def seen(node: TritonNode) -> tuple[str, str, str]:
    """The state that ROS knows, the one in diagnostics, and the message there."""
    status = node._statuses()[0]
    values = {value.key: value.value for value in status.values}
    return node._state_machine.current_state[1], values["state"], status.message


def test_a_cleanup_that_fails_leaves_nothing_that_could_be_activated(node: TritonNode) -> None:
    assert node.trigger_cleanup() != SUCCESS
    assert seen(node) == ("unconfigured", "unconfigured", f"cleanup: {REASON}")
    assert node.trigger_configure() == SUCCESS
    assert seen(node) == ("inactive", "inactive", "inactive")
    assert node.trigger_activate() == SUCCESS
    assert [s.name for s in node._statuses() if s.name.endswith("stream a")], "it has its stream"


def test_a_shutdown_that_fails_is_one_all_the_same(node: TritonNode) -> None:
    assert node.trigger_shutdown() != SUCCESS
    assert seen(node) == ("finalized", "finalized", f"shutdown: {REASON}")
    node.shut_down()  # as the process does at its end


def test_a_failure_that_cannot_be_undone_is_told_and_final(
    node: TritonNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the middleware is gone")

    monkeypatch.setattr(node, "create_subscription", fail)
    monkeypatch.setattr(node._bond, "stop", fail)
    assert node.trigger_activate() != SUCCESS
    assert seen(node) == ("finalized", "finalized", f"error: {REASON}")
    assert node._server is None, "released all the same"
    node.shut_down()
