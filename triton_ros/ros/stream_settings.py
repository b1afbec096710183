# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The parameters of one stream: their table, and their values once they are checked.

All of them are live.  A stream subscribes anew when its topic or quality of service changes; the
frames that the middleware holds at that moment are the only ones that such a change can lose.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from rclpy.exceptions import InvalidTopicNameException
from rclpy.validate_topic_name import validate_topic_name

from triton_ros.core.errors import ConfigError
from triton_ros.core.request import Parameter
from triton_ros.ros.parameter_spec import Spec
from triton_ros.ros.qos import RELIABILITIES
from triton_ros.vision.tracking import TRACKERS, TrackerSettings

STREAMS = "streams."
_STREAM_NAME = re.compile(r"[A-Za-z](_?[A-Za-z0-9])*_?")
_QUEUE = re.compile(r"queue:([1-9][0-9]{0,2})")
BLOCK_DEPTH = 2
"""Frames of a blocking stream that wait here; the others wait in the middleware."""
OVERRIDES = ("resize", "color", "scale", "mean", "std", "fill")
"""Fields of vision.yaml's `input:` that a stream may have otherwise; "" for the model's own."""
WHOLE = [0.0, 0.0, 0.0, 0.0]


@dataclass(frozen=True, slots=True)
class Policy:
    """What becomes of frames that come faster than they are answered.

    `latest`: the newest wins.  `queue:<n>`: n may wait, then the oldest goes.  `block`: all are
    answered, whoever sends them waits.
    """

    depth: int = 1
    blocks: bool = False

    @property
    def newest_wins(self) -> bool:
        """Whether a newer frame may take the place of one that waits in the model's queue."""
        return self.depth == 1 and not self.blocks

    @staticmethod
    def parse(text: str) -> Policy:
        """Raises `ConfigError` with what is accepted."""
        if text == "latest":
            return Policy()
        if text == "block":
            return Policy(BLOCK_DEPTH, blocks=True)
        found = _QUEUE.fullmatch(text)
        if found is None:
            raise ConfigError("accepted: latest | queue:<1 .. 999> | block")
        return Policy(int(found[1]))


def check_region(value: list[float]) -> None:
    """Raises `ConfigError` for a region that no frame can have."""
    x, y, width, height = value
    if value != WHOLE and (min(x, y) < 0 or min(width, height) <= 0):
        raise ConfigError("accepted: [x, y, width, height] in pixels of the frame, or all 0")


