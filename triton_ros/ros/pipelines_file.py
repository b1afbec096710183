# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A pipelines file: which cameras' frames go to which models.

    model_repository: [models]       # may be left out; relative to this file
    cameras:
      front: {topic: /camera/front/image_raw}
      side:                          # what a camera is and how it is subscribed
        topic: /camera/side/image/compressed
        transport: compressed
        reliability: reliable
        depth: 10
    pipelines:
      objects:                       # a stream for each camera: objects_front, objects_side
        model: coco_ssd
        cameras: [front, side]
        score_threshold: 0.5         # and every other parameter of a stream
      signs: {model: signs, cameras: side}    # with one camera the stream is named `signs`

It says the same as parameters below `streams.` and is checked by the same table; what a parameter
file or the command line says besides goes before it.  A mistake is refused with its line.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triton_ros.core.errors import ConfigError
from triton_ros.ros.parameter_spec import Spec
from triton_ros.ros.stream_settings import STREAM, STREAMS, check_stream_name, stream_settings
from triton_ros.vision.yaml_fields import Fields, read_fields

CAMERA = ("topic", "transport", "reliability", "depth")
"""The parameters that a camera has; a pipeline has all the others."""
PIPELINE = tuple(name for name in STREAM if name not in CAMERA)


@dataclass(frozen=True, slots=True)
class Pipelines:
    """The parameters that a file stands for, by full name."""

    parameters: dict[str, Any]
    streams: tuple[str, ...]


def read_pipelines(path: Path) -> Pipelines:
    """The file, checked; raises `ConfigError` naming file, line, field and what is accepted."""
    top = read_fields(path)
    parameters: dict[str, Any] = {}
    if "model_repository" in top:
        parameters["model_repository"] = _repositories(top, path.parent)
    cameras = dict(_cameras(top.section("cameras")))
    streams = list(_streams(top.section("pipelines"), cameras))
    top.finish()
    for name, values in streams:
        parameters |= {f"{STREAMS}{name}.{leaf}": value for leaf, value in values.items()}
    return Pipelines(parameters, tuple(name for name, _ in streams))


def _repositories(top: Fields, folder: Path) -> list[str]:
    given = top.names("model_repository")
    roots = [given] if isinstance(given, str) else list(given)
    return [str(folder / Path(os.path.expanduser(root))) for root in roots]


def _cameras(section: Fields) -> Iterator[tuple[str, dict[str, Any]]]:
    for name in section.given:
        camera = section.section(name)
        values = _values(camera, CAMERA)
        if not values.get("topic"):
            camera.fail("topic", "is missing: the camera's image topic")
        yield name, values
    section.finish()


def _streams(
    section: Fields, cameras: dict[str, dict[str, Any]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    owners: dict[str, str] = {}
    for name in section.given:
        pipeline = section.section(name)
        wanted = _wanted(pipeline, cameras)
        values = _values(pipeline, PIPELINE, also=("cameras",))
        for camera in wanted:
            stream = name if len(wanted) == 1 else f"{name}_{camera}"
            if stream in owners:
                section.fail(name, f"makes a stream '{stream}', as '{owners[stream]}' does")
            owners[stream] = name
            yield stream, _checked(section, name, stream, cameras[camera] | values)
    section.finish()


def _wanted(pipeline: Fields, cameras: dict[str, dict[str, Any]]) -> Sequence[str]:
    given = pipeline.names("cameras")
    if not given:
        pipeline.fail("cameras", f"is missing; accepted: {', '.join(cameras) or '(none)'}")
    names = (given,) if isinstance(given, str) else given
    for name in names:
        if name not in cameras:
            pipeline.fail("cameras", f"names '{name}'; accepted: {', '.join(cameras) or '(none)'}")
    if len(set(names)) < len(names):
        pipeline.fail("cameras", f"names one twice: {', '.join(names)}")
    return names


def _values(fields: Fields, accepted: Sequence[str], also: Sequence[str] = ()) -> dict[str, Any]:
    """The parameters of a mapping, each checked by its `Spec`."""
    values = {name: _value(fields, STREAM[name]) for name in accepted if name in fields}
    for name in fields.given:
        if name not in values and name not in also:
            fields.fail(name, f"is not a field; the fields are {', '.join((*also, *accepted))}")
    return values


def _value(fields: Fields, spec: Spec) -> Any:
    value = fields.plain(spec.name)
    try:
        return spec.check(spec.name, value)
    except ConfigError as error:
        fields.fail(spec.name, str(error).removeprefix(f"parameter '{spec.name}' "))


def _checked(section: Fields, name: str, stream: str, values: dict[str, Any]) -> dict[str, Any]:
    """The values, which together must make a stream."""
    try:
        check_stream_name(stream)
        stream_settings(stream, {leaf: spec.default for leaf, spec in STREAM.items()} | values)
    except ConfigError as error:
        section.fail(name, f"cannot be a stream: {error}")
    return values
