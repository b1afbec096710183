# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A stream against a server that finishes, refuses and replaces exactly when it is told to.

The node tests see the stream from outside; here is what depends on the order in which threads come.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import rclpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rclpy.context import Context
from rclpy.lifecycle import LifecycleNode
from rclpy.serialization import serialize_message
from ros_client import picture
from ros_process import claim_domain

from triton_ros.core.errors import CancelledError, DeadlineError, TritonError, UnavailableError
from triton_ros.core.request import Done, InferenceRequest, InferenceResponse
from triton_ros.ros.annotator import Annotator
from triton_ros.ros.guarded_publisher import Gate
from triton_ros.ros.image_cdr import read_image
from triton_ros.ros.image_stream import ImageStream
from triton_ros.ros.own_executor import OwnExecutor
from triton_ros.ros.stream_settings import STREAM_SPECS, StreamSettings

FRAME = serialize_message(picture(4, 4))
EMPTY = {"BOXES": np.empty((0, 4), np.float32)}


class Puppet:
    """In the place of an `InferenceServer`: requests stay until `finish`."""

    def __init__(self) -> None:
        self.running: list[tuple[object, Done]] = []
        self.requests: list[InferenceRequest] = []
        self.outputs: dict[str, Any] = EMPTY
        self.replaces = True
        self.before_replace: Callable[[], None] = lambda: None
        self.refuses = False
        self.refusal: TritonError = UnavailableError("not now")

    def submit(self, request: InferenceRequest, done: Done) -> object | None:
        self.requests.append(request)
        if self.refuses:
            done(self.refusal)
            return None
        ticket = object()
        self.running.append((ticket, done))
        return ticket

    def replace(self, ticket: object, request: InferenceRequest, done: Done) -> object | None:
        self.requests.append(request)
        self.before_replace()
        for index, (old, cancelled) in enumerate(self.running):
            if old is ticket and self.replaces:
                new = object()
                self.running[index] = new, done
                cancelled(CancelledError("superseded"))
                return new
        return None

    def finish(self, index: int = 0) -> None:
        if self.running:
            _, done = self.running.pop(index % len(self.running))
            done(InferenceResponse("m", 1, self.outputs))

    def describe(self, model: str) -> object:
        raise UnavailableError("a puppet")


@pytest.fixture(scope="module")
def node() -> Iterator[LifecycleNode]:
    context = Context()
    with claim_domain() as domain:
        rclpy.init(context=context, domain_id=domain)
        node = LifecycleNode("streams", context=context)
        yield node
        node.destroy_node()
        rclpy.shutdown(context=context)


@pytest.fixture(scope="module")
def annotator() -> Iterator[Annotator]:
    annotator = Annotator(lambda error: None)
    yield annotator
    annotator.stop()


class Rig:
    """A stream, its server, and frames from nowhere."""

    def __init__(
        self, node: LifecycleNode, annotator: Annotator, is_open: bool = False, **changes: Any
    ) -> None:
        gate = Gate()
        gate.is_open = is_open
        given = {spec.name: spec.default for spec in STREAM_SPECS} | changes
        given["topic"] = given["topic"] or "topic"
        self.server = Puppet()
        self.stream = ImageStream(
            node,
            self.server,
            annotator,
            gate,
            StreamSettings(name="s", **given),  # type: ignore[arg-type]
        )
        self.stream.apply(self.stream.settings)
        self.frames = 0

    def __enter__(self) -> Rig:
        return self

    def __exit__(self, *error: object) -> None:
        self.stream.destroy()

    def send(self, raw: bytes = FRAME) -> None:
        self.frames += 1
        self.stream.frames.offer(raw, read_image)

    def check(self) -> dict[str, int]:
        """Drops by reason, after everything ran to its end: nothing waits, nothing is missing."""
        self.server.before_replace = lambda: None
        while self.server.running:
            self.server.finish()
        found = self.stream.statistics.snapshot()
        assert found.waiting == 0
        assert found.received == self.frames
        assert self.stream.frames.drain(0.0) == 0
        return found.dropped


