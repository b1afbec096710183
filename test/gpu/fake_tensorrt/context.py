# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One execution of an engine at a time: shapes, addresses, enqueue.

TensorRT says False and logs; so does this.  What it does not notice, and a GPU would answer with
garbage or a fault (NvInferRuntime.h, "IExecutionContext"), is noted as a violation.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from fake_tensorrt import driver
from fake_tensorrt.bindings import trt
from fake_tensorrt.execution import Enqueued, Output
from fake_tensorrt.model import Shape, Tensor
from fake_tensorrt.strict import Strict

if TYPE_CHECKING:
    from fake_tensorrt.runtime import ICudaEngine

ALIGNMENT = 256
T = TypeVar("T")


class IExecutionContext(Strict):
    """Used by one thread at a time, and by one stream at a time."""

    def __init__(self, engine: ICudaEngine, memory: int) -> None:
        self._engine = engine
        self._memory = memory
        self._shapes: dict[str, Shape] = {}
        self._addresses: dict[str, int] = {}
        self._allocators: dict[str, Any] = {}
        self._inferred: dict[tuple, dict[str, Shape]] = {}
        self._using = threading.RLock()
        self._enqueued: list[Enqueued] = []
        self._switched: tuple[int, threading.Event] | None = None
        self._profile = -1
        if self._may_use_profile(0):
            self._take_profile(0)

    def __del__(self) -> None:
        if any(not each.done.is_set() for each in self._enqueued):
            driver.violation("an execution context was released while it executed")
        driver.CUDA.fakecuda_release(self._memory)
        owners = self._engine._owners
        for profile in [p for p, owner in owners.items() if owner == id(self)]:
            del owners[profile]

    @property
    def engine(self) -> ICudaEngine:
        return self._engine

    @property
    def active_optimization_profile(self) -> int:
        return self._profile

    @property
    def all_binding_shapes_specified(self) -> bool:
        return not self._without_shape()

    def set_optimization_profile_async(self, profile_index: int, stream_handle: int) -> bool:
        """The switch happens on the stream; the input shapes are forgotten."""

        def switch() -> bool:
            where = "IExecutionContext::setOptimizationProfileAsync: Error Code 3"
            if not 0 <= profile_index < self._engine.num_optimization_profiles:
                return self._refuse(f"{where}: API Usage Error (no profile {profile_index})")
            if not self._may_use_profile(profile_index):
                return self._refuse(
                    f"{where}: API Usage Error (Profile {profile_index} has been chosen by another"
                    " execution context)"
                )
            self._take_profile(profile_index)
            self._shapes.clear()
            switched = threading.Event()
            self._switched = (stream_handle, switched)
            return driver.launch(stream_handle, switched.set)

        return self._alone(switch)

    def set_input_shape(self, name: str, shape: Sequence[int]) -> bool:
        """False for what the active profile does not allow."""
        return self._alone(lambda: self._set_input_shape(name, tuple(int(v) for v in shape)))

    def get_tensor_shape(self, name: str) -> object:
        """An output's has -1 until every input's shape is known, or when it depends on data."""

        def ask() -> object:
            tensor = self._engine._tensor(name)
            if tensor.is_input:
                return trt.Dims(self._shapes.get(name, tensor.shape))
            known = not self._without_shape() and not self._without_values()
            return trt.Dims(self._output_shapes()[name] if known else tensor.shape)

        return self._alone(ask)

    def infer_shapes(self) -> list[str]:
        """Inputs whose shape, or whose values if they are shapes, are missing."""
        return self._alone(lambda: [*self._without_shape(), *self._without_values()])

    def set_tensor_address(self, name: str, memory: int) -> bool:
        """Of a shape tensor on the host, of any other on the device."""
        return self._alone(lambda: self._set_tensor_address(name, int(memory)))

    def get_tensor_address(self, name: str) -> int:
        return self._addresses.get(name, 0)

    def set_output_allocator(self, name: str, output_allocator: Any) -> bool:
        """None takes it away."""

        def set_it() -> bool:
            if self._engine._tensor(name).is_input:
                return self._refuse(f"setOutputAllocator: Error Code 3 ({name} is an input)")
            self._allocators.pop(name, None)
            if output_allocator is not None:
                self._allocators[name] = output_allocator
            return True

        return self._alone(set_it)

    def get_output_allocator(self, name: str) -> Any:
        return self._allocators.get(name)

    def get_max_output_size(self, name: str) -> int:
        """An upper bound in bytes; of a shape that depends on data, from all input elements."""
        tensor = self._engine._tensor(name)
        elements = sum(int(np.prod(self._shape(t))) for t in self._engine._model.inputs())
        shape = [elements if size < 0 else size for size in self._output_shapes()[name]]
        itemsize = self._dtype(tensor).itemsize
        return -(-int(np.prod(shape)) * itemsize // ALIGNMENT) * ALIGNMENT

    def execute_async_v3(self, stream_handle: int) -> bool:
        """Enqueue; what is wrong with the call is in the log, what goes wrong later is a fault."""
        return self._alone(lambda: self._enqueue(int(stream_handle)))

    # --- What is behind them -----------------------------------------------------------------

    def _alone(self, work: Callable[[], T]) -> T:
        if not self._using.acquire(blocking=False):
            driver.violation("an execution context was used by two threads at once")
            self._using.acquire()
        try:
            return work()
        finally:
            self._using.release()

    def _refuse(self, text: str) -> bool:
        self._engine._runtime._error(text)
        return False

    def _may_use_profile(self, index: int) -> bool:
        """TensorRT 10 lets contexts share profiles; before it, each needs one of its own."""
        if int(trt.__version__.split(".")[0]) >= 10 or not self._engine._plan.profiles:
            return True
        return self._engine._owners.get(index, id(self)) == id(self)

    def _take_profile(self, index: int) -> None:
        owners = self._engine._owners
        if owners.get(self._profile) == id(self):
            del owners[self._profile]
        owners.setdefault(index, id(self))
        self._profile = index

    def _set_input_shape(self, name: str, shape: Shape) -> bool:
        tensor = self._engine._model.tensors.get(name)
        where = "IExecutionContext::setInputShape: Error Code 3"
        if tensor is None or not tensor.is_input:
            return self._refuse(f"{where}: API Usage Error ({name} is not an input)")
        if self._profile < 0:
            return self._refuse(f"{where}: API Usage Error (no optimization profile was set)")
        low, _, high = self._engine._profile_shapes(name, self._profile)
        fits = len(shape) == len(tensor.shape) and all(
            fixed in {-1, size} and (least <= size <= most or fixed != -1)
            for size, fixed, least, most in zip(shape, tensor.shape, low, high, strict=True)
        )
        if not fits:
            return self._refuse(
                f"{where}: API Usage Error (Parameter check failed, condition:"
                f" engineDims.d[i] == dims.d[i]. Static dimension mismatch or dimensions {shape} of"
                f" {name} outside of profile {self._profile}: [{low}, {high}])"
            )
        self._shapes[name] = shape
        return True

    def _set_tensor_address(self, name: str, memory: int) -> bool:
        tensor = self._engine._model.tensors.get(name)
        if tensor is None:
            return self._refuse(f"setTensorAddress: Error Code 3 (there is no tensor {name})")
        on_device = driver.CUDA.fakecuda_device_of(memory) >= 0
        if tensor.is_shape and on_device:
            driver.violation(f"{name} is a shape tensor: its address must be the host's")
            return False
        if not tensor.is_shape and memory % ALIGNMENT:
            driver.violation(f"the address of {name} is not aligned to {ALIGNMENT} bytes")
            return False
        self._addresses[name] = memory
        return True

    def _shape(self, tensor: Tensor) -> Shape:
        return self._shapes.get(tensor.name, tensor.shape)

    def _without_shape(self) -> list[str]:
        return [t.name for t in self._engine._model.inputs() if -1 in self._shape(t)]

    def _without_values(self) -> list[str]:
        shapes = [t for t in self._engine._model.inputs() if t.is_shape]
        return [t.name for t in shapes if not self._addresses.get(t.name)]

    def _dtype(self, tensor: Tensor) -> np.dtype:
        return np.dtype(trt.nptype(self._engine.get_tensor_dtype(tensor.name)))

    def _host_values(self) -> dict[str, NDArray]:
        """What the shape inputs hold now, as the ONNX file types it."""
        values = {}
        for tensor in self._engine._model.inputs():
            if tensor.is_shape:
                dtype, shape = self._dtype(tensor), self._shape(tensor)
                size = dtype.itemsize * int(np.prod(shape))
                data = ctypes.string_at(self._addresses[tensor.name], size)
                values[tensor.name] = (
                    np.frombuffer(data, dtype).reshape(shape).astype(tensor.onnx_dtype)
                )
        return values

    def _output_shapes(self) -> dict[str, Shape]:
        shapes = {t.name: self._shape(t) for t in self._engine._model.inputs()}
        values = self._host_values()
        key = (
            tuple(shapes.items()),
            tuple((name, value.tobytes()) for name, value in values.items()),
        )
        if key not in self._inferred:
            self._inferred[key] = self._engine._model.output_shapes(shapes, values)
        return self._inferred[key]

    def _enqueue(self, stream: int) -> bool:
        where = "IExecutionContext::enqueueV3: Error Code 3: API Usage Error"
        if not self._engine._on_its_device("execute_async_v3"):
            return False
        missing = [*self._without_shape(), *self._without_values()]
        if missing:
            return self._refuse(f"{where} (input shapes or values missing: {missing})")
        for name in self._engine._model.tensors:
            if not self._addresses.get(name) and name not in self._allocators:
                return self._refuse(f"{where} (Neither address or allocator is set for {name})")
        if not stream:
            driver.violation("execute_async_v3 on the default stream, which waits for the device")
        self._check_streams(stream)
        work = Enqueued(
            session=self._engine._session,
            inputs=[
                (t, self._addresses[t.name], self._shape(t), self._dtype(t))
                for t in self._engine._model.inputs()
                if not t.is_shape
            ],
            values=self._host_values(),
            outputs=[
                Output(
                    t.name,
                    self._dtype(t),
                    self._addresses.get(t.name, 0),
                    self._allocators.get(t.name),
                    t.is_shape,
                )
                for t in self._engine._model.outputs()
            ],
            stream=stream,
        )
        capturing = driver.is_capturing(stream)
        if not capturing:
            self._enqueued = [each for each in self._enqueued if not each.done.is_set()]
            self._enqueued.append(work)
        return work.start(self._output_shapes(), capturing, self._refuse)

    def _check_streams(self, stream: int) -> None:
        for each in self._enqueued:
            if each.stream != stream and not each.done.is_set():
                driver.violation("an execution context was enqueued on two streams at once")
        if self._switched is not None:
            on, switched = self._switched
            if on != stream and not switched.is_set():
                driver.violation("a profile was switched on another stream and not waited for")
