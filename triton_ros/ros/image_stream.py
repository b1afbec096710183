# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One image topic: frames in, detections out.

The subscription's callback runs on the executor and only enqueues: it reads the header of the
serialized message, and hands the frame (pixels still in the middleware's bytes) to the server if
the stream may have one more in flight.  Everything else happens on the instance thread that
answers: the next frame is started first, then the answer is published.  Answers leave in the order
of their frames.

While a frame still waits for an instance (other streams may use the same model), a newer frame
takes its place there; that is *newest wins* carried into the model's queue.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.lifecycle import LifecycleNode
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image as ImageMessage

from triton_ros.core.errors import TritonError
from triton_ros.core.request import Done, InferenceRequest, Outcome
from triton_ros.core.server import InferenceServer, Ticket
from triton_ros.ros import conversions
from triton_ros.ros.annotator import Annotator
from triton_ros.ros.drop_reasons import WANTED, reason_of
from triton_ros.ros.frame import Answer, Frame
from triton_ros.ros.frame_queue import FrameQueue, Sequencer
from triton_ros.ros.image_cdr import FrameHeader, read_compressed, read_image
from triton_ros.ros.parameters import StreamSettings
from triton_ros.ros.qos import image_qos
from triton_ros.ros.stream_outputs import StreamOutputs
from triton_ros.ros.stream_statistics import StreamStatistics, Throttle
from triton_ros.vision.image import Image, ImageError

REPORT_EVERY_S = 5.0


class ImageStream:
    """Wires one stream; made at configure, `start` and `stop` at (de)activate."""

    def __init__(
        self,
        node: LifecycleNode,
        server: InferenceServer,
        annotator: Annotator,
        settings: StreamSettings,
    ) -> None:
        self.settings = settings
        self.statistics = StreamStatistics()
        self._node = node
        self._server = server
        self._topic = node.resolve_topic_name(settings.topic)  # as people see it
        self._queue: FrameQueue[Frame] = FrameQueue(settings.queue_depth, 1)
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._started = self._left = 0
        self._newest: Ticket | None = None
        self._leaving: Sequencer[Answer] = Sequencer()
        self._publishing = threading.Lock()
        self._reports = Throttle(REPORT_EVERY_S)
        self._subscription: Subscription[ImageMessage | CompressedImage] | None = None
        self._outputs = StreamOutputs(node, server, annotator, settings.name)

    # control, on the executor's thread -------------------------------------------------------

    def start(self) -> None:
        """Subscribe, and say which model answers."""
        settings = self.settings
        raw = settings.transport == "raw"
        kind, read = (ImageMessage, read_image) if raw else (CompressedImage, read_compressed)
        self._subscription = self._node.create_subscription(
            kind,
            settings.topic,
            lambda raw: self._on_message(raw, read),
            image_qos(settings.reliability, settings.depth),
            raw=True,
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=self._on_incompatible),
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )
        self.announce()

    def stop(self) -> None:
        """Take no more frames."""
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None
        with self._lock:
            waiting = self._queue.clear()
        for _ in waiting:
            self.statistics.dropped("deactivated")

    def drain(self, limit_s: float) -> int:
        """Wait until the frames that run are answered; how many are not, after `limit_s`."""
        with self._idle:
            self._idle.wait_for(lambda: self._left == self._started, limit_s)
            return self._started - self._left

    def destroy(self) -> None:
        self._outputs.close()

    def apply(self, settings: StreamSettings) -> None:
        """Use other settings from the next frame on; frames in flight keep theirs."""
        changed_model = settings.model != self.settings.model
        self.settings = settings
        self._resize()
        if changed_model:
            self.announce()

    def check(self, settings: StreamSettings) -> None:
        """Whether the stream could use these settings now.  Raises `TritonError`."""
        if settings.model == self.settings.model:
            return  # whatever has become of it
        description = self._server.describe(settings.model)
        conversions.check_interface(settings.model, description.interface)

    def follow(self) -> None:
        """Announce the model if it is not the one of the last announcement: it was exchanged by
        somebody who told nobody, as mode poll does.
        """
        if self._outputs.outdated(self.settings):
            self.announce()

    def announce(self) -> None:
        """Publish (latched) which model answers; note it in diagnostics if none does.

        Also called by load threads, when a model is ready.
        """
        error = self._outputs.announce(self.settings)
        if error is not None:
            message = f"stream '{self.settings.name}': {error}"
            self.statistics.note(message)
            self._node.get_logger().warning(message)
            return
        self.statistics.note("")
        self._resize()

    def _resize(self) -> None:
        settings = self.settings
        in_flight = settings.in_flight or self._instances(settings.model)
        with self._lock:
            self._queue.depth = settings.queue_depth
            self._queue.in_flight = in_flight

    def _instances(self, model: str) -> int:
        try:
            return self._server.describe(model).instance_count
        except TritonError:
            return 1

    # data path -------------------------------------------------------------------------------

    def _on_message(self, raw: bytes, read: Callable[[bytes], tuple[FrameHeader, Image]]) -> None:
        received_ns = time.monotonic_ns()
        self.statistics.received()
        try:
            header, image = read(raw)
        except ImageError as error:
            self._drop(error.reason, error)
            return
        frame = Frame(header, image, received_ns)
        if self._supersede(frame):
            return
        with self._lock:
            start, dropped = self._queue.arrive(frame)
        for _ in dropped:
            self.statistics.dropped("superseded")
        if start:
            self._start(start)

    def _supersede(self, frame: Frame) -> bool:
        """Take the place of the newest started frame, if it has not begun to run."""
        with self._lock:
            ticket = self._newest
            if ticket is None or not self._queue.full or self._queue.depth != 1:
                return False
            older = self._queue.clear()  # whatever comes of it, this frame goes before them
            self._queue.running += 1  # the superseded one gives it back when it is answered
            frame.number = self._started
            self._started += 1
        for _ in older:
            self.statistics.dropped("superseded")
        replaced = self._server.replace(ticket, self._request(frame), self._done(frame))
        if replaced is None:
            with self._lock:
                self._queue.running -= 1
            self._leave(frame.number, None)
            return False
        with self._lock:
            self._newest = replaced
        return True

    def _start(self, frame: Frame) -> None:
        with self._lock:
            frame.number = self._started
            self._started += 1
        ticket = self._server.submit(self._request(frame), self._done(frame))
        with self._lock:
            self._newest = ticket

    def _request(self, frame: Frame) -> InferenceRequest:
        settings = self.settings
        return InferenceRequest(
            settings.model,
            {"IMAGE": frame.image},
            parameters=settings.request_parameters,
            priority=settings.priority,
            deadline_ns=settings.deadline_ns(frame.received_ns),
        )

    def _done(self, frame: Frame) -> Done:
        def done(outcome: Outcome) -> None:
            with self._lock:
                following = self._queue.finished()
            if following:
                self._start(following)
            self._leave(frame.number, self._answer(frame, outcome))

        return done

    def _answer(self, frame: Frame, outcome: Outcome) -> Answer | None:
        if isinstance(outcome, TritonError):
            self._drop(reason_of(outcome), outcome)
            return None
        try:
            return self._outputs.prepare(frame, outcome)
        except Exception as error:  # a frame that never leaves would hold back all that follow
            self._drop("model_error", conversions.unfit(outcome, error))
            return None

    def _leave(self, number: int, answer: Answer | None) -> None:
        with self._publishing:
            for ready in self._leaving.arrive(number, answer):
                self._publish(ready)
        with self._idle:
            self._left += 1
            self._idle.notify_all()

    def _publish(self, answer: Answer) -> None:
        if not self._outputs.publish(answer):
            self.statistics.dropped("deactivated")
            return
        self.statistics.answered(
            len(answer.message.detections),
            time.monotonic_ns() - answer.frame.received_ns,
            answer.response.timing.batch_size,
        )

    def _drop(self, reason: str, error: TritonError) -> None:
        if reason in WANTED:
            self.statistics.dropped(reason)
            return
        message = f"stream '{self.settings.name}', topic '{self._topic}': {error}"
        self.statistics.dropped(reason, message)
        if self._reports.due(reason):
            self._node.get_logger().warning(message)

    def _on_incompatible(self, event: object) -> None:
        message = (
            f"stream '{self.settings.name}': the publisher of '{self._topic}' offers"
            f" another quality of service than {self.settings.reliability}:"
            f" set streams.{self.settings.name}.reliability"
        )
        self.statistics.note(message)
        self._node.get_logger().warning(message)