def test_a_frame_that_ends_while_another_takes_its_place(
    node: LifecycleNode, annotator: Annotator
) -> None:
    """The stream stood still for good once: the one that ended started nobody."""
    with Rig(node, annotator) as rig:
        rig.server.replaces = False
        rig.send()
        rig.send()  # waits
        rig.server.before_replace = rig.server.finish
        rig.send()
        assert len(rig.server.running) == 1, "the newest runs"
        assert rig.check()["superseded"] == 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["send", "send", "finish", "end inside", "refuse", "stop"]),
            st.booleans(),
            st.integers(0, 3),
        ),
        max_size=30,
    ),
    st.integers(1, 3),
    st.integers(1, 3),
)
def test_no_order_of_events_loses_a_frame_or_stops_the_stream(
    node: LifecycleNode,
    annotator: Annotator,
    events: list[tuple[str, bool, int]],
    depth: int,
    in_flight: int,
) -> None:
    with Rig(node, annotator, policy=f"queue:{depth}", in_flight=in_flight) as rig:
        for event, replaces, index in events:
            rig.server.replaces = replaces
            rig.server.refuses = event == "refuse"
            rig.server.before_replace = lambda: None
            if event == "finish":
                rig.server.finish(index)
            elif event == "stop":
                rig.stream.stop()
            else:
                if event == "end inside":
                    rig.server.before_replace = lambda i=index: rig.server.finish(i)  # type: ignore[misc]
                rig.send()
            assert len(rig.server.running) <= in_flight
            if event in ("send", "end inside"):
                assert rig.server.running, "a frame came, so one runs"
        rig.check()


def test_an_answer_that_cannot_be_converted_does_not_hold_back_the_others(
    node: LifecycleNode, annotator: Annotator
) -> None:
    with Rig(node, annotator, in_flight=3, policy="queue:3") as rig:
        unfit: list[dict[str, Any]] = [
            {},
            {"BOXES": np.zeros((2, 4)), "SCORES": np.zeros(1)},
            {"BOXES": np.zeros((1, 4)), "SCORES": np.zeros((1, 1))},
            {"BOXES": np.zeros((1, 3))},
        ]
        for outputs in unfit:
            rig.send()
            rig.server.outputs = outputs
            rig.server.finish()
        rig.send()
        rig.server.outputs = EMPTY
        dropped = rig.check()
        # The last is not published either, but only because this node is not active.
        assert dropped == {"model_error": len(unfit), "deactivated": 1}
        assert "its answer cannot be published" in rig.stream.statistics.snapshot().last_error


def test_a_deep_queue_of_refused_frames_does_not_end_in_recursion(
    node: LifecycleNode, annotator: Annotator
) -> None:
    with Rig(node, annotator, policy="queue:100", in_flight=1) as rig:
        for _ in range(101):
            rig.send()
        rig.server.refuses = True
        rig.server.finish()
        assert rig.check() == {"model_unavailable": 100, "deactivated": 1}


def test_deadline_and_priority_go_with_the_next_frame(
    node: LifecycleNode, annotator: Annotator
) -> None:
    with Rig(node, annotator) as rig:
        rig.send()
        begin = time.monotonic_ns()
        rig.stream.apply(replace(rig.stream.settings, deadline_ms=250.0, priority=3))
        rig.send()  # takes the place of the first, with its own deadline
        rig.stream.apply(replace(rig.stream.settings, deadline_ms=0.0, priority=0))
        rig.send()
        end = time.monotonic_ns()
        first, second, third = rig.server.requests
        assert (first.deadline_ns, first.priority) == (None, 0)
        assert second.priority == 3
        assert second.deadline_ns
        assert begin <= second.deadline_ns - 250_000_000 <= end
        assert (third.deadline_ns, third.priority) == (None, 0)
        rig.check()


def test_a_frame_that_is_too_late_is_no_fault(node: LifecycleNode, annotator: Annotator) -> None:
    with Rig(node, annotator) as rig:
        rig.server.refuses, rig.server.refusal = True, DeadlineError("Request deadline expired")
        rig.send()
        rig.send()
        assert rig.check() == {"deadline": 2}
        assert rig.stream.statistics.snapshot().last_error == ""


def test_answers_after_cleanup_go_nowhere(node: LifecycleNode, annotator: Annotator) -> None:
    with Rig(node, annotator) as rig:
        rig.send()
        rig.stream.destroy()
        assert rig.check() == {"deactivated": 1}
        rig.stream.announce()
        assert rig.stream.statistics.snapshot().last_error == "", "no false alarm"


