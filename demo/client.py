# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The other side of the topics and services: an ordinary node that uses `triton_ros`.

Nothing here is the demo's alone; it is what a robot's program would do with rclpy and standard
messages.  Every wait has a limit and ends in a `DemoError` that says what did not happen.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.srv import ChangeState
from numpy.typing import NDArray
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger
from vision_msgs.msg import Detection2D, Detection2DArray

SERVER = "triton_ros"


class DemoError(Exception):
    """The demo cannot go on; says why."""


@dataclass(frozen=True, slots=True)
class Found:
    """One detection: the box is centre x, y, width, height and angle in source pixels."""

    class_id: str
    score: float
    box: tuple[float, float, float, float, float]
    frame_id: str
    stamp: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one frame; `stamp` in nanoseconds names the frame."""

    stamp: int
    frame_id: str
    found: tuple[Found, ...]


class Change:
    """A change that was asked for and may not be answered yet."""

    def __init__(self, answer: Future[Any], reason: Callable[[Any], str]) -> None:
        self.answer = answer
        self.seconds = 0.0
        """From the request to the response."""
        self._reason = reason
        self.asked = time.monotonic()
        """On the monotonic clock."""
        answer.add_done_callback(self._answered)

    def _answered(self, _: object) -> None:
        self.seconds = time.monotonic() - self.asked

    def refusal(self) -> str:
        """Why it did not happen; empty when it did."""
        return self._reason(self.answer.result()) if self.answer.done() else "no response"


@dataclass(slots=True)
class Results:
    """Everything that one stream published."""

    answers: list[Answer] = field(default_factory=list)
    arrived: list[float] = field(default_factory=list)
    """When each answer came, on the monotonic clock."""
    pictures: dict[int, NDArray[np.uint8]] = field(default_factory=dict)
    """Annotated frames, BGR, by stamp."""


class Client:
    """Collects results of streams, and calls the server's services."""

    def __init__(self, streams: Iterable[str], pictures: bool = True) -> None:
        self._context = Context()
        rclpy.init(context=self._context, signal_handler_options=SignalHandlerOptions.NO)
        self.node = Node("triton_ros_client", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self.results = {stream: Results() for stream in streams}
        self.diagnostics: dict[str, dict[str, str]] = {}
        """Newest values of every status, by its name behind 'triton_ros: '."""
        self.check: Callable[[], None] = lambda: None
        """Called in every wait; raises when waiting has become pointless."""
        self._services: dict[str, Any] = {}
        self._subscriptions = [
            self.node.create_subscription(*topic, 10) for topic in self._topics(pictures)
        ]

    def _topics(self, pictures: bool) -> Iterable[tuple[Any, str, Callable[[Any], None]]]:
        yield DiagnosticArray, "/diagnostics", self._on_diagnostics
        for stream, results in self.results.items():
            place = f"/{SERVER}/{stream}"
            yield Detection2DArray, f"{place}/detections", partial(_on_detections, results)
            if pictures:
                yield Image, f"{place}/annotated", partial(_on_picture, results)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown()
        self.node.destroy_node()
        self._context.try_shutdown()

    # waiting ---------------------------------------------------------------------------------

    def spin(self, seconds: float) -> None:
        """Handle what arrives, at least one call and not much longer than this."""
        self._executor.spin_once(timeout_sec=max(0.0, seconds))
        self.check()

    def wait(self, what: str, condition: Callable[[], bool], limit_s: float) -> None:
        """Spin until the condition holds; raises `DemoError` after the limit."""
        deadline = time.monotonic() + limit_s
        while not condition():
            left = deadline - time.monotonic()
            if left <= 0:
                raise DemoError(f"{what}: not within {limit_s:g} s")
            self.spin(min(left, 0.1))

    def listening(self) -> bool:
        """Whether every topic is connected to its publisher."""
        return all(s.get_publisher_count() > 0 for s in self._subscriptions)

    # services --------------------------------------------------------------------------------

    def connect(self, kind: Any, name: str, limit_s: float = 10.0) -> Any:
        """A service of the server, found; at once when it was connected before."""
        if name not in self._services:
            self._services[name] = self.node.create_client(kind, f"/{SERVER}/{name}")
        service = self._services[name]
        self.wait(f"service /{SERVER}/{name} to appear", service.service_is_ready, limit_s)
        return service

    def transition(self, label: str, limit_s: float = 60.0) -> None:
        """A lifecycle transition by its name: configure, activate, ..."""
        request = ChangeState.Request()
        request.transition.label = label
        answer = self.connect(ChangeState, "change_state").call_async(request)
        self.wait(f"the transition '{label}'", answer.done, limit_s)
        if not answer.result().success:
            raise DemoError(f"the node refused to {label}; its log says why")

    def swap_model(self, stream: str, model: str) -> Change:
        """Let another model answer a stream: what `ros2 param set` does."""
        return self.set_stream(stream, {"model": model})

    def set_stream(self, stream: str, values: Mapping[str, str | int]) -> Change:
        """Set parameters of a stream, which begins with them if it is not there."""
        request = SetParameters.Request(
            parameters=[
                Parameter(name=f"streams.{stream}.{name}", value=_value(value))
                for name, value in values.items()
            ]
        )
        answer = self.connect(SetParameters, "set_parameters").call_async(request)
        return Change(
            answer, lambda r: "; ".join(one.reason for one in r.results if not one.successful)
        )

    def load_model(self, model: str) -> Change:
        """Load a model, or reload it: what `ros2 service call` does."""
        answer = self.connect(Trigger, f"models/{model}/load").call_async(Trigger.Request())
        return Change(answer, lambda r: "" if r.success else r.message)

    def prepare(self, model: str) -> None:
        """Connect what changes need now, so that a change waits for nothing later."""
        self.connect(SetParameters, "set_parameters")
        self.connect(Trigger, f"models/{model}/load")

    # what arrives ----------------------------------------------------------------------------

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            name = status.name.removeprefix(f"{SERVER}: ")
            self.diagnostics[name] = {pair.key: pair.value for pair in status.values}

    def count(self, status: str, key: str) -> int:
        """A number of a status; 0 where it has none."""
        return int(self.diagnostics.get(status, {}).get(key, 0))


def _value(value: str | int) -> ParameterValue:
    if isinstance(value, str):
        return ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=value)
    return ParameterValue(type=ParameterType.PARAMETER_INTEGER, integer_value=value)


def _on_detections(results: Results, message: Detection2DArray) -> None:
    found = tuple(_found(detection) for detection in message.detections)
    results.answers.append(Answer(_stamp(message), message.header.frame_id, found))
    results.arrived.append(time.monotonic())


def _found(detection: Detection2D) -> Found:
    best, box = detection.results[0].hypothesis, detection.bbox
    centre = box.center.position
    place = (centre.x, centre.y, box.size_x, box.size_y, box.center.theta)
    return Found(best.class_id, best.score, place, detection.header.frame_id, _stamp(detection))


def _on_picture(results: Results, message: Image) -> None:
    pixels = np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)
    picture = pixels[:, : message.width * 3].reshape(message.height, message.width, 3)
    results.pictures[_stamp(message)] = picture


def _stamp(message: Any) -> int:
    stamp = message.header.stamp
    return int(stamp.sec * 1_000_000_000 + stamp.nanosec)
