# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One image topic of the node: the subscription around a `FrameStream`.

The subscription's callback runs on the node's executor and only enqueues.  Where the stream's
policy is *block* it may wait, so such a stream has an executor and a thread of its own; see
`own_executor`.
"""

from __future__ import annotations

from functools import partial
from typing import Any, cast

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image as ImageMessage

from triton_ros.core.errors import TritonError
from triton_ros.core.server import InferenceServer
from triton_ros.ros.annotator import Annotator
from triton_ros.ros.drop_reasons import WANTED
from triton_ros.ros.frame_stream import FrameStream, Read
from triton_ros.ros.guarded_publisher import Gate, GuardedPublisher
from triton_ros.ros.image_cdr import read_compressed, read_image
from triton_ros.ros.output_kinds import check_interface
from triton_ros.ros.own_executor import OwnExecutor
from triton_ros.ros.qos import blocking_qos, image_qos, with_overrides
from triton_ros.ros.stream_outputs import StreamOutputs
from triton_ros.ros.stream_settings import StreamSettings
from triton_ros.ros.stream_statistics import StreamStatistics, Throttle
from triton_ros.vision.tracking import check_tracker

RCLError = rclpy_implementation.RCLError
REPORT_EVERY_S = 5.0


class ImageStream:
    """Wires one stream; made at configure, `start` and `stop` at (de)activate.

    All of it is for the executor's thread, but for `announce`.
    """

    def __init__(
        self,
        node: LifecycleNode,
        server: InferenceServer,
        annotator: Annotator,
        gate: Gate,
        settings: StreamSettings,
    ) -> None:
        self._node = node
        self._server = server
        self._reports = Throttle(REPORT_EVERY_S)
        self._subscription: Subscription[ImageMessage | CompressedImage] | None = None
        self._own: OwnExecutor | None = None
        self._started = False
        clock = node.get_clock()
        self._outputs = StreamOutputs(
            server,
            annotator,
            settings.name,
            f"{node.get_fully_qualified_name()}/{settings.name}",
            partial(GuardedPublisher, node, gate),
            lambda: clock.now().nanoseconds,
        )
        self.frames = FrameStream(
            server, self._outputs, settings, lambda: clock.now().nanoseconds, self._on_drop
        )

    @property
    def settings(self) -> StreamSettings:
        return self.frames.settings

    @property
    def statistics(self) -> StreamStatistics:
        return self.frames.statistics

    @property
    def topic(self) -> str:
        """As people see it: resolved and remapped."""
        return str(self._node.resolve_topic_name(self.settings.topic))

    @property
    def publishers(self) -> int:
        """How many publish the topic."""
        return int(self._node.count_publishers(self.topic))

    @property
    def other_types(self) -> tuple[str, ...]:
        """What publishers send there that is no message of the stream's transport."""
        wanted = f"sensor_msgs/msg/{self._kind.__name__}"
        infos = self._node.get_publishers_info_by_topic(self.topic)
        return tuple(sorted({info.topic_type for info in infos} - {wanted}))

    @property
    def _kind(self) -> type[Any]:
        raw = self.settings.transport == "raw"
        return cast(type[Any], ImageMessage if raw else CompressedImage)

    # control ---------------------------------------------------------------------------------

    def start(self) -> None:
        """Subscribe, and say which model answers."""
        self.frames.open()
        self._started = True
        self.statistics.began()
        self._try_to_subscribe()
        self.announce()

    def stop(self) -> None:
        """Take no more frames."""
        self._started = False
        self.frames.close()
        self._unsubscribe()
        self._outputs.begin_anew()

    def destroy(self) -> None:
        self._outputs.close()

    def check(self, settings: StreamSettings) -> None:
        """Whether the stream could use these settings now.  Raises `TritonError`."""
        quality_of(self._node, settings)
        same = settings.model == self.settings.model
        if not (same and settings.asks_same(self.settings)):
            check_settings(self._server, settings, known=same)

    def apply(self, settings: StreamSettings) -> None:
        """Use other settings from the next frame on; frames in flight keep theirs."""
        old = self.settings
        anew = self._started and settings.subscription != old.subscription
        if anew:
            self._pause()
        self.frames.apply(settings)
        if anew:
            self._resume()
        if settings.model != old.model:
            self.announce()

    def subscribe_anew(self) -> None:
        """The quality of service of the topic was overridden otherwise."""
        if self._started:
            self._pause()
            self._resume()

    def _pause(self) -> None:
        self.frames.let_go()  # so that nobody waits in the callback
        self._unsubscribe()

    def _resume(self) -> None:
        self.statistics.note("")
        self.frames.open()
        self._try_to_subscribe()

    def follow(self) -> None:
        """Announce the model if it is not the one of the last announcement: it was exchanged by
        somebody who told nobody, as mode poll does.  Take topics away that it does not fill.
        """
        if self._started and self._subscription is None:
            self.statistics.note("")
            self._try_to_subscribe()
        if self._outputs.follow(self.settings):
            self.announce()

    def announce(self) -> None:
        """Publish (latched) which model answers; note it in diagnostics if none does.

        Also called by load threads, when a model is ready.
        """
        error = self._outputs.announce(self.settings)
        if error is not None:
            self._note(f"stream '{self.settings.name}': {error}")
            return
        self.statistics.note("")
        self.frames.resize()

    # the subscription ------------------------------------------------------------------------

    def _try_to_subscribe(self) -> None:
        """Subscribe; a refusal is told and tried again at each `follow`.

        The middleware may refuse a type on a topic that somebody in this process reads as another
        one, or did a moment ago.  Raises `ConfigError` as `quality_of`.
        """
        try:
            self._subscribe()
        except RCLError as error:
            self._unsubscribe()
            message = f"stream '{self.settings.name}' cannot subscribe '{self.topic}': {error}"
            self.statistics.note(message)
            if self._reports.due("subscribe"):
                self._node.get_logger().warning(message)

    def _subscribe(self) -> None:
        settings = self.settings
        read = read_image if self._kind is ImageMessage else read_compressed
        qos = quality_of(self._node, settings)
        node: Node = self._node
        if settings.queueing.blocks:
            self._own = OwnExecutor(self._node, settings.name)
            node = self._own.node
        self._subscription = node.create_subscription(
            self._kind,
            self.topic,  # resolved: the node may be another, without this one's remappings
            partial(self._on_message, read),
            qos,
            raw=True,
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=self._on_incompatible),
        )
        if self._own is not None:
            self._own.spin()

    def _unsubscribe(self) -> None:
        own, self._own = self._own, None
        subscription, self._subscription = self._subscription, None
        if own is not None:
            own.close()
        elif subscription is not None:
            self._node.destroy_subscription(subscription)

    def _on_message(self, read: Read, raw: bytes) -> None:
        self.frames.offer(raw, read)

    def _on_drop(self, reason: str, error: TritonError) -> None:
        if reason in WANTED:
            self.statistics.dropped(reason)
            return
        message = f"stream '{self.settings.name}', topic '{self.topic}': {error}"
        self.statistics.dropped(reason, message)
        if self._reports.due(reason):
            self._node.get_logger().warning(message)

    def _on_incompatible(self, event: object) -> None:
        settings = self.settings
        self._note(
            f"stream '{settings.name}': the publisher of '{self.topic}' offers another quality of"
            f" service than {settings.reliability}: set streams.{settings.name}.reliability"
        )

    def _note(self, message: str) -> None:
        self.statistics.note(message)
        self._node.get_logger().warning(message)


def quality_of(node: Node, settings: StreamSettings) -> QoSProfile:
    """What a stream with these settings asks for.  Raises `ConfigError` for a bad override."""
    blocks = settings.queueing.blocks
    qos = blocking_qos() if blocks else image_qos(settings.reliability, settings.depth)
    return with_overrides(node, node.resolve_topic_name(settings.topic), qos)


def check_settings(server: InferenceServer, settings: StreamSettings, known: bool = False) -> None:
    """Whether a stream with these settings could run now.  Raises `TritonError`.

    A model that is `known` to the stream may be gone: that is no fault of another parameter.
    """
    try:
        description = server.describe(settings.model)
    except TritonError:
        if known:
            return
        raise
    check_interface(settings.model, description.interface)
    check_tracker(settings.tracker)
    server.check_parameters(settings.model, settings.request_parameters)
