# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which topics a model can fill: a table from the names of its outputs to messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sensor_msgs.msg import Image as ImageMessage
from std_msgs.msg import Header
from vision_msgs.msg import Classification, Detection2DArray

from triton_ros.core.errors import InvalidArgumentError
from triton_ros.core.model import Interface
from triton_ros.core.tensor import Array, datatype_of
from triton_ros.ros.conversions import map_message
from triton_ros.ros.message_detections import (
    classification_message,
    detections_message,
    keypoints_message,
)
from triton_ros.ros.message_tensors import tensor_message, tensor_type

Build: TypeAlias = Callable[[Header, Mapping[str, Array]], Any]

PLACES = frozenset({"BOXES", "REGIONS"})
NAMES = frozenset({"LABELS", "CLASS_IDS"})
MAPS = {"CLASS_MAP": "mono8", "INSTANCE_MAP": "mono16", "DEPTH": "32FC1"}
"""Outputs that are pictures, and how they are encoded."""
RAW = "RAW_"
"""What the outputs of a model without a head begin with; their topics are below `tensors/`."""


@dataclass(frozen=True, slots=True)
class OutputKind:
    """One topic below the stream's; a heavy message is only built for who listens."""

    topic: str
    message: type[Any]
    build: Build
    heavy: bool = False


def datatypes_of(outputs: Mapping[str, Array]) -> dict[str, str]:
    """The V2 datatypes of an answer."""
    return {name: datatype_of(array.dtype) for name, array in outputs.items()}


def output_kinds(
    datatypes: Mapping[str, str], keypoint_names: Sequence[str] = ()
) -> list[OutputKind]:
    """What can be published of an answer with outputs of these names and datatypes."""
    names = datatypes.keys()
    kinds = []
    if names & PLACES:
        kinds.append(OutputKind("detections", Detection2DArray, detections_message))
    elif names & NAMES:
        kinds.append(OutputKind("classification", Classification, classification_message))
    if "KEYPOINTS" in names:
        kinds.append(
            OutputKind(
                "keypoints",
                Detection2DArray,
                lambda header, outputs: keypoints_message(header, outputs, keypoint_names),
                heavy=True,
            )
        )
    kinds += [_map_kind(name) for name in MAPS if name in names]
    return kinds + [
        _tensor_kind(name, kind)
        for name, datatype in datatypes.items()
        if name.startswith(RAW) and (kind := tensor_type(datatype)) is not None
    ]


def _map_kind(name: str) -> OutputKind:
    encoding = MAPS[name]
    return OutputKind(
        name.lower(),
        ImageMessage,
        lambda header, outputs: map_message(header, outputs[name], encoding),
        heavy=True,
    )


def _tensor_kind(name: str, kind: type[Any]) -> OutputKind:
    return OutputKind(
        f"tensors/{topic_part(name.removeprefix(RAW))}",
        kind,
        lambda header, outputs: tensor_message(header, outputs[name]),
        heavy=True,
    )


def topic_part(name: str) -> str:
    """A tensor's name as a part of a topic's: what ROS does not know becomes '_'."""
    plain = "".join(c if c.isascii() and c.isalnum() else "_" for c in name)
    while "__" in plain:
        plain = plain.replace("__", "_")
    return plain if plain[:1].isalpha() else f"t{plain if plain[:1] == '_' else f'_{plain}'}"


def check_interface(model: str, interface: Interface) -> None:
    """Whether a stream can use a model; raises `InvalidArgumentError` with what is missing."""
    inputs = [spec.name for spec in interface.inputs]
    outputs = [spec.name for spec in interface.outputs]
    if inputs != ["IMAGE"]:
        raise InvalidArgumentError(
            f"model '{model}' takes {', '.join(inputs)}; a stream needs a model that takes IMAGE"
            " alone: give it a vision.yaml"
        )
    if not output_kinds({spec.name: spec.datatype for spec in interface.outputs}):
        raise InvalidArgumentError(
            f"model '{model}' answers {', '.join(outputs)}; a stream publishes"
            f" {', '.join(sorted(PLACES | NAMES))}, KEYPOINTS, {', '.join(MAPS)} and {RAW}*"
        )