def stamped(nanoseconds: int) -> bytes:
    message = picture(4, 4)
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(nanoseconds, 10**9)
    return serialize_message(message)


def test_old_frames_are_dropped_and_young_ones_get_the_rest_of_their_time(
    node: LifecycleNode, annotator: Annotator
) -> None:
    with Rig(node, annotator, max_age_ms=100.0, policy="queue:9", in_flight=9) as rig:
        now = node.get_clock().now().nanoseconds
        rig.send(stamped(now - 200_000_000))
        rig.send(stamped(now - 40_000_000))
        rig.send(stamped(0))
        young, unstamped = rig.server.requests
        assert young.deadline_ns
        assert 0 < young.deadline_ns - time.monotonic_ns() < 60_000_000
        assert unstamped.deadline_ns is None
        assert rig.check() == {"too_old": 1, "deactivated": 2}


def test_frames_over_the_rate_are_dropped(node: LifecycleNode, annotator: Annotator) -> None:
    with Rig(node, annotator, max_rate_hz=1e-3, policy="queue:9") as rig:
        for _ in range(3):
            rig.send()
        rig.stream.apply(replace(rig.stream.settings, max_rate_hz=0.0))
        rig.send()
        assert rig.check() == {"rate_limited": 2, "deactivated": 2}


def test_a_blocking_stream_waits_instead_of_dropping(
    node: LifecycleNode, annotator: Annotator
) -> None:
    with Rig(node, annotator, policy="block", in_flight=1) as rig:
        rig.stream.frames.open()
        sender = threading.Thread(target=lambda: [rig.send() for _ in range(50)])
        sender.start()
        answered = 0
        while sender.is_alive() or rig.server.running:
            if rig.server.running:
                rig.server.finish()
                answered += 1
            sender.join(0.001)
        assert answered == 50
        assert rig.check() == {"deactivated": 50}, "only because this node is not active"


def test_a_blocking_stream_lets_go_when_it_stops(node: LifecycleNode, annotator: Annotator) -> None:
    with Rig(node, annotator, policy="block", in_flight=1) as rig:
        rig.stream.frames.open()
        sender = threading.Thread(target=lambda: [rig.send() for _ in range(10)])
        sender.start()
        rig.stream.stop()
        sender.join(10)
        assert not sender.is_alive()
        rig.check()


def test_a_blocking_stream_that_subscribes_anew_keeps_what_waits(
    node: LifecycleNode, annotator: Annotator
) -> None:
    """Only the frame whose sender waits is given up: the subscription that sent it is going."""
    with Rig(node, annotator, policy="block", in_flight=1) as rig:
        rig.stream.frames.open()
        sender = threading.Thread(target=lambda: [rig.send() for _ in range(4)])
        sender.start()  # one runs, two wait here, and it waits with the fourth
        while rig.stream.statistics.snapshot().received < 4:
            sender.join(0.001)
        rig.stream.frames.let_go()
        sender.join(10)
        assert not sender.is_alive()
        assert rig.check() == {"resubscribed": 1, "deactivated": 3}


def test_an_executor_that_never_ran_closes(node: LifecycleNode) -> None:
    """As after a subscription that the middleware refused."""
    own = OwnExecutor(node, "s")
    own.close()
    assert own.node.context.ok()


def test_an_answer_that_cannot_be_tracked_costs_itself_only(
    node: LifecycleNode, annotator: Annotator
) -> None:
    with Rig(node, annotator, is_open=True, tracker="norfair", policy="queue:9") as rig:
        boxes = np.float32([[0, 0, 2, 2]])
        labels = np.array(["a"], object)
        rig.send()
        rig.server.outputs = {"BOXES": boxes, "LABELS": labels, "CLASS_IDS": np.int32([1, 2])}
        rig.server.finish()
        rig.send()
        rig.server.outputs = {"BOXES": boxes, "LABELS": labels, "CLASS_IDS": np.int32([1])}
        assert rig.check() == {"model_error": 1}
        assert rig.stream.statistics.snapshot().answered == 1
        assert "cannot be published" in rig.stream.statistics.snapshot().last_error
