# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Every parameter of the node: one table, from which they are declared, checked and documented.

Streams are whatever the parameter file names below ``streams.``.  A name or a type that the node
does not know is reported at configure and never silently ignored; whole numbers are accepted for
decimal ones.  *Live* parameters change while frames flow, the others while unconfigured only; all
of a stream are live, and streams come and go (see `live_parameters`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.node import Node
from rclpy.parameter import Parameter

from triton_ros.core.errors import ConfigError
from triton_ros.core.server_options import ServerOptions
from triton_ros.ros.frontend_parameters import FRONTEND_SPECS, frontend_values
from triton_ros.ros.parameter_spec import Spec, entries
from triton_ros.ros.pipelines_file import read_pipelines
from triton_ros.ros.qos import check_override, overridden_topic
from triton_ros.ros.server_parameters import SERVER_SPECS, check_load_models, server_options
from triton_ros.ros.stream_settings import (
    STREAM,
    STREAMS,
    StreamSettings,
    check_stream_name,
    stream_names,
    stream_settings,
)

NODE_SPECS = (
    Spec("model_repository", [""], "directories of models, in Triton's layout"),
    Spec(
        "pipelines_file",
        "",
        "YAML file that wires cameras to models; parameters that are set go before it",
    ),
    Spec("load_models", ["*"], "models to load at configure; '*' for all of the repository"),
    Spec("configure_wait_s", 3.0, "how long configure waits for models", low=0.0, high=3600.0),
    Spec("diagnostics_period_s", 1.0, "period of /diagnostics", low=0.1, high=60.0),
    Spec("autostart", False, "configure and activate at start, without a manager"),
    Spec(
        "bond_heartbeat_period",
        0.25,
        "seconds between heartbeats for Nav2's lifecycle manager (needs bondpy); 0: no bond",
        low=0.0,
        high=3600.0,
    ),
    *SERVER_SPECS,
    *FRONTEND_SPECS,
)
_NODE = {spec.name: spec for spec in NODE_SPECS}
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
    frontends: Mapping[str, Any] = field(default_factory=dict)
    """The network servers' options, by name."""


def find_spec(name: str) -> Spec | None:
    """The table's row for a parameter's full name."""
    if name.startswith(STREAMS):
        _, _, leaf = name.removeprefix(STREAMS).partition(".")
        return STREAM.get(leaf)
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
    own = {name: parameter.value for name, parameter in node.get_parameters_by_prefix("").items()}
    try:
        given = _piped(own) | own
    except ConfigError as error:
        return {"pipelines_file": str(error)} | _declare(node, own, own)
    return _declare(node, given, own)


def _piped(own: Mapping[str, Any]) -> dict[str, Any]:
    """What the pipelines file stands for; raises `ConfigError`."""
    path = own.get("pipelines_file", "")
    if not isinstance(path, str) or not path:
        return {}
    return read_pipelines(Path(os.path.expanduser(path))).parameters


def adopt_pipelines(node: Node) -> None:
    """Declare what the pipelines file stands for and nothing else has said; it was checked."""
    for name, value in _piped(
        {"pipelines_file": node.get_parameter("pipelines_file").value}
    ).items():
        spec = find_spec(name)
        if spec is None:
            continue
        if not node.has_parameter(name):
            node.declare_parameter(name, value, _descriptor(spec), ignore_override=True)
        elif node.get_parameter(name).value == spec.default:
            node.set_parameters([Parameter(name, value=value)])


def _declare(node: Node, given: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, str]:
    problems = {name: unknown_name(name) for name in given if find_spec(name) is None}
    problems = {name: problem for name, problem in problems.items() if problem}
    for name, spec in _all_specs(given):
        value = spec.default
        if name in own:
            node.undeclare_parameter(name)
        if name in given:
            try:
                value = spec.check(name, given[name])
            except ConfigError as error:
                problems[name] = str(error)
        node.declare_parameter(name, value, _descriptor(spec), ignore_override=True)
    return problems


def _all_specs(given: Iterable[str]) -> list[tuple[str, Spec]]:
    rows = [(spec.name, spec) for spec in NODE_SPECS]
    for stream in stream_names(given):
        rows += [(f"{STREAMS}{stream}.{leaf}", spec) for leaf, spec in STREAM.items()]
    return rows


def unknown_name(name: str, streams: Sequence[str] = ()) -> str:
    """What is wrong with the name; "" for one that is not for us to know."""
    if name.startswith(_FOREIGN):
        return ""
    known = ", ".join(STREAM if name.startswith(STREAMS) else _NODE)
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
    roots = [Path(os.path.expanduser(root)) for root in entries(values["model_repository"])]
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
        frontend_values(values),
    )


