# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The table of parameters: what is accepted, and that it says what the example file says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from rclpy.parameter import Parameter

from triton_ros.core.errors import ConfigError
from triton_ros.ros import parameters
from triton_ros.ros.parameters import NODE_SPECS, find_spec
from triton_ros.ros.stream_settings import STREAM_SPECS, StreamSettings

EXAMPLE = Path(__file__).parents[2] / "config" / "triton.yaml"


@pytest.mark.parametrize("spec", [*NODE_SPECS, *STREAM_SPECS], ids=lambda spec: spec.name)
def test_every_default_is_accepted(spec: parameters.Spec) -> None:
    assert spec.check(spec.name, spec.default) == spec.default
    assert spec.description
    assert spec.low is not None or spec.high is None


def test_the_example_file_has_every_parameter_with_its_default() -> None:
    given = yaml.safe_load(EXAMPLE.read_text())["/**"]["ros__parameters"]
    (stream,) = given.pop("streams").values()
    assert set(given) == {spec.name for spec in NODE_SPECS}
    assert set(stream) == {spec.name for spec in STREAM_SPECS}
    for spec in (*NODE_SPECS, *STREAM_SPECS):
        value = {**given, **stream}[spec.name]
        assert type(value) is type(spec.default), spec.name
        if spec.name not in ("model_repository", "topic", "model"):
            assert value == spec.default, spec.name


def test_the_example_file_says_what_is_live() -> None:
    lines = EXAMPLE.read_text().splitlines()
    for spec in STREAM_SPECS:
        (line,) = [line for line in lines if line.strip().startswith(f"{spec.name}: ")]
        assert ("[live]" in line) == spec.live, spec.name


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("configure_wait_s", 3, 3.0),
        ("load_models", ("a", "b"), ["a", "b"]),
        ("load_models", [], [""]),
        ("load_models", b"", [""]),
        ("streams.any.score_threshold", 1, 1.0),
        ("streams.any.depth", 100, 100),
    ],
)
def test_values_become_what_they_mean(name: str, value: Any, expected: Any) -> None:
    spec = find_spec(name)
    assert spec is not None
    found = spec.check(name, value)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("name", "value", "accepted"),
    [
        ("autostart", 1, "accepted: bool"),
        ("configure_wait_s", "4", "accepted: double 0 .. 3600"),
        ("configure_wait_s", True, "accepted: double 0 .. 3600"),
        ("configure_wait_s", float("nan"), "accepted: double 0 .. 3600"),
        ("load_models", ["a", 1], "accepted: string array"),
        ("model_control_mode", "off", "accepted: none | poll | explicit"),
        ("cache_byte_size", -1, "accepted: integer 0 or more"),
        ("repository_poll_secs", 0.0, "accepted: double 0.01 .. 86400"),
        ("exit_timeout_secs", float("inf"), "accepted: double 0 .. 3600"),
        ("streams.any.deadline_ms", -1.0, "accepted: double 0 .. 600000"),
        ("streams.any.priority", -1, "accepted: integer 0 or more"),
        ("streams.any.depth", 2.0, "accepted: integer 1 .. 1000"),
        ("streams.any.depth", True, "accepted: integer 1 .. 1000"),
        ("streams.any.transport", "theora", "accepted: raw | compressed"),
        ("streams.any.model", None, "accepted: string"),
    ],
)
def test_refusals_name_the_parameter_the_value_and_what_is_accepted(
    name: str, value: Any, accepted: str
) -> None:
    spec = find_spec(name)
    assert spec is not None
    with pytest.raises(ConfigError) as error:
        spec.check(name, value)
    assert str(error.value) == f"parameter '{name}' is {value!r}; {accepted}"


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        (
            "backend_config",
            ["onnxruntime"],
            "backend_config 'onnxruntime': accepted are <backend>,<setting>=<value>",
        ),
        (
            "host_policy",
            ["cpu,cores=0"],
            "host_policy 'cpu,cores=0': accepted are <name>,cpu-cores=<first>-<last> and"
            " <name>,numa-node=<number>",
        ),
        (
            "rate_limit_resource",
            ["dsp"],
            "rate_limit_resource 'dsp': accepted are <name>:<count> and <name>:<count>:<device>",
        ),
        (
            "model_config_name",
            "a b",
            "model_config_name 'a b' must not contain a space or a '/'",
        ),
    ],
)
def test_refusals_of_values_that_mean_nothing_name_the_parameter(
    name: str, value: Any, reason: str
) -> None:
    spec = find_spec(name)
    assert spec is not None
    with pytest.raises(ConfigError) as error:
        spec.check(name, value)
    assert str(error.value) == f"parameter '{name}' is {value!r}: {reason}"
    assert spec.check(name, spec.default) == spec.default


def test_streams_are_found_in_names() -> None:
    names = ["streams.b.model", "streams.a.topic", "streams.b.depth", "autostart", "streamsx.c"]
    assert parameters.stream_names(names) == ("a", "b")
    assert find_spec("streams.a.nothing") is None
    assert find_spec("streams.a.b.model") is None
    assert find_spec("model") is None


def test_only_what_a_stream_overrides_goes_with_a_request() -> None:
    given = {spec.name: spec.default for spec in STREAM_SPECS}
    assert StreamSettings(name="s", **given).request_parameters == {}
    given |= {"score_threshold": 0.0, "iou_threshold": 0.5, "max_detections": 7}
    assert StreamSettings(name="s", **given).request_parameters == {
        "score_threshold": 0.0,
        "iou_threshold": 0.5,
        "max_detections": 7,
    }


def test_changes_get_the_type_of_their_parameter() -> None:
    changes = [
        Parameter("streams.a.iou_threshold", value=1),
        Parameter("load_models", value=[]),
        Parameter("use_sim_time", value=True),
        Parameter("streams.a.model", Parameter.Type.NOT_SET),
    ]
    found = parameters.coerced(changes)
    assert [(p.type_, p.value) for p in found] == [
        (Parameter.Type.DOUBLE, 1.0),
        (Parameter.Type.STRING_ARRAY, [""]),
        (Parameter.Type.BOOL, True),
        (Parameter.Type.NOT_SET, None),
    ]
