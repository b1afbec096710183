# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Each option of the network servers can be reached by a parameter of its name."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from triton_ros.frontends.options import FrontendOptions
from triton_ros.ros.frontend_parameters import FRONTEND_SPECS, frontend_values

DEFAULTS = {spec.name: spec.default for spec in FRONTEND_SPECS}


def test_there_is_a_parameter_for_every_option_with_its_default() -> None:
    assert set(DEFAULTS) == {field.name for field in fields(FrontendOptions)}
    assert FrontendOptions.of(frontend_values(DEFAULTS)) == FrontendOptions()


def test_values_become_options(tmp_path: Path) -> None:
    files = {name: tmp_path / name for name in ("server_cert", "server_key", "root_cert")}
    for file in files.values():
        file.touch()
    given = {
        **DEFAULTS,
        "http_port": 9000,
        "http_restricted_api": ["trace:key=1", ""],
        **{name: str(file) for name, file in files.items()},
    }
    options = FrontendOptions.of(frontend_values(given))
    assert options == FrontendOptions(http_port=9000, http_restricted_api=("trace:key=1",), **files)
