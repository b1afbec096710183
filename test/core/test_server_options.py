# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Options that could only fail later are refused when they are made."""

from __future__ import annotations

import math
from typing import Any

import pytest

from triton_ros.core.errors import ConfigError
from triton_ros.core.server_options import ServerOptions


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("model_load_thread_count", 0, "must be 1 or more, got 0"),
        ("model_load_thread_count", "4", "must be of type int, got '4'"),
        ("model_load_thread_count", 2.5, "must be of type int, got 2.5"),
        ("cpu_thread_budget", True, "must be of type int, got True"),
        ("repository_poll_secs", math.nan, "must be 0.01 or more, got nan"),
        ("repository_poll_secs", math.inf, "must be 1000000000 or less, got inf"),
        ("poll_quiet_secs", math.inf, "must be 1000000000 or less, got inf"),
        ("exit_timeout_secs", 1e12, "must be 1000000000 or less, got 1000000000000.0"),
        ("exit_timeout_secs", None, "must be of type int or float, got None"),
        ("model_control_mode", "poll", "must be of type ModelControlMode, got 'poll'"),
        ("load_model", "m", "must be of type tuple, got 'm'"),
        ("host_policy", "a,cpu-cores=0", "must be of type tuple, got 'a,cpu-cores=0'"),
        ("backend_directory", "/opt", "must be of type Path, got '/opt'"),
        ("last_good_file", "file", "must be of type Path, got 'file'"),
        ("model_config_name", "a b", "'a b' must not contain a space or a '/'"),
        ("model_config_name", "../a", "'../a' must not contain a space or a '/'"),
        ("model_config_name", "a\0b", r"'a\x00b' must be printable"),
    ],
)
def test_refused_by_name(name: str, value: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ServerOptions(**{name: value})
    assert str(caught.value).startswith(name)
    assert message in str(caught.value)
