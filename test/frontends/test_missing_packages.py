# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A port whose library is missing or too old says which one, and the others are not in the way."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import aiohttp.web
import pytest
from frontend_server import serving

from triton_ros.core.errors import UnsupportedError

ROOT = Path(__file__).resolve().parents[2]
WITHOUT = """
import sys
sys.modules[{module!r}] = None  # importing it fails from now on
from triton_ros import TritonError, make_server, start_frontends
with make_server([{folder!r}]) as server:
    try:
        start_frontends(server, {{"allow_{protocol}": True, "{protocol}_port": 0}})
    except TritonError as error:
        print(error)
"""


@pytest.mark.parametrize(
    ("protocol", "module", "package"),
    [
        ("http", "aiohttp", "aiohttp"),
        ("grpc", "grpc", "grpcio"),
        ("grpc", "tritonclient.grpc", "tritonclient"),
        ("metrics", "prometheus_client", "prometheus_client"),
    ],
)
def test_a_missing_package_is_named(
    tmp_path: Path, protocol: str, module: str, package: str
) -> None:
    code = WITHOUT.format(module=module, folder=str(tmp_path), protocol=protocol)
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    wanted = f"allow_{protocol} needs the package '{package}': pip install {package}"
    assert done.stdout.strip() == wanted


def test_an_old_aiohttp_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(aiohttp.web.Server, "pre_shutdown")
    text = r"allow_http needs aiohttp 3.9 or newer, found 3"
    with pytest.raises(UnsupportedError, match=text), serving(tmp_path, {}):
        pass
