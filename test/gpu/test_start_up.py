# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A machine that lacks something: the TensorRT backend says what, in one error, and lives on.

Each in a process of its own, for TensorRT ends a process in which CUDA has no device.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from cuda_rig import CHECKOUT, DEFAULT_RELEASE, RigMissing, require_bindings, require_driver

HERE = Path(__file__).parent
_DRIVER = "import cuda_rig; cuda_rig.load_driver()\n"
_ASK = """
from triton_ros.backends.registry import BackendRegistry
from triton_ros.core.errors import UnsupportedError
try:
    BackendRegistry().load_backend("tensorrt")
except UnsupportedError as error:
    print(error)
else:
    print("it was loaded")
"""
_OTHER = "cuda-python: "
"""Cases of NVIDIA's bindings in pycuda's place."""
_ASK_OTHER = _ASK.replace(
    "BackendRegistry()", 'BackendRegistry({"tensorrt": {"cuda-driver": "cuda-python"}})'
)
_CASES = {
    "no driver": ("", {}, "libcuda.so.1"),
    "a driver without a device": (_DRIVER, {"FAKECUDA_INIT_ERROR": "100"}, "no CUDA-capable"),
    "a driver that does not fit": (_DRIVER, {"FAKECUDA_INIT_ERROR": "803"}, "unsupported display"),
    "no pycuda": ("import sys; sys.modules['pycuda'] = None\n", {}, "pycuda"),
    "no TensorRT": (_DRIVER, {}, "'tensorrt'"),
    f"{_OTHER}no driver": ("", {}, "libcuda.so.1"),
    f"{_OTHER}no device": (_DRIVER, {"FAKECUDA_INIT_ERROR": "100"}, "no CUDA-capable"),
    f"{_OTHER}no bindings": ("import sys; sys.modules['cuda'] = None\n", {}, "cuda-bindings"),
    f"{_OTHER}all of it": ("import cuda_rig; cuda_rig.load_fake()\n", {}, "it was loaded"),
    "all of it": ("import cuda_rig; cuda_rig.load_fake()\n", {}, "it was loaded"),
}


@pytest.mark.skipif(
    not (CHECKOUT / "triton_ros/backends/tensorrt/backend.py").is_file(),
    reason="there is no TensorRT backend in this checkout",
)
@pytest.mark.parametrize("case", _CASES)
def test_what_is_missing_is_said(case: str) -> None:
    before, environment, expected = _CASES[case]
    try:
        require_driver()
        require_bindings(DEFAULT_RELEASE)
    except RigMissing as missing:
        pytest.skip(str(missing))
    answer = subprocess.run(
        [sys.executable, "-c", before + (_ASK_OTHER if case.startswith(_OTHER) else _ASK)],
        env={"PYTHONPATH": f"{HERE}:{CHECKOUT}", "PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert answer.returncode == 0, answer.stderr
    (line,) = answer.stdout.splitlines()
    assert expected in line
