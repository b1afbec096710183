# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A served version of one model: what a request meets between the server and the scheduler.

`BackedModel` has a backend's instances behind it.  A request names either the model's raw tensors
(checked against the configuration, one item) or its processor's (scattered into one item an
element); both are answered through the same callback.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeAlias

import numpy as np

from triton_ros.core.backend import BackendModel, ReportsBuilt, ReportsCounters, ReportsProblem
from triton_ros.core.booking import Booking, Finish, Outputs, wanted
from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.errors import CancelledError, InternalError, TritonError, UnsupportedError
from triton_ros.core.execution.executor import Clock, Executor
from triton_ros.core.execution.fan_out import Gather, gather_rows, scatter_rows
from triton_ros.core.execution.payload import Item, ItemDone, item_key
from triton_ros.core.model_calls import refuse_circular
from triton_ros.core.processing import Processor
from triton_ros.core.request import Done, InferenceRequest, InferenceResponse, Parameter
from triton_ros.core.response_cache import ModelCache
from triton_ros.core.scheduling.instance_pool import InstancePool
from triton_ros.core.scheduling.scheduler import Scheduler
from triton_ros.core.telemetry.statistics import StatisticsCollector
from triton_ros.core.tensor import Array, Tensors, TensorSpec, materialize
from triton_ros.core.validation import InputChecker, check_outputs, check_wanted

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
    output_labels: Mapping[str, tuple[str, ...]]
    """Class names of the raw outputs that have a `label_filename`."""

    @property
    def interface(self) -> Interface:
        """The one for people: the processor's where there is one, else the raw one."""
        ...

    @property
    def labels(self) -> tuple[str, ...]: ...

    @property
    def keypoint_names(self) -> tuple[str, ...]: ...

    def check_parameters(self, parameters: Mapping[str, Parameter]) -> None:
        """Whether requests could have these; raises `InvalidArgumentError`."""
        ...

    @property
    def instance_count(self) -> int: ...

    @property
    def pending(self) -> int: ...

    @property
    def problem(self) -> str:
        """Why it cannot answer now, although it is loaded; empty while it can."""
        ...

    @property
    def counters(self) -> Mapping[str, int]:
        """What its backend counts beyond the statistics."""
        ...

    @property
    def built(self) -> tuple[str, ...]:
        """What its backend built for this device, or found built; in words."""
        ...

    def infer_now(self, request: InferenceRequest) -> InferenceResponse | None:
        """The answer, computed in this thread without a queue; None where `submit` is needed.

        Raises the request's `TritonError`.
        """
        ...

    def submit(
        self, request: InferenceRequest, done: Done, *, inline: bool = False, fan_out: bool = False
    ) -> Item | None:
        """Run a request; `done` gets its outcome.  The item, if it can still be replaced."""
        ...

    def replace(self, old: Item, request: InferenceRequest, done: Done) -> Item | None:
        """Let the request take the place of a waiting item; None if it is no longer waiting."""
        ...

    def retire(self) -> None:
        """It serves no longer: no new request comes."""
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
        clock: Clock,
        cache: ModelCache | None = None,
        output_labels: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        self.name = config.name
        self.version = version
        self.config = config
        self.statistics = statistics
        self.clock = clock
        self.cache = cache
        self.output_labels = output_labels or {}
        self._scheduler = scheduler
        self.instances = InstancePool(scheduler, executors, backend_model)
        # asked once: a protocol's isinstance costs as much as a small model
        self._problem = backend_model if isinstance(backend_model, ReportsProblem) else None
        self._counters = backend_model if isinstance(backend_model, ReportsCounters) else None
        self._built = backend_model if isinstance(backend_model, ReportsBuilt) else None
        self._processor = processor
        self._direct = (
            cache is None
            and not config.decoupled
            and config.sequence_batching is None
            and all(executor.direct for executor in executors)
        )
        self._raw = Interface.of(config)
        self._checker = InputChecker(config)
        self._ragged = frozenset(i.spec.name for i in config.input if i.allow_ragged_batch)
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
    def keypoint_names(self) -> tuple[str, ...]:
        return self._processor.keypoint_names if self._processor else ()

    def check_parameters(self, parameters: Mapping[str, Parameter]) -> None:
        if self._processor:
            self._processor.check_parameters(parameters)

    @property
    def instance_count(self) -> int:
        return len(self._scheduler.executors)

    @property
    def pending(self) -> int:
        return self._scheduler.pending

    @property
    def problem(self) -> str:
        return self._problem.problem if self._problem else ""

    @property
    def counters(self) -> Mapping[str, int]:
        return self._counters.counters if self._counters else {}

    @property
    def built(self) -> tuple[str, ...]:
        return tuple(self._built.built) if self._built else ()

    def infer_now(self, request: InferenceRequest) -> InferenceResponse | None:
        if not self._direct or not self._is_plain(request):
            return None
        start = self.clock()
        rows = self._checker.rows(request)
        if request.outputs:
            check_outputs(request, self.config)
        executor = self._scheduler.borrow()
        if executor is None:
            return None
        try:
            outputs, timing = executor.run_direct(request.inputs, rows, start)  # type: ignore[arg-type]
        except BaseException as error:
            reason = error if isinstance(error, TritonError) else CancelledError("interrupted")
            self.statistics.failed(self.clock() - start, reason)
            raise
        finally:
            self._scheduler.give_back(executor)
        self.statistics.succeeded(timing, self.clock() - start, rows)
        return InferenceResponse(
            self.name, self.version, wanted(outputs, request), request.id, request.tag, timing
        )

    def _is_plain(self, request: InferenceRequest) -> bool:
        """Whether the request is raw arrays, and nothing about it has to be watched."""
        if (
            request.cancellation is not None
            or request.deadline_ns is not None
            or request.caller is not None
            or request.trace is not None
        ):
            return False
        for name, value in request.inputs.items():
            if type(value) is not np.ndarray or name in self._processed_names:
                return False
            dtype = value.dtype
            if not value.flags.c_contiguous or not dtype.isnative or dtype.kind in "SU":
                return False
        return True

    def submit(
        self, request: InferenceRequest, done: Done, *, inline: bool = False, fan_out: bool = False
    ) -> Item | None:
        booking = Booking(self, request, done)
        try:
            items, gather = self._items(request, booking, fan_out)
        except TritonError as error:
            booking.refused(error)
            return None
        if self.cache is not None and booking.answered_from_cache():
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
        items, _ = self._items(request, Booking(self, request, done), fan_out=False)
        if len(items) == 1 and self._scheduler.replace(old, items[0]):
            return items[0]
        return None

    def close(self) -> None:
        try:
            self.instances.close()
        finally:
            if self.cache is not None:
                self.cache.close()

    def retire(self) -> None:
        self._scheduler.retire()

    def _items(self, request: InferenceRequest, booking: Booking, fan_out: bool) -> Scattered:
        """The request's items; raises `TritonError` whatever is wrong with it."""
        if request.caller is not None:
            refuse_circular(request, self.name)
        if self.config.decoupled and request.on_response is None:
            raise UnsupportedError(
                f"model '{self.name}' is decoupled: give the request an on_response"
            )
        try:
            if self._processor and not self._processed_names.isdisjoint(request.inputs):
                return self._processed_items(request, booking, self._processor)
            if fan_out:
                return self._fanned_items(request, booking)
            return self._raw_items(request, booking)
        except TritonError:
            raise
        except Exception as error:  # pre-processing is foreign to core: its fault is one request's
            raise InternalError(
                f"model '{self.name}': its inputs cannot be used: {error!r}"
            ) from error

    def _raw_items(self, request: InferenceRequest, booking: Booking) -> Scattered:
        rows = self._checker.rows(request)
        check_outputs(request, self.config)
        booking.counts(rows)
        inputs = {
            s.name: request.inputs[s.name] for s in self._raw.inputs if s.name in request.inputs
        }
        item = self._item(inputs, booking.answered, request, rows=rows)
        if self.config.decoupled:
            item.respond = booking.responded
        else:
            item.done = lambda outcome, timing: booking.answered(
                outcome, timing, item.answer_parameters
            )
        return [item], None

    def _processed_items(
        self, request: InferenceRequest, booking: Booking, processor: Processor
    ) -> Scattered:
        check_wanted(request, self.name, [spec.name for spec in processor.outputs])
        work = processor.prepare(request.inputs, request.parameters)
        gather = Gather(
            len(work.elements),
            partial(booking.gathered, self._guarded(lambda found: processor.finish(work, found))),
        )
        return self._element_items(work.elements, gather, request, booking), gather

    def _fanned_items(self, request: InferenceRequest, booking: Booking) -> Scattered:
        """Raw tensors whose first dim counts elements, any number of them."""
        count = self._checker.elements(request)
        check_outputs(request, self.config)
        names = [spec.name for spec in self._raw.inputs if spec.name in request.inputs]
        arrays = {name: materialize(request.inputs[name]) for name in names}
        gather = Gather(
            count,
            partial(
                booking.gathered,
                self._guarded(lambda found: gather_rows(found, self._empty_outputs())),
            ),
        )
        return self._element_items(scatter_rows(arrays, count), gather, request, booking), gather

    def _element_items(
        self,
        elements: Sequence[Tensors],
        gather: Gather,
        request: InferenceRequest,
        booking: Booking,
    ) -> list[Item]:
        booking.counts(len(elements))
        return [
            self._item(element, gather.slot(index), request, element=True)
            for index, element in enumerate(elements)
        ]

    def _item(
        self,
        inputs: Tensors,
        done: ItemDone,
        request: InferenceRequest,
        rows: int = 1,
        element: bool = False,
    ) -> Item:
        key = item_key(inputs, element, self._ragged)
        return Item(inputs, done, rows, element, key, request=request)

    def _empty_outputs(self) -> dict[str, Array]:
        return {
            spec.name: np.empty((0, *(max(dim, 0) for dim in spec.dims)), spec.dtype)
            for spec in self._raw.outputs
        }

    def _guarded(self, finish: Callable[[list[Outputs]], Outputs]) -> Finish:
        def finished(found: list[Outputs]) -> Outputs | TritonError:
            try:
                return finish(found)
            except TritonError as error:
                return error
            except Exception as error:  # post-processing is foreign to core: one request's fault
                return InternalError(f"model '{self.name}': its outputs cannot be used: {error!r}")

        return finished
