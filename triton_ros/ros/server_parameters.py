# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The node's parameters that are `ServerOptions`: Triton's command line, with Triton's names.

They are read at configure.  Two defaults are not Triton's: the control mode is explicit, because a
robot's start says what it loads; and the time to exit is short, because whoever launched the node
gets impatient after some seconds.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from triton_ros.core.backend_config import parse_backend_config
from triton_ros.core.errors import ConfigError
from triton_ros.core.scheduling.host_policy import parse_host_policies
from triton_ros.core.scheduling.rate_limiter import parse_resources
from triton_ros.core.server_options import ModelControlMode, ServerOptions
from triton_ros.ros.parameter_spec import Spec, entries

MODES = tuple(mode.value for mode in ModelControlMode)
ALL = ("*",)

SERVER_SPECS = (
    Spec(
        "model_control_mode",
        "explicit",
        "who decides what is loaded: everything once, everything that comes, or what is asked for",
        choices=MODES,
    ),
    Spec("repository_poll_secs", 15.0, "mode poll: time between looks", low=0.01, high=86400.0),
    Spec(
        "poll_quiet_secs",
        1.0,
        "mode poll: a model is loaded when it did not change for so long",
        low=0.0,
        high=3600.0,
    ),
    Spec(
        "model_config_name",
        "",
        "configs/<name>.pbtxt instead of config.pbtxt where a model has it",
        parse=lambda value: ServerOptions(model_config_name=value),
    ),
    Spec(
        "disable_auto_complete_config",
        False,
        "take configurations as they are, fill nothing in from the model",
    ),
    Spec(
        "default_max_batch_size",
        4,
        "for models that can batch and do not say how much",
        low=0,
    ),
    Spec(
        "add_dynamic_batching",
        False,
        "switch dynamic_batching on where default_max_batch_size is used, as Triton does",
    ),
    Spec("model_load_thread_count", 4, "models that load at once", low=1, high=64),
    Spec("model_load_retry_count", 0, "further attempts of a load that failed", low=0, high=1000),
    Spec(
        "last_good_file",
        "",
        "remembers which versions loaded; at start they stand in for newer ones that do not",
    ),
    Spec("rate_limit", False, "instances need what their rate_limiter says (execution_count)"),
    Spec(
        "rate_limit_resource",
        [""],
        "'<name>:<count>' or '<name>:<count>:<device>': what there is for rate_limit",
        parse=lambda value: parse_resources(entries(value)),
    ),
    Spec(
        "cpu_thread_budget",
        0,
        "CPU threads that may execute at once, of all models together; 0: any number",
        low=0,
        high=1024,
    ),
    Spec(
        "host_policy",
        [""],
        "'<policy>,cpu-cores=0-3' or '<policy>,numa-node=0': cores of instances",
        parse=lambda value: parse_host_policies(entries(value)),
    ),
    Spec(
        "backend_config",
        [""],
        "'<backend>,<setting>=<value>': settings of all models of a backend",
        parse=lambda value: parse_backend_config(entries(value)),
    ),
    Spec(
        "backend_directory",
        "",
        "has <name>/libtriton_<name>.so of backends in C or C++; empty: none",
    ),
    Spec(
        "cache_byte_size",
        0,
        "bytes of the response cache (for tensors, not for frames); 0: none",
        low=0,
    ),
    Spec(
        "exit_timeout_secs",
        1.0,
        "how long cleanup and shutdown wait for what still runs in the server",
        low=0.0,
        high=3600.0,
    ),
)


def server_options(values: Mapping[str, Any]) -> ServerOptions:
    """The options that the node's parameters ask for, without `load_model`.

    Raises `ConfigError` for values that do not go together.
    """
    given = {spec.name: values[spec.name] for spec in SERVER_SPECS}
    given["model_control_mode"] = ModelControlMode(given["model_control_mode"])
    for name in ("rate_limit_resource", "host_policy", "backend_config"):
        given[name] = entries(given[name])
    if given["rate_limit_resource"] and not given["rate_limit"]:
        raise ConfigError(
            f"parameter 'rate_limit_resource' is {list(given['rate_limit_resource'])}: nothing"
            " uses it while 'rate_limit' is false; accepted then: none"
        )
    given["last_good_file"] = _file("last_good_file", given["last_good_file"])
    given["backend_directory"] = _directory("backend_directory", given["backend_directory"])
    return ServerOptions(**given)


def check_load_models(mode: ModelControlMode, load_models: tuple[str, ...]) -> None:
    """Raises `ConfigError` where the control mode makes a choice of models impossible."""
    if mode is not ModelControlMode.EXPLICIT and load_models != ALL:
        raise ConfigError(
            f"parameter 'load_models' is {list(load_models)}: model_control_mode {mode.value}"
            f" loads every model; accepted then: {list(ALL)}"
        )


def _directory(name: str, value: str) -> Path | None:
    if not value:
        return None
    path = Path(os.path.expanduser(value))
    if not path.is_dir():
        raise ConfigError(f"parameter '{name}' is {value!r}; accepted: a directory that is there")
    return path


def _file(name: str, value: str) -> Path | None:
    if not value:
        return None
    path = Path(os.path.expanduser(value))
    if not path.parent.is_dir() or path.is_dir():
        raise ConfigError(
            f"parameter '{name}' is {value!r}; accepted: a file in a directory that is there"
        )
    return path
