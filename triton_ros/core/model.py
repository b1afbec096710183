# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A served version of one model: what a request meets between the server and the scheduler.

`BackedModel` has a backend's instances behind it.  A request names either the model's raw tensors
(checked against the configuration, one item) or its processor's (scattered into one item an
element); both are answered through the same callback.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np

from triton_ros.core.backend import BackendModel
from triton_ros.core.errors import InternalError, TritonError
from triton_ros.core.execution import Executor
from triton_ros.core.fan_out import Gather, gather_rows, scatter_rows
from triton_ros.core.model_config import ModelConfig
from triton_ros.core.payload import Item, item_key
from triton_ros.core.processing import Processor
from triton_ros.core.request import Done, InferenceRequest, InferenceResponse, Timing
from triton_ros.core.scheduler import Scheduler
from triton_ros.core.statistics import StatisticsCollector
from triton_ros.core.tensor import Array, TensorSpec, materialize
from triton_ros.core.validation import (
    check_elements,
    check_inputs,
    check_outputs,
    check_wanted,
)

Scattered: TypeAlias = tuple[list[Item], Gather | None]
"""A request's items, and who gathers their answers if they are elements."""


@dataclass(frozen=True, slots=True)
class Interface:
    """Names, datatypes and dims that a request may use."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    @staticmethod
    def of(config: ModelConfig) -> Interface:
        """The raw one, dims without the batch dim."""
        return Interface(tuple(i.spec for i in config.input), tuple(o.spec for o in config.output))


class Model(Protocol):
    """What the server and ensembles need of a served version."""

    name: str
    version: int
    config: ModelConfig
    statistics: StatisticsCollector

    @property
    def interface(self) -> Interface:
        """The one for people: the processor's where there is one, else the raw one."""
        ...

    @property
    def labels(self) -> tuple[str, ...]: ...

    @property
    def instance_count(self) -> int: ...

    @property
    def pending(self) -> int: ...

    def submit(
        self, request: InferenceRequest, done: Done, *, inline: bool = False, fan_out: bool = False
    ) -> Item | None:
        """Run a request; `done` gets its outcome.  The item, if it can still be replaced."""
        ...

    def replace(self, old: Item, request: InferenceRequest, done: Done) -> Item | None:
        """Let the request take the place of a waiting item; None if it is no longer waiting."""
        ...

    def close(self) -> None:
        """Finish what was submitted, then release everything.  Blocks."""
        ...


