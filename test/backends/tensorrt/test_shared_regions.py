# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Memory of a GPU that another process has: read, written, never beyond its end."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from cuda_rig import CudaRig, require_driver

from triton_ros.backends.tensorrt.cuda_python_driver import CudaPythonDriver
from triton_ros.backends.tensorrt.pycuda_driver import PycudaDriver
from triton_ros.backends.tensorrt.shared_regions import CudaRegions
from triton_ros.core.errors import InvalidArgumentError
from triton_ros.frontends.exchange import RegionSlice
from triton_ros.frontends.shared_memory import Regions

EXPORTER = """
import ctypes, sys
cuda = ctypes.CDLL(sys.argv[1])
cuda.fakecuda_set(b"devices", ctypes.c_long(1))
context, address = ctypes.c_void_p(), ctypes.c_uint64()
handle, back = ctypes.create_string_buffer(64), ctypes.create_string_buffer(4096)
for problem in (
    cuda.cuInit(0),
    cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), 0),
    cuda.cuCtxPushCurrent_v2(context),
    cuda.cuMemAlloc_v2(ctypes.byref(address), ctypes.c_size_t(4096)),
    cuda.cuMemcpyHtoD_v2(address, bytes(range(256)) * 16, ctypes.c_size_t(4096)),
    cuda.cuIpcGetMemHandle(handle, address),
):
    assert not problem, problem
print(handle.raw.hex(), flush=True)
sys.stdin.readline()
assert not cuda.cuMemcpyDtoH_v2(back, address, ctypes.c_size_t(4096))
print(back.raw.hex(), flush=True)
"""


@pytest.fixture
def exporter(cuda_rig: CudaRig) -> Iterator[Any]:
    """A process with 4096 bytes on the device; it prints their handle, then what became of them."""
    cuda_rig.require_fake("the other process uses the rig's library")
    command = [sys.executable, "-c", EXPORTER, str(require_driver())]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process


@pytest.mark.parametrize("driver", [PycudaDriver, CudaPythonDriver])
def test_bytes_of_another_process_are_read_and_written(exporter: Any, driver: Any) -> None:
    handle = bytes.fromhex(exporter.stdout.readline())
    regions = Regions(allowed=True, open_cuda=CudaRegions(driver()))
    with pytest.raises(InvalidArgumentError, match="byte_size is 4097; accepted: up to 4096"):
        regions.register_cuda("r", handle, 0, 4097)
    with pytest.raises(InvalidArgumentError, match="device_id is 1; accepted"):
        regions.register_cuda("r", handle, 1, 4096)
    with pytest.raises(InvalidArgumentError, match="failed to open CUDA IPC handle"):
        regions.register_cuda("r", bytes(64), 0, 4096)
    regions.register_cuda("r", handle, 0, 4096)
    with regions.lease(RegionSlice("r", 16, 250)) as lease:
        assert bytes(lease.read()) == bytes([*range(250, 256), *range(10)])
        lease.write(np.full(16, 7, np.uint8).data)
    regions.close()
    exporter.stdin.write("\n")
    exporter.stdin.flush()
    expected = bytearray(bytes(range(256)) * 16)
    expected[250:266] = bytes([7]) * 16
    assert bytes.fromhex(exporter.stdout.readline()) == expected
