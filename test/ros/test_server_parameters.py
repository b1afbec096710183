# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Each of the server's options can be reached by a parameter of its name."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from toy_models import Toy, onnx_identity, write_repository

from triton_ros.core.errors import ConfigError, NotFoundError
from triton_ros.core.server_options import ModelControlMode, ServerOptions
from triton_ros.main import make_server
from triton_ros.ros import startup
from triton_ros.ros.parameters import NodeSettings
from triton_ros.ros.server_parameters import SERVER_SPECS, check_load_models, server_options

DEFAULTS = {spec.name: spec.default for spec in SERVER_SPECS}
OTHERS: dict[str, tuple[Any, Any]] = {
    "model_control_mode": ("poll", ModelControlMode.POLL),
    "repository_poll_secs": (0.5, 0.5),
    "poll_quiet_secs": (0.25, 0.25),
    "model_config_name": ("orin", "orin"),
    "disable_auto_complete_config": (True, True),
    "default_max_batch_size": (7, 7),
    "add_dynamic_batching": (True, True),
    "model_load_thread_count": (1, 1),
    "model_load_retry_count": (2, 2),
    "last_good_file": ("/tmp/last_good.json", Path("/tmp/last_good.json")),
    "rate_limit": (True, True),
    "rate_limit_resource": (["dsp:2", "", "mem:4:0"], ("dsp:2", "mem:4:0")),
    "cpu_thread_budget": (3, 3),
    "host_policy": (["cpu,cpu-cores=0"], ("cpu,cpu-cores=0",)),
    "backend_config": (["tflite,a=b"], ("tflite,a=b",)),
    "backend_directory": ("/tmp", Path("/tmp")),
    "cache_byte_size": (1 << 40, 1 << 40),
    "exit_timeout_secs": (5.0, 5.0),
}
"""Name: a value that is not the default, and the option that it becomes."""


def test_there_is_a_parameter_for_every_option() -> None:
    # What to load at start is the node's own load_models, and the streams' models.
    options = {field.name for field in fields(ServerOptions)} - {"load_model"}
    assert {spec.name for spec in SERVER_SPECS} == options == set(OTHERS)


def test_defaults_are_the_servers_but_for_the_time_to_exit() -> None:
    assert server_options(DEFAULTS) == ServerOptions(exit_timeout_secs=1.0)


@pytest.mark.parametrize("name", OTHERS)
def test_each_parameter_changes_its_option_and_no_other(name: str) -> None:
    value, option = OTHERS[name]
    given = {**DEFAULTS, "rate_limit": name == "rate_limit_resource", name: value}
    expected = replace(ServerOptions(exit_timeout_secs=1.0), **{name: option})
    assert replace(server_options(given), rate_limit=expected.rate_limit) == expected
    assert server_options(given).rate_limit == given["rate_limit"]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (
            {"rate_limit_resource": ["dsp:2"]},
            "parameter 'rate_limit_resource' is ['dsp:2']: nothing uses it while 'rate_limit' is"
            " false; accepted then: none",
        ),
        (
            {"last_good_file": "/nowhere/file"},
            "parameter 'last_good_file' is '/nowhere/file'; accepted: a file in a directory that"
            " is there",
        ),
        (
            {"backend_directory": "/nowhere"},
            "parameter 'backend_directory' is '/nowhere'; accepted: a directory that is there",
        ),
        (
            {"last_good_file": "/tmp"},
            "parameter 'last_good_file' is '/tmp'; accepted: a file in a directory that is there",
        ),
    ],
)
def test_values_that_do_not_go_together_are_refused(given: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigError) as error:
        server_options({**DEFAULTS, **given})
    assert str(error.value) == reason


def test_the_options_reach_the_server(tmp_path: Path) -> None:
    given = {**DEFAULTS, "cache_byte_size": 1000, "exit_timeout_secs": 0.5}
    with make_server([tmp_path], server_options(given)) as server:
        assert server.options == ServerOptions(cache_byte_size=1000, exit_timeout_secs=0.5)
        assert server.cache is not None
    with make_server([tmp_path]) as server:
        assert server.cache is None


@pytest.mark.parametrize("mode", [ModelControlMode.NONE, ModelControlMode.POLL])
def test_a_mode_that_loads_everything_leaves_no_choice_of_models(mode: ModelControlMode) -> None:
    check_load_models(mode, ("*",))
    check_load_models(ModelControlMode.EXPLICIT, ("a",))
    for models in ((), ("a",), ("*", "a")):
        with pytest.raises(ConfigError) as error:
            check_load_models(mode, models)
        assert str(error.value) == (
            f"parameter 'load_models' is {list(models)}: model_control_mode {mode.value} loads"
            " every model; accepted then: ['*']"
        )


@pytest.mark.parametrize(
    ("mode", "load_models", "expected"),
    [
        (ModelControlMode.EXPLICIT, ("*",), ("a", "b", "c")),
        (ModelControlMode.EXPLICIT, ("*", "a"), ("a", "b", "c")),
        (ModelControlMode.EXPLICIT, ("b",), ("a", "b")),
        (ModelControlMode.EXPLICIT, (), ("a",)),
        (ModelControlMode.NONE, ("*",), ()),
        (ModelControlMode.POLL, ("*",), ()),
    ],
)
def test_what_the_server_loads_at_start(
    tmp_path: Path,
    mode: ModelControlMode,
    load_models: tuple[str, ...],
    expected: tuple[str, ...],
) -> None:
    write_repository(tmp_path, {name: Toy(onnx_identity()) for name in "abc"})
    options = ServerOptions(model_control_mode=mode, cache_byte_size=5)
    settings = NodeSettings((tmp_path,), load_models, 0.0, 1.0, False, options)
    assert startup.plan(settings, ["a"]) == replace(options, load_model=expected)
    with pytest.raises(NotFoundError, match="model 'd' is not in the model repository"):
        startup.plan(settings, ["a", "d"])
