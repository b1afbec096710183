# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One enqueued execution: reads device bytes, runs the session, writes device bytes."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fake_tensorrt import driver
from fake_tensorrt.bindings import trt
from fake_tensorrt.model import Shape, Tensor

ALIGNMENT = 256


@dataclass
class Output:
    """Where a result goes: an address, or whoever gives one once the size is known."""

    name: str
    dtype: np.dtype
    address: int
    allocator: Any
    on_host: bool


@dataclass
class Enqueued:
    """Everything it needs is fixed when it is enqueued, as in a kernel launch."""

    session: Any
    inputs: list[tuple[Tensor, int, Shape, np.dtype]]
    values: dict[str, NDArray]
    outputs: list[Output]
    stream: int
    done: threading.Event = field(default_factory=threading.Event)

    def start(
        self, shapes: dict[str, Shape], capturing: bool, refuse: Callable[[str], bool]
    ) -> bool:
        """Launch it.

        A size that depends on data is known only after execution: then this waits for the stream,
        computes, and calls the output allocator in the caller's thread, as enqueueV3 does.
        """
        driver.add("enqueued")
        if any(-1 in shape for shape in shapes.values()):
            return self._start_data_dependent(capturing, refuse)
        for output in self.outputs:
            shape = shapes[output.name]
            size = int(np.prod(shape)) * output.dtype.itemsize
            if output.allocator is not None and not self._allocate(output, size, shape):
                self.done.set()
                return refuse(f"enqueueV3: Error Code 2 (no memory for output {output.name})")
        return driver.launch(self.stream, self._run)

    def _start_data_dependent(self, capturing: bool, refuse: Callable[[str], bool]) -> bool:
        if capturing:
            self.done.set()
            return refuse("enqueueV3: Error Code 1 (data-dependent shapes cannot be captured)")
        results: dict[str, NDArray] | None = None
        if driver.synchronize(self.stream):
            results = self._compute()
        for output in self.outputs if results else ():
            size, shape = results[output.name].nbytes, results[output.name].shape
            if output.allocator is not None and not self._allocate(output, size, shape):
                self.done.set()
                return refuse(f"enqueueV3: Error Code 2 (no memory for {output.name})")
        if results is None:
            self.done.set()
            return refuse("enqueueV3: Error Code 1: Cuda Runtime (an illegal memory access)")

        def write() -> None:
            self._write(results)
            self.done.set()

        return driver.launch(self.stream, write)

    def _allocate(self, output: Output, size: int, shape: Shape) -> bool:
        """Ask as TensorRT 10 does: the form with a stream first, where there is one."""
        allocator = output.allocator
        where = (output.name, output.address, size, ALIGNMENT)
        asynchronous = getattr(allocator, "reallocate_output_async", None)
        newest = int(trt.__version__.split(".")[0]) >= 10
        try:
            if asynchronous is not None and newest:
                address = asynchronous(*where, self.stream)
            else:
                address = allocator.reallocate_output(*where)
            allocator.notify_shape(output.name, trt.Dims(shape))
        except Exception as error:  # pybind11 prints it, and TensorRT sees a null pointer
            print(f"in the output allocator: {error!r}")
            return False
        if address and int(address) % ALIGNMENT:
            driver.violation(f"the allocator's address for {output.name} is not aligned")
        output.address = int(address or 0)
        return bool(output.address)

    def _run(self) -> None:
        try:
            results = self._compute()
            if results is not None:
                self._write(results)
        except Exception as error:  # it stands for a kernel: nobody could catch it
            driver.fault(f"the engine failed: {error!r}")
        finally:
            self.done.set()

    def _compute(self) -> dict[str, NDArray] | None:
        feed = dict(self.values)
        for tensor, address, shape, dtype in self.inputs:
            value = driver.read(address, dtype, shape)
            if value is None:
                driver.fault(f"illegal memory access: the engine read input {tensor.name}")
                return None
            feed[tensor.name] = value.astype(tensor.onnx_dtype, copy=False)
        names = [output.name for output in self.outputs]
        results = self.session.run(names, feed)
        return {
            output.name: np.ascontiguousarray(result).astype(output.dtype, copy=False)
            for output, result in zip(self.outputs, results, strict=True)
        }

    def _write(self, results: dict[str, NDArray]) -> None:
        for output in self.outputs:
            result = results[output.name]
            if output.on_host:
                _write_to_host(output.address, result)
            elif not driver.write(output.address, result):
                driver.fault(f"illegal memory access: the engine wrote output {output.name}")
                return


def _write_to_host(address: int, result: NDArray) -> None:
    ctypes.memmove(address, np.ascontiguousarray(result).ctypes.data, result.nbytes)
