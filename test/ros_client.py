# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A ROS client of the node under test, in the test's own process.

Nothing here sleeps: `until` spins the client's executor until a condition holds, and fails with
what it waited for when it does not within the limit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import GetParameters, SetParameters, SetParametersAtomically
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter, parameter_value_to_python
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from ros_process import NodeProcess
from sensor_msgs.msg import CompressedImage, Image
from std_srvs.srv import Trigger
from vision_msgs.msg import Detection2DArray

LIMIT_S = 20.0
RELIABLE = QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE)
LATCHED = QoSProfile(
    depth=10,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)


class Client:
    """Everything about one node; `node_name` is its full name."""

    def __init__(self, domain: int, node_name: str = "/triton_ros") -> None:
        self._context = Context()
        rclpy.init(context=self._context, domain_id=domain)
        self.node = rclpy.create_node("client", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._name = node_name
        self._clients: dict[str, Any] = {}
        self._stamp = 0
        self.diagnostics: list[DiagnosticArray] = []
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self.diagnostics.append, 10)

    def close(self) -> None:
        """As often as you like."""
        if not self._context.ok():
            return
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self._context)

    # waiting ---------------------------------------------------------------------------------

    def until(self, holds: Callable[[], Any], what: str, limit_s: float = LIMIT_S) -> Any:
        """Spin until `holds()` is true; its value."""
        clock = self.node.get_clock()
        deadline = clock.now().nanoseconds + limit_s * 1e9
        while not (value := holds()):
            assert clock.now().nanoseconds < deadline, f"not within {limit_s:g} s: {what}"
            self._executor.spin_once(timeout_sec=0.05)
        return value

    # services --------------------------------------------------------------------------------

    def path(self, name: str) -> str:
        """A full name below the node's, unless it is one already."""
        return name if name.startswith("/") else f"{self._name}/{name}"

    def start_call(self, kind: Any, name: str, request: Any) -> Any:
        """Call a service of the node; the future of its answer."""
        path = self.path(name)
        client = self._clients.get(path)
        if client is None:
            client = self._clients[path] = self.node.create_client(kind, path)
        self.until(client.service_is_ready, f"service {path} is there")
        return client.call_async(request)

    def call(self, kind: Any, name: str, request: Any, limit_s: float = LIMIT_S) -> Any:
        future = self.start_call(kind, name, request)
        self.until(future.done, f"service {self.path(name)} answers", limit_s)
        return future.result()

    def trigger(self, name: str, limit_s: float = LIMIT_S) -> tuple[bool, str]:
        """Success and message of a `Trigger` service."""
        answer = self.call(Trigger, name, Trigger.Request(), limit_s)
        return answer.success, answer.message

    def change_state(self, label: str, limit_s: float = LIMIT_S) -> bool:
        """Whether the transition succeeded."""
        request = ChangeState.Request()
        request.transition.label = label
        return bool(self.call(ChangeState, "change_state", request, limit_s).success)

    def state(self, limit_s: float = LIMIT_S) -> str:
        answer = self.call(GetState, "get_state", GetState.Request(), limit_s)
        return str(answer.current_state.label)

    def to_active(self) -> None:
        """From unconfigured."""
        assert self.change_state("configure")
        assert self.change_state("activate")

    def to_unconfigured(self) -> None:
        """From whatever state."""
        state = self.state()
        if state == "active":
            assert self.change_state("deactivate")
        if state in ("active", "inactive"):
            assert self.change_state("cleanup")

    def set(self, values: Mapping[str, Any], atomically: bool = False) -> list[str]:
        """Set parameters of the node; one reason each, "" for success."""
        parameters = [Parameter(name, value=v).to_parameter_msg() for name, v in values.items()]
        if atomically:
            request = SetParametersAtomically.Request(parameters=parameters)
            answer = self.call(SetParametersAtomically, "set_parameters_atomically", request)
            results = [answer.result]
        else:
            request = SetParameters.Request(parameters=parameters)
            results = self.call(SetParameters, "set_parameters", request).results
        for result in results:
            assert result.successful or result.reason, "refused without a reason"
        return [result.reason for result in results if not result.successful] or [""]

    def get(self, name: str) -> Any:
        answer = self.call(GetParameters, "get_parameters", GetParameters.Request(names=[name]))
        return parameter_value_to_python(answer.values[0])

    # topics ----------------------------------------------------------------------------------

    def collect(self, kind: Any, topic: str, qos: QoSProfile = RELIABLE) -> list[Any]:
        """What comes on a topic of the node from now on, in a list that grows."""
        found: list[Any] = []
        subscription = self.node.create_subscription(kind, self.path(topic), found.append, qos)
        self.until(
            lambda: self.node.count_publishers(subscription.topic_name),
            f"somebody publishes {subscription.topic_name}",
        )
        return found

    def camera(self, topic: str, kind: Any = Image, qos: QoSProfile = RELIABLE) -> Camera:
        """A publisher of images that the node hears."""
        publisher = self.node.create_publisher(kind, topic, qos)
        self.until(publisher.get_subscription_count, f"somebody subscribes {topic}")
        return Camera(self, publisher)

    def next_stamp(self) -> int:
        """Nanoseconds that no other frame of this client has."""
        self._stamp += 1
        return self._stamp

    # diagnostics -----------------------------------------------------------------------------

    def status(self, name: str) -> DiagnosticStatus | None:
        """The newest status of that name, as in ``triton_ros: node``."""
        for array in reversed(self.diagnostics):
            for status in array.status:
                if status.name == name:
                    return status
        return None

    def until_status(
        self, name: str, holds: Callable[[DiagnosticStatus, dict[str, str]], bool], what: str
    ) -> DiagnosticStatus:
        """Wait for a status of that name for which `holds(status, values)`."""

        def found() -> DiagnosticStatus | None:
            status = self.status(name)
            return status if status and holds(status, values(status)) else None

        try:
            status: DiagnosticStatus = self.until(found, f"{name}: {what}")
        except AssertionError as error:
            raise AssertionError(f"{error}; last: {self.status(name)}") from None
        return status

    def values(self, name: str) -> dict[str, str]:
        """The values of a status that comes after this call."""
        self.diagnostics.clear()
        return values(self.until(lambda: self.status(name), f"{name} in /diagnostics"))


