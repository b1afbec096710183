# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a stream publishes: messages, pictures for who listens, timings, and which model answers.

The topics of the answers follow the model: those that it can fill are there, others are not.  After
a swap to a model that answers something else, the new topics are there at once, and the old ones
until the frames that ran are answered.  Any thread may call anything here.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from rclpy.qos import QoSProfile
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image as ImageMessage
from std_msgs.msg import Float64, Header
from vision_msgs.msg import LabelInfo, VisionInfo

from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.errors import TritonError
from triton_ros.core.request import InferenceResponse
from triton_ros.core.server import InferenceServer, ModelDescription
from triton_ros.core.tensor import Array
from triton_ros.ros import conversions
from triton_ros.ros.admission import age_ns
from triton_ros.ros.annotator import Annotator
from triton_ros.ros.frame import Answer, Frame
from triton_ros.ros.guarded_publisher import MakePublisher, Publisher
from triton_ros.ros.message_detections import set_ids
from triton_ros.ros.output_kinds import OutputKind, check_interface, datatypes_of, output_kinds
from triton_ros.ros.qos import LATCHED, RESULTS
from triton_ros.ros.stream_settings import StreamSettings
from triton_ros.ros.stream_timing import STAGES, stages
from triton_ros.vision.compressed import encode_jpeg
from triton_ros.vision.draw import annotate
from triton_ros.vision.tracking import Tracker

ASK_S = 0.1
"""How often it is asked who listens to the times; for seven topics, at every frame, that is as much
work as the message of detections.
"""
LATE_S = 2.0
"""Answers of the model before may come so long after a swap."""


