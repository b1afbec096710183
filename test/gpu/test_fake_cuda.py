# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The real pycuda on the fake driver: what a GPU does, and what it does to careless code."""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from cuda_rig import CudaRig

SLOW_US = 100_000
"""Longer than what follows the call takes, so that a copy is seen not to have happened yet."""


@pytest.fixture
def cuda(cuda_rig: CudaRig) -> Iterator[Any]:
    """pycuda.driver with the first device's context current."""
    import pycuda.driver as cuda  # noqa: PLC0415

    cuda.init()
    context = cuda.Device(0).retain_primary_context()
    context.push()
    yield cuda
    context.pop()
    context.detach()


def test_copies_come_back(cuda: Any) -> None:
    sent = np.arange(1000, dtype=np.float32)
    device = cuda.mem_alloc(sent.nbytes)
    cuda.memcpy_htod(device, sent)
    back = np.empty_like(sent)
    cuda.memcpy_dtoh(back, device)
    assert np.array_equal(sent, back)


def test_a_pinned_copy_happens_when_the_stream_gets_there(cuda: Any, cuda_rig: CudaRig) -> None:
    cuda_rig.set(delay_us=SLOW_US)
    sent = cuda.pagelocked_empty(4, np.float32)
    back = cuda.pagelocked_empty(4, np.float32)
    sent[:], back[:] = 1, 0
    device, stream = cuda.mem_alloc(sent.nbytes), cuda.Stream()
    cuda.memcpy_htod_async(device, sent, stream)
    cuda.memcpy_dtoh_async(back, device, stream)
    assert not stream.is_done()
    assert back[0] == 0
    sent[:] = 2  # too early: the copy has not been made
    stream.synchronize()
    assert back[0] == 2


def test_pageable_memory_is_staged_and_counted(cuda: Any, cuda_rig: CudaRig) -> None:
    before = cuda_rig.count("pageable_copies")
    cuda_rig.set(delay_us=SLOW_US)
    sent = np.ones(4, np.float32)
    device, stream = cuda.mem_alloc(sent.nbytes), cuda.Stream()
    cuda.memcpy_htod_async(device, sent, stream)
    sent[:] = 2
    back = np.zeros(4, np.float32)
    cuda.memcpy_dtoh_async(back, device, stream)
    assert back[0] == 1
    assert cuda_rig.count("pageable_copies") == before + 2


def test_a_thread_without_a_context_can_do_nothing(cuda: Any) -> None:
    seen: list[str] = []

    def work() -> None:
        try:
            cuda.mem_alloc(16)
        except cuda.LogicError as error:
            seen.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert "invalid device context" in seen[0]


def test_copies_are_bounds_checked(cuda: Any) -> None:
    device = cuda.mem_alloc(16)
    with pytest.raises(cuda.LogicError, match="invalid argument"):
        cuda.memcpy_htod(device, np.zeros(5, np.float32))
    with pytest.raises(cuda.LogicError, match="invalid argument"):
        cuda.memcpy_dtoh(np.zeros(1, np.float32), int(device) + 16)


def test_a_full_device_says_so(cuda: Any, cuda_rig: CudaRig) -> None:
    cuda_rig.set(memory=1 << 20)
    half = cuda.mem_alloc(1 << 19)
    assert cuda.mem_get_info() == (1 << 19, 1 << 20)
    with pytest.raises(cuda.MemoryError):
        cuda.mem_alloc((1 << 19) + 1)
    half.free()
    cuda.mem_alloc(1 << 20)


def test_a_fault_sticks(cuda: Any, cuda_rig: CudaRig) -> None:
    stream = cuda.Stream()
    cuda_rig.fault()
    with pytest.raises(cuda.LogicError, match="illegal memory access"):
        stream.synchronize()
    with pytest.raises(cuda.LogicError, match="illegal memory access"):
        cuda.mem_alloc(16)


def test_after_a_fault_the_next_test_has_a_whole_device(cuda: Any, cuda_rig: CudaRig) -> None:
    kept = cuda.mem_alloc(1 << 20)
    cuda_rig.fault()
    cuda_rig.check()
    cuda_rig.set(devices=1)
    free, total = cuda.mem_get_info()
    assert free == total
    with pytest.raises(cuda.LogicError, match="invalid argument"):
        cuda.memcpy_dtoh(np.zeros(1, np.float32), kept)


def test_mapped_memory_has_a_device_address(cuda: Any, cuda_rig: CudaRig) -> None:
    cuda_rig.set(integrated=1)
    assert cuda.Device(0).get_attribute(cuda.device_attribute.INTEGRATED) == 1
    flags = cuda.host_alloc_flags.DEVICEMAP
    memory = cuda.pagelocked_empty(4, np.float32, mem_flags=flags)
    memory[:] = 3
    back = np.empty(4, np.float32)
    cuda.memcpy_dtoh(back, memory.base.get_device_pointer())
    assert back[0] == 3
    with pytest.raises(cuda.LogicError, match="invalid argument"):
        cuda.pagelocked_empty(4, np.float32).base.get_device_pointer()


def test_events_order_two_streams(cuda: Any, cuda_rig: CudaRig) -> None:
    cuda_rig.set(delay_us=SLOW_US)
    sent = cuda.pagelocked_empty(1, np.int32)
    back = cuda.pagelocked_empty(1, np.int32)
    sent[0] = 7
    device, first, second = cuda.mem_alloc(4), cuda.Stream(), cuda.Stream()
    copied = cuda.Event()
    cuda.memcpy_htod_async(device, sent, first)
    copied.record(first)
    second.wait_for_event(copied)
    cuda.memcpy_dtoh_async(back, device, second)
    second.synchronize()
    assert copied.query()
    assert back[0] == 7


def test_devices_are_as_many_as_the_knob_says(cuda: Any, cuda_rig: CudaRig) -> None:
    cuda_rig.set(devices=2)
    assert cuda.Device.count() == 2
    assert cuda.Device(1).pci_bus_id() != cuda.Device(0).pci_bus_id()
    with pytest.raises(cuda.LogicError, match="invalid device ordinal"):
        cuda.Device(2)


def test_nobody_else_takes_the_fake_for_a_gpu(_cuda_library: ctypes.CDLL | None) -> None:
    if _cuda_library is None:
        pytest.skip("--cuda=real: there is a GPU")
    assert _cuda_library.cuInit(0) == 100, "no device"
    assert "tensorrt" not in sys.modules


def test_a_leak_fails_the_test(cuda: Any, cuda_rig: CudaRig) -> None:
    inner = CudaRig(cuda_rig.require_fake("nothing is counted")._library)
    kept = cuda.mem_alloc(16)
    with pytest.raises(AssertionError, match="left behind on the device"):
        inner.check()
    cuda_rig.set(devices=1)
    kept.free()