class BackedModel:
    """A version that a backend executes."""

    def __init__(
        self,
        config: ModelConfig,
        version: int,
        scheduler: Scheduler,
        executors: tuple[Executor, ...],
        backend_model: BackendModel,
        processor: Processor | None,
        statistics: StatisticsCollector,
    ) -> None:
        self.name = config.name
        self.version = version
        self.config = config
        self.statistics = statistics
        self._scheduler = scheduler
        self._executors = executors
        self._backend_model = backend_model
        self._processor = processor
        self._raw = Interface.of(config)
        self._processed_names = frozenset(
            spec.name for spec in (processor.inputs if processor else ())
        )

    @property
    def interface(self) -> Interface:
        if self._processor is None:
            return self._raw
        return Interface(self._processor.inputs, self._processor.outputs)

    @property
    def labels(self) -> tuple[str, ...]:
        return self._processor.labels if self._processor else ()

    @property
    def instance_count(self) -> int:
        return len(self._executors)

    @property
    def pending(self) -> int:
        return self._scheduler.pending

    def submit(
        self, request: InferenceRequest, done: Done, *, inline: bool = False, fan_out: bool = False
    ) -> Item | None:
        try:
            items, gather = self._items(request, done, fan_out)
        except TritonError as error:
            done(error)
            return None
        if not items and gather:
            gather.answer_nothing()
            return None
        if len(items) != 1:
            self._scheduler.submit(items)
            return None
        if inline and self._scheduler.run_inline(items[0]):
            return None
        self._scheduler.submit(items)
        return items[0]

    def replace(self, old: Item, request: InferenceRequest, done: Done) -> Item | None:
        items, _ = self._items(request, done, fan_out=False)
        if len(items) == 1 and self._scheduler.replace(old, items[0]):
            return items[0]
        return None

    def close(self) -> None:
        self._scheduler.stop()
        with ExitStack() as rest:  # one that raises does not keep the others
            rest.callback(self._backend_model.finalize)
            for executor in self._executors:
                rest.callback(executor.instance.finalize)

    def _items(self, request: InferenceRequest, done: Done, fan_out: bool) -> Scattered:
        """The request's items; raises `TritonError` whatever is wrong with it."""
        try:
            if self._processor and not self._processed_names.isdisjoint(request.inputs):
                return self._processed_items(request, done, self._processor)
            if fan_out:
                return self._fanned_items(request, done)
            return self._raw_items(request, done)
        except TritonError:
            raise
        except Exception as error:  # pre-processing is foreign to core: its fault is one request's
            raise InternalError(
                f"model '{self.name}': its inputs cannot be used: {error!r}"
            ) from error

    def _raw_items(self, request: InferenceRequest, done: Done) -> Scattered:
        rows = check_inputs(request, self.config)
        check_outputs(request, self.config)

        def answered(outputs: dict[str, Array] | TritonError, timing: Timing) -> None:
            self._answer(request, done, outputs, timing)

        inputs = {
            s.name: request.inputs[s.name] for s in self._raw.inputs if s.name in request.inputs
        }
        return [Item(inputs, answered, rows, key=item_key(inputs, element=False))], None

    def _processed_items(
        self, request: InferenceRequest, done: Done, processor: Processor
    ) -> Scattered:
        check_wanted(request, self.name, [spec.name for spec in processor.outputs])
        work = processor.prepare(request.inputs, request.parameters)

        def gathered(outputs: list[dict[str, Array]] | TritonError, timing: Timing) -> None:
            if isinstance(outputs, TritonError):
                done(outputs)
                return
            self._answer(
                request, done, self._finished(lambda: processor.finish(work, outputs)), timing
            )

        gather = Gather(len(work.elements), gathered)
        return [
            Item(element, gather.slot(i), element=True, key=item_key(element, element=True))
            for i, element in enumerate(work.elements)
        ], gather

    def _fanned_items(self, request: InferenceRequest, done: Done) -> Scattered:
        """Raw tensors whose first dim counts elements, any number of them."""
        count = check_elements(request, self.config)
        check_outputs(request, self.config)
        names = [spec.name for spec in self._raw.inputs if spec.name in request.inputs]
        arrays = {name: materialize(request.inputs[name]) for name in names}

        def gathered(outputs: list[dict[str, Array]] | TritonError, timing: Timing) -> None:
            if isinstance(outputs, TritonError):
                done(outputs)
                return
            stacked = self._finished(lambda: gather_rows(outputs, self._empty_outputs()))
            self._answer(request, done, stacked, timing)

        rows = scatter_rows(arrays, count)
        gather = Gather(len(rows), gathered)
        return [
            Item(row, gather.slot(i), element=True, key=item_key(row, element=True))
            for i, row in enumerate(rows)
        ], gather

    def _empty_outputs(self) -> dict[str, Array]:
        return {
            spec.name: np.empty((0, *(max(dim, 0) for dim in spec.dims)), spec.dtype)
            for spec in self._raw.outputs
        }

    def _finished(self, finish: Callable[[], dict[str, Array]]) -> dict[str, Array] | TritonError:
        try:
            return finish()
        except TritonError as error:
            return error
        except Exception as error:  # post-processing is foreign to core: its fault is one request's
            return InternalError(f"model '{self.name}': its outputs cannot be used: {error!r}")

    def _answer(
        self,
        request: InferenceRequest,
        done: Done,
        outputs: dict[str, Array] | TritonError,
        timing: Timing,
    ) -> None:
        if isinstance(outputs, TritonError):
            done(outputs)
            return
        if request.outputs:
            outputs = {name: outputs[name] for name in request.outputs if name in outputs}
        done(InferenceResponse(self.name, self.version, outputs, request.id, request.tag, timing))
