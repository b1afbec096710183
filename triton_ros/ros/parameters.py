# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Every parameter of the node: one table, from which they are declared, checked and documented.

Streams are whatever the parameter file names below ``streams.``.  A name or a type that the node
does not know is reported at configure and never silently ignored; whole numbers are accepted for
decimal ones.  *Live* parameters change while frames flow, the others while unconfigured only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.exceptions import InvalidTopicNameException
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.validate_topic_name import validate_topic_name

from triton_ros.core.errors import ConfigError
from triton_ros.core.server_options import ServerOptions
from triton_ros.ros.parameter_spec import Spec, entries
from triton_ros.ros.qos import RELIABILITIES
from triton_ros.ros.server_parameters import SERVER_SPECS, check_load_models, server_options

STREAMS = "streams."
_STREAM_NAME = re.compile(r"[A-Za-z](_?[A-Za-z0-9])*_?")


NODE_SPECS = (
    Spec("model_repository", [""], "directories of models, in Triton's layout"),
    Spec("load_models", ["*"], "models to load at configure; '*' for all of the repository"),
    Spec("configure_wait_s", 4.0, "how long configure waits for models", low=0.0, high=3600.0),
    Spec("diagnostics_period_s", 1.0, "period of /diagnostics", low=0.1, high=60.0),
    Spec("autostart", False, "configure and activate at start, without a manager"),
    *SERVER_SPECS,
)
STREAM_SPECS = (
    Spec("topic", "", "image topic; <stream>/image if empty"),
    Spec("transport", "raw", "type of the image topic", choices=("raw", "compressed")),
    Spec("model", "", "model that answers the stream's frames", live=True),
    Spec("queue_depth", 1, "frames that may wait; 1: the newest wins", True, (), 1, 100),
    Spec("in_flight", 0, "frames that run at once; 0: the model's instances", True, (), 0, 64),
    Spec("reliability", "best_effort", "of the image subscription", choices=RELIABILITIES),
    Spec("depth", 5, "history depth of the image subscription", low=1, high=1000),
    Spec("score_threshold", -1.0, "least score; -1: the model's own", True, (), -1.0, 1.0),
    Spec("iou_threshold", -1.0, "of suppression; -1: the model's own", True, (), -1.0, 1.0),
    Spec("max_detections", 0, "most detections; 0: the model's own", True, (), 0, 100000),
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
)
_NODE = {spec.name: spec for spec in NODE_SPECS}
_STREAM = {spec.name: spec for spec in STREAM_SPECS}
# What every ROS 2 node or launch file may set besides.
_FOREIGN = ("use_sim_time", "start_type_description_service", "qos_overrides.", "bond_")


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """The node's own parameters, checked."""

    model_repository: tuple[Path, ...]
    load_models: tuple[str, ...]
    configure_wait_s: float
    diagnostics_period_s: float
    autostart: bool
    options: ServerOptions
    """Without `load_model`."""


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """One stream's parameters, checked; replaced as a whole when one changes."""

    name: str
    topic: str
    transport: str
    model: str
    queue_depth: int
    in_flight: int
    reliability: str
    depth: int
    score_threshold: float
    iou_threshold: float
    max_detections: int
    deadline_ms: float
    priority: int

    @property
    def request_parameters(self) -> dict[str, bool | int | float | str]:
        """What goes with every request: only what the stream overrides."""
        chosen: dict[str, bool | int | float | str] = {}
        if self.score_threshold >= 0:
            chosen["score_threshold"] = self.score_threshold
        if self.iou_threshold >= 0:
            chosen["iou_threshold"] = self.iou_threshold
        if self.max_detections:
            chosen["max_detections"] = self.max_detections
        return chosen

    def deadline_ns(self, received_ns: int) -> int | None:
        """Until when a frame is worth an answer, on the clock of `received_ns`; None for ever."""
        return received_ns + round(self.deadline_ms * 1e6) if self.deadline_ms else None


def find_spec(name: str) -> Spec | None:
    """The table's row for a parameter's full name."""
    if name.startswith(STREAMS):
        _, _, leaf = name.removeprefix(STREAMS).partition(".")
        return _STREAM.get(leaf)
    return _NODE.get(name)