STREAM_SPECS = (
    Spec("topic", "", "image topic; <stream>/image if empty", live=True),
    Spec(
        "transport",
        "raw",
        "type of the image topic: sensor_msgs/Image or CompressedImage",
        live=True,
        choices=("raw", "compressed"),
    ),
    Spec(
        "model", "", "model that answers the stream's frames; delete it to remove the stream", True
    ),
    Spec(
        "policy",
        "latest",
        "frames that come too fast: latest (the newest wins), queue:<n> (n wait), block (all are"
        " answered: bags)",
        live=True,
        parse=Policy.parse,
    ),
    Spec("in_flight", 0, "frames that run at once; 0: the model's instances", True, (), 0, 64),
    Spec(
        "reliability", "best_effort", "of the image subscription", live=True, choices=RELIABILITIES
    ),
    Spec("depth", 5, "history depth of the image subscription", True, (), 1, 1000),
    Spec(
        "max_rate_hz",
        0.0,
        "most frames a second of ROS time; the others are dropped; 0: all",
        live=True,
        low=0.0,
        high=10_000.0,
    ),
    Spec(
        "max_age_ms",
        0.0,
        "a frame whose stamp is older in ROS time, now or while it waits, is dropped; 0: none",
        live=True,
        low=0.0,
        high=600_000.0,
    ),
    Spec(
        "deadline_ms",
        0.0,
        "a frame that still waits so long after it came is dropped; 0: none",
        live=True,
        low=0.0,
        high=600_000.0,
    ),
    Spec(
        "priority",
        0,
        "level in the model's queue, 1 first; 0: the model's default",
        live=True,
        low=0,
    ),
    Spec("score_threshold", -1.0, "least score; -1: the model's own", True, (), -1.0, 1.0),
    Spec("iou_threshold", -1.0, "of suppression; -1: the model's own", True, (), -1.0, 1.0),
    Spec("max_detections", 0, "most detections; 0: the model's own", True, (), 0, 100000),
    Spec(
        "region",
        WHOLE,
        "part of the frame that the model sees: x, y, width, height in pixels; all 0: the whole",
        live=True,
        parse=check_region,
    ),
    Spec("resize", "", 'as in vision.yaml; "": the model\'s own', live=True),
    Spec("color", "", 'as in vision.yaml; "": the model\'s own', live=True),
    Spec("scale", "", 'as in vision.yaml ("1/255"); "": the model\'s own', live=True),
    Spec("mean", "", 'as in vision.yaml ("0.485, 0.456, 0.406"); "": the model\'s own', live=True),
    Spec("std", "", 'as in vision.yaml; "": the model\'s own', live=True),
    Spec("fill", "", 'as in vision.yaml; "": the model\'s own', live=True),
    Spec("tracker", "", "gives detections ids that stay; empty: none", live=True, choices=TRACKERS),
    Spec("tracker_iou", 0.3, "least overlap with where a track should be", True, (), 0.01, 0.99),
    Spec("tracker_max_missed", 15, "frames that a track outlives undetected", True, (), 1, 10_000),
)
STREAM = {spec.name: spec for spec in STREAM_SPECS}


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """One stream's parameters, checked; replaced as a whole when one changes."""

    name: str
    topic: str
    transport: str
    model: str
    policy: str
    in_flight: int
    reliability: str
    depth: int
    max_rate_hz: float
    max_age_ms: float
    deadline_ms: float
    priority: int
    score_threshold: float
    iou_threshold: float
    max_detections: int
    region: tuple[float, ...]
    resize: str
    color: str
    scale: str
    mean: str
    std: str
    fill: str
    tracker: str
    tracker_iou: float
    tracker_max_missed: int

    @property
    def queueing(self) -> Policy:
        """`policy`, parsed."""
        return Policy.parse(self.policy)

    @property
    def subscription(self) -> tuple[object, ...]:
        """What the subscription is made from: when it changes, another is made."""
        blocks = self.queueing.blocks
        return self.topic, self.transport, self.reliability, self.depth, blocks

    @property
    def tracking(self) -> TrackerSettings:
        """Of the tracker's parameters."""
        return TrackerSettings(self.tracker, self.tracker_iou, self.tracker_max_missed)

    def asks_same(self, other: StreamSettings) -> bool:
        """Whether a model and a tracker that can do this can do that."""
        mine = self.request_parameters, self.tracker
        return mine == (other.request_parameters, other.tracker)

    @property
    def request_parameters(self) -> dict[str, Parameter]:
        """What goes with every request: only what the stream overrides."""
        chosen: dict[str, Parameter] = {}
        if self.score_threshold >= 0:
            chosen["score_threshold"] = self.score_threshold
        if self.iou_threshold >= 0:
            chosen["iou_threshold"] = self.iou_threshold
        if self.max_detections:
            chosen["max_detections"] = self.max_detections
        if any(self.region):
            chosen["region"] = ",".join(f"{value:g}" for value in self.region)
        return chosen | {name: text for name in OVERRIDES if (text := getattr(self, name))}


def stream_names(names: Iterable[str]) -> tuple[str, ...]:
    """The streams that parameter names speak of, sorted."""
    found = {
        name.removeprefix(STREAMS).partition(".")[0] for name in names if name.startswith(STREAMS)
    }
    return tuple(sorted(found))


def check_stream_name(stream: str) -> None:
    """Raises `ConfigError` for one that cannot be part of a topic's name."""
    if not _STREAM_NAME.fullmatch(stream):
        raise ConfigError(
            f"stream '{stream}' cannot be part of a topic's name; accepted: letters, digits and"
            " single underscores, a letter first"
        )


def stream_settings(stream: str, values: Mapping[str, Any]) -> StreamSettings:
    """Of values by leaf, each checked by its `Spec`.  Raises `ConfigError`."""
    check_stream_name(stream)
    prefix = f"{STREAMS}{stream}"
    if not values["model"]:
        raise ConfigError(f"parameter '{prefix}.model' is empty; accepted: a model's name")
    topic = values["topic"] or f"{stream}/image"
    try:
        validate_topic_name(topic)
    except InvalidTopicNameException as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"parameter '{prefix}.topic': {reason}") from None
    if Policy.parse(values["policy"]).blocks and values["reliability"] == "best_effort":
        values = {**values, "reliability": "reliable"}
    region = tuple(values["region"])
    return StreamSettings(name=stream, **{**values, "topic": topic, "region": region})


assert {f.name for f in fields(StreamSettings)} == {"name", *STREAM}
