# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One executor: a stream, an execution context for each of its profiles, and their memory.

An execution: the profile that allows these shapes and was tuned for the nearest ones; inputs into
their places; enqueue; outputs out of them; wait once, with the GIL free.  Whatever fails after the
first copy was enqueued, the stream is waited for before the error goes on, because the memory is
used again.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from triton_ros.backends.support import check_inputs, released
from triton_ros.backends.tensorrt.buffers import Buffers
from triton_ros.backends.tensorrt.cuda_driver import CudaError, Event, Stream
from triton_ros.backends.tensorrt.cuda_graphs import CudaGraphs
from triton_ros.backends.tensorrt.device_owner import DeviceOwner
from triton_ros.backends.tensorrt.engine import EngineFacts, EngineTensor, Limits, Log, said
from triton_ros.backends.tensorrt.output_allocator import make_allocator
from triton_ros.core.backend import Signature
from triton_ros.core.errors import InternalError, InvalidArgumentError
from triton_ros.core.tensor import Array

_LOG = logging.getLogger(__name__)

_MOST_GRAPHS = 32
"""Of an instance: each takes memory of the device."""


@dataclass(slots=True)
class _Context:
    """An execution context, bound to one profile."""

    profile: int
    limits: Mapping[str, Limits]
    context: Any
    addresses: dict[str, int] = field(default_factory=dict)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InstanceOptions:
    """What a configuration says of its instances."""

    profiles: tuple[int, ...]
    pinned_input: bool = True
    pinned_output: bool = True
    busy_wait: bool = False
    graphs: CudaGraphs | None = None
    """Records executions, where that is wanted."""