def with_types(declared: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """(name, value, ...) of a parameter file; an empty list in one has neither value nor type."""
    return [(e[0], [""], *e[2:]) if len(e) > 1 and e[1] is None else e for e in declared]


def declare(node: Node) -> dict[str, str]:
    """Declare everything, with what the command line and parameter files gave.

    The node was made with `automatically_declare_parameters_from_overrides`, so what was given is
    there already, in the type of its text; it is declared again in its right type.  Returns what
    is wrong with it, a message for each name.
    """
    given = {name: parameter.value for name, parameter in node.get_parameters_by_prefix("").items()}
    problems = {name: _unknown(name) for name in given if find_spec(name) is None}
    problems = {name: problem for name, problem in problems.items() if problem}
    for name, spec in _all_specs(given):
        value = spec.default
        if name in given:
            node.undeclare_parameter(name)
            try:
                value = spec.check(name, given[name])
            except ConfigError as error:
                problems[name] = str(error)
        node.declare_parameter(name, value, _descriptor(spec), ignore_override=True)
    return problems


def _all_specs(given: Iterable[str]) -> list[tuple[str, Spec]]:
    rows = [(spec.name, spec) for spec in NODE_SPECS]
    for stream in stream_names(given):
        rows += [(f"{STREAMS}{stream}.{spec.name}", spec) for spec in STREAM_SPECS]
    return rows


def stream_names(names: Iterable[str]) -> tuple[str, ...]:
    """The streams that parameter names speak of, sorted."""
    found = {
        name.removeprefix(STREAMS).partition(".")[0] for name in names if name.startswith(STREAMS)
    }
    return tuple(sorted(found))


def _unknown(name: str, streams: Sequence[str] = ()) -> str:
    """What is wrong with the name; "" for one that is not for us to know."""
    if name.startswith(_FOREIGN):
        return ""
    known = ", ".join(_STREAM if name.startswith(STREAMS) else _NODE)
    of = f" of the streams {', '.join(streams)}" if streams and name.startswith(STREAMS) else ""
    return f"parameter '{name}' is not known; accepted: {known}{of}"


def _descriptor(spec: Spec) -> ParameterDescriptor:
    when = "live" if spec.live else "while unconfigured"
    return ParameterDescriptor(
        description=spec.description,
        additional_constraints=f"{spec.accepted}; set {when}",
        # The type is checked with the rest: rclpy's refusal names types by their numbers.
        dynamic_typing=True,
    )


def read_node(node: Node) -> NodeSettings:
    """The node's own settings.  Raises `ConfigError`."""
    values = {spec.name: _value(node, spec.name, spec) for spec in NODE_SPECS}
    roots = [Path(root).expanduser() for root in entries(values["model_repository"])]
    if not roots:
        raise ConfigError("parameter 'model_repository' is empty; accepted: one directory or more")
    models = entries(values["load_models"])
    options = server_options(values)
    check_load_models(options.model_control_mode, models)
    return NodeSettings(
        tuple(roots),
        models,
        values["configure_wait_s"],
        values["diagnostics_period_s"],
        values["autostart"],
        options,
    )


def read_streams(node: Node) -> dict[str, StreamSettings]:
    """All streams' settings by name.  Raises `ConfigError`."""
    names = stream_names(node.get_parameters_by_prefix("").keys())
    return {name: read_stream(node, name, {}) for name in names}


def read_stream(node: Node, stream: str, changes: Mapping[str, Any]) -> StreamSettings:
    """One stream's settings, with some full names set to other values.  Raises `ConfigError`."""
    values = {}
    for leaf, spec in _STREAM.items():
        name = f"{STREAMS}{stream}.{leaf}"
        values[leaf] = (
            spec.check(name, changes[name]) if name in changes else _value(node, name, spec)
        )
    if not _STREAM_NAME.fullmatch(stream):
        raise ConfigError(
            f"stream '{stream}' cannot be part of a topic's name; accepted: letters, digits and"
            " single underscores, a letter first"
        )
    if not values["model"]:
        raise ConfigError(f"parameter '{STREAMS}{stream}.model' is empty; accepted: a model's name")
    values["topic"] = values["topic"] or f"{stream}/image"
    try:
        validate_topic_name(values["topic"])
    except InvalidTopicNameException as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"parameter '{STREAMS}{stream}.topic': {reason}") from None
    return StreamSettings(name=stream, **values)


def _value(node: Node, name: str, spec: Spec) -> Any:
    return spec.check(name, node.get_parameter(name).value)


def coerced(changes: Iterable[Parameter[Any]]) -> list[Parameter[Any]]:
    """Changes in the parameters' own types, where that loses nothing."""
    return [_coerced(change) for change in changes]


def _coerced(change: Parameter[Any]) -> Parameter[Any]:
    spec = find_spec(change.name)
    if spec is None or change.type_ is Parameter.Type.NOT_SET:
        return change
    return Parameter(change.name, value=spec.coerced(change.value))


def check_changes(node: Node, changes: Mapping[str, Any], unconfigured: bool) -> None:
    """Each by itself.  Raises `ConfigError` for one that is refused or cannot change now."""
    for name, value in changes.items():
        spec = find_spec(name)
        if spec is None or not node.has_parameter(name):
            if _unknown(name):
                raise ConfigError(_unknown(name, stream_names(node.get_parameters_by_prefix(""))))
            continue
        spec.check(name, value)
        if not (spec.live or unconfigured):
            raise ConfigError(f"parameter '{name}' can only be set while the node is unconfigured")


assert {f.name for f in fields(StreamSettings)} == {"name", *_STREAM}
