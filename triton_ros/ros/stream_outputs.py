# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a stream publishes: detections, pictures for who listens, and which model answers.

Any thread may call anything here, at any state of the node.
"""

from __future__ import annotations

import threading
from functools import partial

from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import Image as ImageMessage
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, LabelInfo, VisionInfo

from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.errors import TritonError
from triton_ros.core.request import InferenceResponse
from triton_ros.core.server import InferenceServer
from triton_ros.ros import conversions
from triton_ros.ros.annotator import Annotator
from triton_ros.ros.frame import Answer, Frame
from triton_ros.ros.guarded_publisher import GuardedPublisher
from triton_ros.ros.parameters import StreamSettings
from triton_ros.ros.qos import LATCHED, RESULTS
from triton_ros.vision.draw import annotate


class StreamOutputs:
    """The four publishers below ``~/<stream>``; from configure to cleanup."""

    def __init__(
        self, node: LifecycleNode, server: InferenceServer, annotator: Annotator, stream: str
    ) -> None:
        self._node = node
        self._server = server
        self._annotator = annotator
        self._stream = stream
        self._announcing = threading.Lock()
        self._version = 0
        self._closed = False
        self._announced: ModelConfig | None = None
        place = f"~/{stream}"
        self._location = f"{node.get_fully_qualified_name()}/{stream}/label_info"
        self._detections = GuardedPublisher(node, Detection2DArray, f"{place}/detections", RESULTS)
        self._annotated = GuardedPublisher(node, ImageMessage, f"{place}/annotated", RESULTS)
        self._label_info = GuardedPublisher(node, LabelInfo, f"{place}/label_info", LATCHED)
        self._vision_info = GuardedPublisher(node, VisionInfo, f"{place}/vision_info", LATCHED)

    def prepare(self, frame: Frame, response: InferenceResponse) -> Answer:
        """What to publish for a frame; frames are prepared side by side, in any order.

        Raises whatever outputs that do not fit make of it.
        """
        header = conversions.header_message(frame.header)
        message = conversions.detections_message(header, response.outputs)
        return Answer(frame, response, message)

    def publish(self, answer: Answer) -> bool:
        """Whether it went out; called in the order of the frames, one at a time."""
        if not self._detections.publish(answer.message):
            return False
        if self._annotated.listened:
            self._annotator.offer(self._stream, partial(self._annotate, answer))
        return True

    def _annotate(self, answer: Answer) -> None:
        picture = annotate(answer.frame.image.pixels("bgr"), answer.response.outputs)
        self._annotated.publish(conversions.image_message(answer.message.header, picture))

    def announce(self, settings: StreamSettings) -> TritonError | None:
        """Publish (latched) the labels and the model of the stream; why not, if it cannot."""
        with self._announcing:
            if self._closed:
                return None
            try:
                model = self._server.describe(settings.model)
                conversions.check_interface(settings.model, model.interface)
            except TritonError as error:
                self._announced = None
                return error
            self._announced = model.config
            header = Header(stamp=self._node.get_clock().now().to_msg())
            threshold = max(settings.score_threshold, 0.0)
            labels = conversions.label_info_message(header, model.labels, threshold)
            if self._label_info.publish(labels):
                self._version += 1
                method = f"{model.name}/{model.version}"
                self._vision_info.publish(
                    conversions.vision_info_message(header, method, self._location, self._version)
                )
            return None

    def outdated(self, settings: StreamSettings) -> bool:
        """Whether another model serves than at the last `announce` (or one, or none any more)."""
        with self._announcing:
            if self._closed:
                return False
            try:
                model = self._server.describe(settings.model)
                conversions.check_interface(settings.model, model.interface)
            except TritonError:
                return self._announced is not None
            # Each load makes its own, also of the same file; new instances do, too.
            return model.config is not self._announced

    def close(self) -> None:
        with self._announcing:
            self._closed = True
        for publisher in (self._detections, self._annotated, self._label_info, self._vision_info):
            publisher.close()
