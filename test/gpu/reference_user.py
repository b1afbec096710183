# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The smallest correct use of TensorRT and pycuda, to show that the rig accepts it.

Public interfaces only; nothing in here knows of the fake.  `test_planted_faults` breaks it in one
place at a time and demands that the rig notices.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pycuda.driver as cuda
import tensorrt as trt
from numpy.typing import NDArray


class User:
    """One engine, context and stream."""

    def __init__(self, plan: bytes) -> None:
        cuda.init()
        self.primary = cuda.Device(0).retain_primary_context()
        self.primary.push()
        self.logger = trt.Logger(trt.Logger.ERROR)
        self.runtime = trt.Runtime(self.logger)
        self.engine = self.runtime.deserialize_cuda_engine(plan)
        self.context = self.engine.create_execution_context()
        self.stream = cuda.Stream()
        self.done = cuda.Event()
        names = [self.engine.get_tensor_name(i) for i in range(self.engine.num_io_tensors)]
        modes = {name: self.engine.get_tensor_mode(name) for name in names}
        self.inputs = [name for name in names if modes[name] == trt.TensorIOMode.INPUT]
        self.outputs = [name for name in names if modes[name] == trt.TensorIOMode.OUTPUT]
        self.buffers: dict[str, tuple[Any, NDArray]] = {}
        self.primary.pop()

    def infer(self, values: dict[str, NDArray]) -> dict[str, NDArray]:
        """From any thread, one at a time."""
        self.primary.push()
        try:
            for name in self.inputs:
                value = np.ascontiguousarray(values[name], self.dtype(name))
                if not self.context.set_input_shape(name, value.shape):
                    raise ValueError(f"{name}: shape {value.shape} was refused")
                device, pinned = self.buffer(name, value.nbytes)
                np.copyto(pinned[: value.nbytes], value.reshape(-1).view(np.uint8))
                cuda.memcpy_htod_async(device, pinned[: value.nbytes], self.stream)
                self.context.set_tensor_address(name, int(device))
            results = {}
            for name in self.outputs:
                shape = tuple(self.context.get_tensor_shape(name))
                size = int(np.prod(shape)) * self.dtype(name).itemsize
                device, pinned = self.buffer(name, size)
                self.context.set_tensor_address(name, int(device))
                results[name] = (device, pinned[:size], shape)
            if not self.context.execute_async_v3(self.stream.handle):
                raise RuntimeError("it was not enqueued")
            for device, pinned, _ in results.values():
                cuda.memcpy_dtoh_async(pinned, device, self.stream)
            self.done.record(self.stream)
            self.done.synchronize()
            return {
                name: pinned.view(self.dtype(name)).reshape(shape).copy()
                for name, (_, pinned, shape) in results.items()
            }
        finally:
            self.primary.pop()

    def dtype(self, name: str) -> np.dtype:
        return np.dtype(trt.nptype(self.engine.get_tensor_dtype(name)))

    def buffer(self, name: str, size: int) -> tuple[Any, NDArray]:
        """Device and pinned memory of at least this many bytes."""
        kept = self.buffers.get(name)
        if kept is None or kept[1].nbytes < size:
            kept = (cuda.mem_alloc(size), cuda.pagelocked_empty(size, np.uint8))
            self.buffers[name] = kept
        return kept

    def close(self) -> None:
        """On the thread that made it: pycuda releases a primary context nowhere else."""
        self.primary.push()
        self.stream.synchronize()
        self.buffers.clear()
        self.context = self.engine = self.runtime = None
        self.done = self.stream = None
        self.primary.pop()
        self.primary.detach()