def values(status: DiagnosticStatus) -> dict[str, str]:
    """Key to value."""
    return {pair.key: pair.value for pair in status.values}


class Camera:
    """Publishes frames with stamps of their own."""

    def __init__(self, client: Client, publisher: Any) -> None:
        self._client = client
        self._publisher = publisher

    def send(self, message: Image | CompressedImage | None = None, frame_id: str = "cam") -> int:
        """Publish a frame (a grey one if none is given); its stamp."""
        message = message or picture()
        stamp = self._client.next_stamp()
        message.header.stamp.nanosec = stamp
        message.header.frame_id = frame_id
        self._publisher.publish(message)
        return stamp

    def until_answered(self, answers: list[Any], what: str) -> None:
        """Send until an answer comes; the first frames may go before all have found each other."""
        sent = []

        def step() -> bool:
            sent.append(self.send())
            return bool(answers)

        self._client.until(step, what)
        assert set(stamps(answers)) <= set(sent), "what is answered was sent"

    def close(self) -> None:
        self._client.node.destroy_publisher(self._publisher)


class Traffic:
    """A camera that sends whenever we wait, with few frames under way."""

    def __init__(self, client: Client, camera: Camera, answers: list[Any]) -> None:
        self._client = client
        self._camera = camera
        self.answers = answers
        self.sent: list[int] = []

    def during(self, holds: Callable[[], Any], what: str, frames: int = 20) -> None:
        """Send until `holds()` and at least so many frames more."""
        enough = len(self.sent) + frames

        def step() -> bool:
            if len(self.sent) - len(self.answers) < 5:
                self.sent.append(self._camera.send())
            return bool(holds()) and len(self.sent) >= enough

        self._client.until(step, what)

    def end(self) -> None:
        """Every frame was answered exactly once, in order."""
        self._client.until(lambda: len(self.answers) >= len(self.sent), "all frames are answered")
        assert stamps(self.answers) == self.sent


def picture(
    width: int = 64,
    height: int = 48,
    *,
    level: int = 128,
    padding: int = 0,
    fill: int = 0,
    **fields: Any,
) -> Image:
    """A raw rgb8 picture of one grey level; each row is followed by `padding` bytes of `fill`."""
    message = Image(width=width, height=height, encoding="rgb8", step=3 * width + padding)
    message.data = (bytes([level]) * (3 * width) + bytes([fill]) * padding) * height
    for name, value in fields.items():
        setattr(message, name, value)
    return message


def stamps(messages: Iterable[Detection2DArray]) -> list[int]:
    """The stamps that were answered, in order."""
    return [message.header.stamp.nanosec for message in messages]


@dataclass
class Run:
    """A node that runs, and a client of it."""

    node: NodeProcess
    client: Client
    domain: int


Launch = Callable[..., Run]
"""The fixture `launch`."""