class TensorRtInstance:
    """Core's `ModelInstance`."""

    def __init__(
        self,
        trt: Any,
        log: Log,
        owner: DeviceOwner,
        model: str,
        engine: Any,
        facts: EngineFacts,
        signature: Signature,
        options: InstanceOptions,
        on_release: Callable[[TensorRtInstance], None],
    ) -> None:
        """Makes everything on the device; raises `TritonError`."""
        self._trt, self._log = trt, log
        self._owner = owner
        self._model = model
        self._facts = facts
        self._signature = signature
        self._options = options
        self._graphs = options.graphs
        self._on_release = on_release
        self._dtypes = {t.spec.name: t.spec.dtype for t in facts.tensors}
        self._contexts: list[_Context] = []
        self._stream: Stream | None = None
        self._done: Event | None = None
        self._allocators: dict[str, Any] = {}
        self._recorded: OrderedDict[Hashable, Any] = OrderedDict()
        """CUDA graphs, by what they hold for; the one that was launched last is the last."""
        pinned = {
            t.spec.name: options.pinned_input if t.is_input else options.pinned_output
            for t in facts.tensors
        }
        self._buffers = Buffers(owner, model, pinned=pinned)
        try:
            owner.run(lambda: self._make(engine))
        except CudaError as error:
            owner.run(self._release)
            raise InternalError(f"model '{model}': CUDA: {error}") from error
        except BaseException:
            owner.run(self._release)
            raise

    def execute(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """See `core.backend.ModelInstance.execute`."""
        if self._stream is None:
            raise released(self._model)
        check_inputs(self._signature, inputs)
        context = self._choose(inputs)
        try:
            with self._owner.current(), self._log.captured() as lines:
                return self._run(context, inputs, self._stream, lines)
        except CudaError as error:
            context.shapes.clear()
            raise InternalError(f"model '{self._model}': CUDA: {error}") from error

    def finalize(self) -> None:
        """See `core.backend.ModelInstance.finalize`."""
        self._owner.run(self._release)
        self._on_release(self)

    @property
    def device(self) -> int:
        return self._owner.index

    @property
    def device_bytes(self) -> int:
        """Memory of the device that its tensors have."""
        return self._buffers.device_bytes

    # made and released on the device's thread ---------------------------------------------------

    def _make(self, engine: Any) -> None:
        device = self._owner.device
        self._stream = device.stream()
        self._done = device.event(busy_wait=self._options.busy_wait)
        for tensor in self._facts.outputs:
            if not tensor.on_host:
                allocator = make_allocator(self._trt, self._buffers.reserve)
                self._allocators[tensor.spec.name] = allocator
        for profile in self._options.profiles:
            self._contexts.append(self._context(engine, profile))
            self._reserve_largest(self._contexts[-1])

    def _context(self, engine: Any, profile: int) -> _Context:
        assert self._stream is not None
        with self._log.captured() as lines:
            context = engine.create_execution_context()
            if context is None:
                raise InternalError(
                    f"model '{self._model}': TensorRT makes no execution context: {said(lines)}"
                )
            if self._facts.profiles and profile != context.active_optimization_profile:
                if not context.set_optimization_profile_async(profile, self._stream.handle):
                    raise InternalError(
                        f"model '{self._model}': profile {profile} cannot be used: {said(lines)}"
                    )
                self._stream.synchronize()
        return _Context(profile, self._facts.profiles[profile], context)

    def _reserve_largest(self, context: _Context) -> None:
        """Memory for the largest shapes, so that serving allocates nothing."""
        for tensor in self._facts.inputs:
            if tensor.on_host:
                return  # shapes depend on its values
        with self._log.captured() as lines:
            for tensor in self._facts.inputs:
                name, high = tensor.spec.name, context.limits[tensor.spec.name].high
                self._set_shape(context, name, high, lines)
                self._buffers.reserve(name, _size(high, self._dtypes[name]))
            for tensor in self._facts.outputs:
                name = tensor.spec.name
                shape = tuple(int(size) for size in context.context.get_tensor_shape(name))
                if -1 not in shape:
                    self._buffers.reserve(name, _size(shape, self._dtypes[name]))

    def _release(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.synchronize()
        for recorded in self._recorded.values():
            assert self._options.graphs is not None
            self._options.graphs.drop(recorded)
        self._recorded.clear()
        self._contexts.clear()
        self._allocators.clear()
        self._buffers.release()
        self._done = None
        del stream

    # executed on the caller's thread ------------------------------------------------------------

    def _choose(self, inputs: Mapping[str, Array]) -> _Context:
        """The context whose profile allows the shapes and is nearest to them."""
        if len(self._contexts) == 1:
            return self._contexts[0]  # TensorRT says what it does not allow
        shapes = {t.spec.name: inputs[t.spec.name].shape for t in self._sized}
        fitting = [
            context
            for context in self._contexts
            if all(context.limits[name].allow(shape) for name, shape in shapes.items())
        ]
        if not fitting:
            given = ", ".join(f"'{name}' {list(shape)}" for name, shape in shapes.items())
            allowed = "; ".join(_shown(context, self._sized) for context in self._contexts)
            raise InvalidArgumentError(
                f"model '{self._model}': no profile allows the shapes {given}; {allowed}"
            )

        def distance(context: _Context) -> int:
            return sum(context.limits[name].distance(shape) for name, shape in shapes.items())

        return min(fitting, key=distance)

    @property
    def _sized(self) -> Sequence[EngineTensor]:
        """Inputs whose shape a profile limits."""
        return [tensor for tensor in self._facts.inputs if not tensor.on_host]

    def _run(
        self, context: _Context, inputs: Mapping[str, Array], stream: Stream, lines: list[str]
    ) -> dict[str, Array]:
        held: list[Array] = []
        """What TensorRT reads on the host, until the stream is done."""
        try:
            for tensor in self._facts.inputs:
                self._give(context, tensor, inputs[tensor.spec.name], stream, held, lines)
            known = {t.spec.name: self._take(context, t, held) for t in self._facts.outputs}
            key = self._graph_key(context, known, held)
            if key is not None and key in self._recorded:
                self._recorded.move_to_end(key)
                assert self._graphs is not None
                self._graphs.launch(self._recorded[key], stream.handle)
                return self._answer(known, stream, lines)
            if not _enqueue(context, stream):
                self._check_allocators()
                raise InternalError(
                    f"model '{self._model}': TensorRT does not execute: {said(lines)}"
                )
            answer = self._answer(known, stream, lines)
            if key is not None:
                self._record(context, key, stream)
            return answer
        except BaseException:
            stream.synchronize()
            raise

    def _graph_key(
        self, context: _Context, known: Mapping[str, object], held: Sequence[Array]
    ) -> Hashable | None:
        """What a recording would hold for; None where none can be made or is wanted."""
        sizes_known = all(where is not None for where in known.values())
        if self._graphs is None or held or not sizes_known:
            return None
        shapes = tuple(sorted(context.shapes.items()))
        return context.profile, shapes, tuple(sorted(context.addresses.items()))

    def _record(self, context: _Context, key: Hashable, stream: Stream) -> None:
        """After a first execution, which TensorRT wants to have had; the oldest one makes room."""
        graphs = self._graphs
        assert graphs is not None
        if len(self._recorded) >= _MOST_GRAPHS:
            graphs.drop(self._recorded.popitem(last=False)[1])
        recorded = graphs.record(stream.handle, lambda: _enqueue(context, stream))
        if recorded is None:
            _LOG.warning("model '%s' cannot be recorded as a CUDA graph", self._model)
            self._graphs = None
            return
        self._recorded[key] = recorded

    def _give(
        self,
        context: _Context,
        tensor: EngineTensor,
        value: Array,
        stream: Stream,
        held: list[Array],
        lines: list[str],
    ) -> None:
        """An input's shape, address and content."""
        name = tensor.spec.name
        value = np.ascontiguousarray(value)
        if context.shapes.get(name) != value.shape:
            self._set_shape(context, name, value.shape, lines)
        if tensor.on_host:
            value = value.copy()
            held.append(value)
            address = value.ctypes.data
        else:
            address = self._buffers.reserve(name, value.nbytes)
            self._buffers.copy_in(name, value, stream)
        self._set_address(context, name, address)

    def _take(
        self, context: _Context, tensor: EngineTensor, held: list[Array]
    ) -> tuple[int, ...] | Array | None:
        """Where an output goes: its shape; an array on the host; None where only TensorRT knows."""
        name = tensor.spec.name
        shape = tuple(int(size) for size in context.context.get_tensor_shape(name))
        if tensor.on_host:
            value = np.empty(shape, self._dtypes[name])
            held.append(value)
            self._set_address(context, name, value.ctypes.data)
            return value
        if -1 in shape:
            allocator = self._allocators[name]
            allocator.shape, allocator.failure = None, None
            context.context.set_output_allocator(name, allocator)
            context.addresses.pop(name, None)
            return None
        address = self._buffers.reserve(name, _size(shape, self._dtypes[name]))
        self._set_address(context, name, address)
        return shape

    def _answer(
        self,
        known: Mapping[str, tuple[int, ...] | Array | None],
        stream: Stream,
        lines: list[str],
    ) -> dict[str, Array]:
        """Wait, and make arrays of the outputs that are nobody else's."""
        assert self._done is not None
        late = [name for name, where in known.items() if where is None]
        if late:
            stream.synchronize()  # their sizes are known then
            self._check_allocators()
        shapes: dict[str, tuple[int, ...]] = {}
        raw: dict[str, Array] = {}
        for name, where in known.items():
            if isinstance(where, np.ndarray):
                continue
            shape = where if where is not None else self._allocators[name].shape
            if shape is None:
                raise InternalError(
                    f"model '{self._model}': TensorRT does not say how large '{name}' is:"
                    f" {said(lines)}"
                )
            shapes[name] = shape
            raw[name] = self._buffers.copy_out(name, _size(shape, self._dtypes[name]), stream)
        self._done.record(stream)
        self._done.synchronize()
        answers = {n: w for n, w in known.items() if isinstance(w, np.ndarray)}
        for name, data in raw.items():
            value = data.view(self._dtypes[name]).reshape(shapes[name])
            answers[name] = value if self._buffers.is_own(name) else value.copy()
        return answers

    def _set_shape(
        self, context: _Context, name: str, shape: tuple[int, ...], lines: list[str]
    ) -> None:
        if not context.context.set_input_shape(name, shape):
            context.shapes.pop(name, None)
            allowed = _shown(context, self._sized)
            raise InvalidArgumentError(
                f"model '{self._model}': input '{name}' of shape {list(shape)} is refused by"
                f" TensorRT ({allowed}): {said(lines)}"
            )
        context.shapes[name] = shape

    def _set_address(self, context: _Context, name: str, address: int) -> None:
        if context.addresses.get(name) == address:
            return
        if not context.context.set_tensor_address(name, address):
            raise InternalError(f"model '{self._model}': no address can be set for '{name}'")
        context.addresses[name] = address

    def _check_allocators(self) -> None:
        for allocator in self._allocators.values():
            if allocator.failure is not None:
                raise allocator.failure


def _enqueue(context: _Context, stream: Stream) -> bool:
    return bool(context.context.execute_async_v3(stream.handle))


def _size(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    return int(np.prod(shape, dtype=np.int64)) * dtype.itemsize


def _shown(context: _Context, tensors: Sequence[EngineTensor]) -> str:
    """What a profile allows."""
    ranges = [
        f"'{t.spec.name}' {list(context.limits[t.spec.name].low)} to"
        f" {list(context.limits[t.spec.name].high)}"
        for t in tensors
    ]
    return f"profile {context.profile} allows {', '.join(ranges)}"