def read_streams(node: Node) -> dict[str, StreamSettings]:
    """All streams' settings by name.  Raises `ConfigError`."""
    names = stream_names(node.get_parameters_by_prefix("").keys())
    return {name: read_stream(node, name, {}) for name in names}


def read_stream(node: Node, stream: str, changes: Mapping[str, Any]) -> StreamSettings:
    """One stream's settings, with some full names set to other values.  Raises `ConfigError`."""
    return stream_settings(stream, _stream_values(node, stream, changes))


def _stream_values(node: Node, stream: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    values = {}
    for leaf, spec in STREAM.items():
        name = f"{STREAMS}{stream}.{leaf}"
        values[leaf] = (
            spec.check(name, changes[name]) if name in changes else _value(node, name, spec)
        )
    return values


def changed_stream(node: Node, stream: str, changes: Mapping[str, Any]) -> StreamSettings | None:
    """What becomes of a stream by some changes; None for one that has no model (any more).

    Raises `ConfigError`.
    """
    check_stream_name(stream)
    model = f"{STREAMS}{stream}.model"
    if model in changes and changes[model] is None:
        return None
    values = _stream_values(node, stream, changes)
    if not values["model"] and model not in changes:
        return None  # it was begun without one
    return stream_settings(stream, values)


def has_stream(node: Node, stream: str) -> bool:
    """Whether it was declared, with or without a model."""
    return node.has_parameter(f"{STREAMS}{stream}.model")


def complete(node: Node, streams: Iterable[str]) -> None:
    """Declare what new streams have besides, and take away what is left of deleted ones.

    A stream is deleted with its model, which is gone by now.
    """
    for stream in streams:
        names = {f"{STREAMS}{stream}.{leaf}": spec for leaf, spec in STREAM.items()}
        there = [name for name in names if node.has_parameter(name)]
        plain = [name for name in there if not node.describe_parameter(name).description]
        model = f"{STREAMS}{stream}.model"
        if len(plain) < len(there) and model not in there:
            for name in there:
                node.undeclare_parameter(name)
            continue
        for name in plain:
            node.set_descriptor(name, _descriptor(names[name]))
        for name in (name for name in names if name not in there):
            spec = names[name]
            node.declare_parameter(name, spec.default, _descriptor(spec), ignore_override=True)


def _value(node: Node, name: str, spec: Spec) -> Any:
    if not node.has_parameter(name):  # of a stream that comes
        return spec.default
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
        if spec is None:
            if problem := unknown_name(name, stream_names(node.get_parameters_by_prefix(""))):
                raise ConfigError(problem)
            if value is not None and overridden_topic(name):
                check_override(name, value)
        elif value is None:
            _check_deletion(name, changes)
        else:
            spec.check(name, value)
            if not (spec.live or unconfigured):
                raise ConfigError(
                    f"parameter '{name}' can only be set while the node is unconfigured"
                )
            if name == "pipelines_file":
                _piped({name: value})


def _check_deletion(name: str, changes: Mapping[str, Any]) -> None:
    stream = stream_names([name])
    model = f"{STREAMS}{stream[0]}.model" if stream else ""
    if not stream or (model not in changes or changes[model] is not None):
        instead = f"; delete '{model}' to remove the stream" if stream else ""
        raise ConfigError(f"parameter '{name}' cannot be deleted{instead}")
