# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The usual detector node: cv_bridge and the runtime in the subscription's callback.

As the well-known packages do it (yolo_ros, and most nodes around an ONNX or TFLite file): a message
becomes a Python object, cv_bridge an array of it, the model is called in the callback, and its
detections are published from there.  Several cameras are several subscriptions of one node.
*spin* is `rclpy.spin`.  *threads* is a `MultiThreadedExecutor` with a callback group a camera; each
thread has its own interpreter (LiteRT's is for one at a time; ONNX Runtime's session is shared).
It has a thread more than cameras: with fewer, or with one `ReentrantCallbackGroup`, rclpy 9.1 hands
a callback that waits for a thread to the pool again and again, and came to 2 to 190 frames a second
here.  History depth 1 is theirs, too: the newest frame wins.

It is no straw man: the picture is made small before its colours and types are changed, nothing is
computed twice, OpenCV has no pool of threads beside, the runtimes have one thread a call, and the
decoding is the package's own.  So its answers are those of the node, which the benchmark checks.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
import rclpy
from ai_edge_litert.interpreter import Interpreter
from cv_bridge import CvBridge
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.executors import (
    ExternalShutdownException,
    MultiThreadedExecutor,
    SingleThreadedExecutor,
)
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2D, Detection2DArray, ObjectHypothesisWithPose

from triton_ros.vision.heads.blazeface import anchor_centers
from triton_ros.vision.nms import nms, weighted_nms

Found = tuple[np.ndarray, np.ndarray, list[str]]
"""Boxes [n, 4] (x0, y0, x1, y1 in the picture's pixels), scores [n], labels."""


class BlazeFace:
    """MediaPipe's face detector by LiteRT."""

    SIZE = 128

    def __init__(self, repository: Path) -> None:
        self._path = str(repository / "blazeface" / "1" / "model.tflite")
        self._anchors = anchor_centers((self.SIZE, self.SIZE), [8, 16, 16, 16], 2)
        self._own = threading.local()

    def detect(self, bgr: np.ndarray) -> Found:
        """Letterboxed, -1..1."""
        scale = self.SIZE / max(bgr.shape[:2])
        height, width = (round(side * scale) for side in bgr.shape[:2])
        top, left = (self.SIZE - height) // 2, (self.SIZE - width) // 2
        small = cv2.cvtColor(cv2.resize(bgr, (width, height)), cv2.COLOR_BGR2RGB)
        tensor = np.full((1, self.SIZE, self.SIZE, 3), -1, np.float32)
        tensor[0, top : top + height, left : left + width] = small / np.float32(127.5) - 1
        regressors, logits = self._run(tensor)
        scores = 1 / (1 + np.exp(-np.clip(logits.reshape(-1), -80, 80)))
        sure = np.flatnonzero(scores > 0.5)
        raw, anchors = regressors[0, sure], self._anchors[sure]
        centers, half = raw[:, :2] + anchors, raw[:, 2:4] / 2
        points = raw[:, 4:].reshape(-1, 6, 2) + anchors[:, None]
        boxes = np.concatenate([centers - half, centers + half], axis=1)
        boxes, _, kept = weighted_nms(boxes, points, scores[sure], 0.3, 50)
        return (boxes - [left, top, left, top]) / scale, kept, ["face"] * len(kept)

    def _run(self, tensor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        interpreter = getattr(self._own, "interpreter", None)
        if interpreter is None:
            interpreter = self._own.interpreter = Interpreter(self._path, num_threads=1)
            interpreter.allocate_tensors()
            self._own.input = interpreter.get_input_details()[0]["index"]
            outputs = {one["shape"][-1]: one["index"] for one in interpreter.get_output_details()}
            self._own.outputs = outputs[16], outputs[1]
        interpreter.set_tensor(self._own.input, tensor)
        interpreter.invoke()
        regressors, scores = self._own.outputs
        return interpreter.get_tensor(regressors), interpreter.get_tensor(scores)


class CocoSsd:
    """SSDLite on MobileNet v2 by ONNX Runtime."""

    def __init__(self, repository: Path) -> None:
        folder = repository / "coco_ssd"
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(folder / "1" / "model.onnx"), options, ["CPUExecutionProvider"]
        )
        self._labels = (folder / "labels.txt").read_text().split("\n")

    def detect(self, bgr: np.ndarray) -> Found:
        """Stretched; the graph scales the pixels."""
        height, width = bgr.shape[:2]
        rgb = cv2.cvtColor(cv2.resize(bgr, (300, 300)), cv2.COLOR_BGR2RGB)
        yxyx, table = self._session.run(["boxes", "scores"], {"images": rgb[None]})
        rows, classes = np.nonzero(table[0] > 0.4)
        boxes, scores = yxyx[0, rows][:, [1, 0, 3, 2]], table[0, rows, classes]
        kept = nms(boxes, scores, classes, 0.5, 100)
        found = boxes[kept] * [width, height, width, height]
        return found, scores[kept], [self._labels[index] for index in classes[kept]]


MODELS: dict[str, Callable[[Path], BlazeFace | CocoSsd]] = {
    "blazeface": BlazeFace,
    "coco_ssd": CocoSsd,
}


class DetectorNode(Node):
    """One model, any number of cameras."""

    def __init__(self, model: BlazeFace | CocoSsd, depth: int, topics: Sequence[str]) -> None:
        super().__init__("cv_bridge_detector")
        self._model = model
        self._bridge = CvBridge()
        qos = QoSProfile(depth=depth)
        for topic, detections in zip(topics[::2], topics[1::2], strict=True):
            callback = self._callback(self.create_publisher(Detection2DArray, detections, 10))
            group = MutuallyExclusiveCallbackGroup()
            self.create_subscription(Image, topic, callback, qos, callback_group=group)

    def _callback(self, publisher: Publisher[Any]) -> Callable[[Image], None]:
        def on_image(message: Image) -> None:
            bgr = self._bridge.imgmsg_to_cv2(message, "bgr8")
            boxes, scores, labels = self._model.detect(bgr)
            answer = Detection2DArray(header=message.header)
            for box, score, label in zip(boxes.tolist(), scores.tolist(), labels, strict=True):
                answer.detections.append(detection(message.header, box, score, label))
            publisher.publish(answer)

        return on_image


def detection(header: Any, box: list[float], score: float, label: str) -> Detection2D:
    """A box with its centre and size."""
    found = Detection2D(header=header)
    found.bbox.center.position.x = (box[0] + box[2]) / 2
    found.bbox.center.position.y = (box[1] + box[3]) / 2
    found.bbox.size_x, found.bbox.size_y = box[2] - box[0], box[3] - box[1]
    hypothesis = ObjectHypothesisWithPose()
    hypothesis.hypothesis.class_id, hypothesis.hypothesis.score = label, score
    found.results.append(hypothesis)
    return found


def main(repository: str, model: str, way: str, depth: str, *topics: str) -> None:
    """Until a signal ends the process."""
    cv2.setNumThreads(1)
    rclpy.init()
    threads = len(topics) // 2 + 1
    executor = SingleThreadedExecutor() if way == "spin" else MultiThreadedExecutor(threads)
    executor.add_node(DetectorNode(MODELS[model](Path(repository)), int(depth), topics))
    with suppress(KeyboardInterrupt, ExternalShutdownException):
        executor.spin()


if __name__ == "__main__":
    main(*sys.argv[1:])