class StreamOutputs:
    """The publishers below ``~/<stream>``; from configure to cleanup.

    `place` is the full name of that; `now_ns` is ROS time.
    """

    def __init__(
        self,
        server: InferenceServer,
        annotator: Annotator,
        stream: str,
        place: str,
        make_publisher: MakePublisher,
        now_ns: Callable[[], int],
    ) -> None:
        self._server = server
        self._annotator = annotator
        self._stream = stream
        self._place = place
        self._now_ns = now_ns
        self._make_publisher = make_publisher
        self._announcing = threading.Lock()
        self._version = 0
        self._closed = False
        self._announced: ModelConfig | None = None
        self._announced_at = time.monotonic()
        self._answering: dict[str, tuple[type[Any], Publisher]] = {}
        self._keypoint_names: tuple[str, ...] = ()
        self._known_kinds: tuple[object, list[OutputKind]] = None, []
        self._tracker: Tracker | None = None
        self._anew = False
        self._annotated = self._make(ImageMessage, "annotated")
        self._jpeg = self._make(CompressedImage, "annotated/compressed")
        self._label_info = self._make(LabelInfo, "label_info", LATCHED)
        self._vision_info = self._make(VisionInfo, "vision_info", LATCHED)
        self._timings = {stage: self._make(Float64, f"timing/{stage}_ms") for stage in STAGES}
        self._timings_wanted: dict[str, Publisher] = {}
        self._timings_asked = -ASK_S

    def _make(self, kind: type[Any], topic: str, qos: QoSProfile = RESULTS) -> Publisher:
        return self._make_publisher(kind, f"~/{self._stream}/{topic}", qos)

    # answers ---------------------------------------------------------------------------------

    def prepare(self, frame: Frame, response: InferenceResponse) -> Answer:
        """What to publish for a frame; frames are prepared side by side, in any order.

        Raises whatever outputs that do not fit make of it.
        """
        kinds = self._kinds(response.outputs)
        if not kinds:
            raise ValueError(f"nothing to publish in {', '.join(response.outputs) or 'it'}")
        header = conversions.header_message(frame.header)
        messages = {
            kind.topic: kind.build(header, response.outputs)
            for kind in kinds
            if not kind.heavy or self._publisher(kind).listened
        }
        return Answer(frame, response, header, kinds, messages)

    def _kinds(self, outputs: Mapping[str, Array]) -> list[OutputKind]:
        """What they fill; as for the frame before, while a model's answers stay alike."""
        alike = self._keypoint_names, [(name, array.dtype) for name, array in outputs.items()]
        known, kinds = self._known_kinds
        if known != alike:
            kinds = output_kinds(datatypes_of(outputs), alike[0])
            self._known_kinds = alike, kinds
        return kinds

    def publish(self, answer: Answer, settings: StreamSettings) -> bool:
        """Whether it went out; called in the order of the frames, one at a time."""
        if not self._label_info.active:
            return False
        self._track(answer, settings)
        for kind in answer.kinds:
            if kind.topic in answer.messages:
                self._publisher(kind).publish(answer.messages[kind.topic])
        self._publish_timings(answer)
        if self._annotated.listened or self._jpeg.listened:
            self._annotator.offer(self._stream, partial(self._annotate, answer))
        return True

    def _publisher(self, kind: OutputKind) -> Publisher:
        with self._announcing:
            message, publisher = self._answering.get(kind.topic, (None, self._label_info))
            if message is not kind.message and not self._closed:
                publisher = self._make(kind.message, kind.topic)
                self._answering[kind.topic] = kind.message, publisher
            return publisher

    def begin_anew(self) -> None:
        """What comes now does not go on from what was: tracks end."""
        self._anew = True

    def _track(self, answer: Answer, settings: StreamSettings) -> None:
        wanted = settings.tracking
        if self._anew or (self._tracker and self._tracker.settings != wanted):
            self._anew, self._tracker = False, None
        message = answer.messages.get("detections")
        if not wanted.kind or message is None:
            return
        if self._tracker is None:
            self._tracker = Tracker(wanted)
        ids = self._tracker.update(answer.response.outputs)
        answer.response.outputs["TRACK_IDS"] = ids
        set_ids(message, ids.tolist(), answer.messages.get("keypoints"))

    def _publish_timings(self, answer: Answer) -> None:
        now = time.monotonic()
        if now >= self._timings_asked + ASK_S:
            self._timings_asked = now
            self._timings_wanted = {s: p for s, p in self._timings.items() if p.listened}
        wanted = self._timings_wanted
        if not wanted:
            return
        frame = answer.frame
        total = time.monotonic_ns() - frame.received_ns
        age = age_ns(frame.header.stamp_ns, self._now_ns())
        measured = stages(answer.response.timing, total, age)
        for stage, publisher in wanted.items():
            publisher.publish(Float64(data=measured[stage]))

    def _annotate(self, answer: Answer) -> None:
        """One drawing for both topics."""
        picture = annotate(answer.frame.image.pixels("bgr"), answer.response.outputs)
        if self._annotated.listened:
            self._annotated.publish(conversions.image_message(answer.header, picture))
        if self._jpeg.listened:
            data = encode_jpeg(picture)
            self._jpeg.publish(conversions.compressed_message(answer.header, data))

    # which model answers ---------------------------------------------------------------------

    def announce(self, settings: StreamSettings) -> TritonError | None:
        """Publish (latched) the labels and the model of the stream; why not, if it cannot."""
        try:
            model = self._describe(settings)
        except TritonError as error:
            with self._announcing:
                self._announced = None
                return None if self._closed else error
        for kind in kinds_of(model):
            self._publisher(kind)
        self._tell(model, settings)
        return None

    def _tell(self, model: ModelDescription, settings: StreamSettings) -> None:
        with self._announcing:
            if self._closed:
                return
            if model.config is not self._announced:
                self.begin_anew()
            self._announced, self._announced_at = model.config, time.monotonic()
            self._keypoint_names = model.keypoint_names
            header = Header(stamp=conversions.time_message(self._now_ns()))
            threshold = max(settings.score_threshold, 0.0)
            labels = conversions.label_info_message(header, model.labels, threshold)
            if self._label_info.publish(labels):
                self._version += 1
                method, location = f"{model.name}/{model.version}", f"{self._place}/label_info"
                self._vision_info.publish(
                    conversions.vision_info_message(header, method, location, self._version)
                )

    def _describe(self, settings: StreamSettings) -> ModelDescription:
        model = self._server.describe(settings.model)
        check_interface(settings.model, model.interface)
        return model

    def follow(self, settings: StreamSettings) -> bool:
        """Whether another model serves than at the last `announce` (or one, or none any more).

        Topics that only an earlier model could fill are taken away, some time after it went.
        """
        with self._announcing:  # no load may announce its model between the two
            if self._closed:
                return False
            try:
                model = self._describe(settings)
            except TritonError:
                return self._announced is not None
            # Each load makes its own, also of the same file; new instances do, too.
            outdated = model.config is not self._announced
        self._tidy(model)
        return outdated

    def _tidy(self, model: ModelDescription) -> None:
        if time.monotonic() - self._announced_at < LATE_S:
            return
        kinds = {kind.topic for kind in kinds_of(model)}
        with self._announcing:
            gone = [topic for topic in self._answering if topic not in kinds]
            publishers = [self._answering.pop(topic)[1] for topic in gone]
        for publisher in publishers:
            publisher.close()

    def close(self) -> None:
        with self._announcing:
            self._closed = True
            answers = [publisher for _, publisher in self._answering.values()]
        always: list[Any] = [self._annotated, self._jpeg, self._label_info, self._vision_info]
        for publisher in (*answers, *always, *self._timings.values()):
            publisher.close()


def kinds_of(model: ModelDescription) -> list[OutputKind]:
    """What a model's answers will fill."""
    datatypes = {spec.name: spec.datatype for spec in model.interface.outputs}
    return output_kinds(datatypes, model.keypoint_names)
