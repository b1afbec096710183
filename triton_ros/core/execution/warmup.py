# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Running every instance before a version is READY, so that no frame pays for the first run.

`model_warmup` samples run as Triton runs them: `batch_size` requests of one row that make one batch
(one request where the model has no batch dim), `count` times, through an executor like the one that
serves; a failure fails the load.  What a sample of a sequence model does not say of controls and
states is that of a sequence's first request.  A model that calls models cannot do so yet.

Without samples, models whose input dims are all known run once on zeros; that is our own extra, so
a model that does not like zeros is still served.  Instances that want requests are not run unasked:
what theirs would do is not ours to know.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from triton_ros.core.backend import ModelInstance, RequestInstance
from triton_ros.core.config.model_config import ModelConfig, WarmupSample
from triton_ros.core.config.scheduling_config import ControlKind
from triton_ros.core.errors import ConfigError, InternalError, TritonError
from triton_ros.core.execution.executor import Executor
from triton_ros.core.execution.payload import Item
from triton_ros.core.execution.request_execution import as_request_instance
from triton_ros.core.model_calls import NoCalls
from triton_ros.core.request import InferenceRequest, Parameter, Timing
from triton_ros.core.telemetry.statistics import StatisticsCollector
from triton_ros.core.tensor import Array, TensorSpec
from triton_ros.core.tensor_file import read_tensor
from triton_ros.core.validation import check_inputs

_LOG = logging.getLogger(__name__)

DIRECTORY = "warmup"
"""Below the model's directory: where `input_data_file` is."""


def warm_up(
    config: ModelConfig,
    instances: Sequence[ModelInstance | RequestInstance],
    model_dir: Path | None = None,
) -> None:
    """Run the samples on every instance.

    Raises `ConfigError` for a sample that cannot be made, and `InternalError` with its name for one
    that fails.
    """
    if not config.model_warmup:
        _run_zeros(config, instances)
    for sample in config.model_warmup:
        if sample.batch_size == 0:
            _LOG.info("model '%s': skipping batch 0 warmup sample '%s'", config.name, sample.name)
            continue
        inputs = _inputs(config, sample, model_dir)
        count = sample.batch_size if config.max_batch_size else 1
        for instance in instances:
            for _ in range(max(sample.count, 1)):
                error = _run(config, instance, inputs, count)
                if error is not None:
                    raise InternalError(
                        f"failed to run warmup sample '{sample.name}' of model '{config.name}':"
                        f" {error.__cause__ or error}"
                    ) from error


def _run_zeros(config: ModelConfig, instances: Sequence[ModelInstance | RequestInstance]) -> None:
    specs = [i.spec for i in config.input if not i.optional]
    if any(-1 in spec.dims or spec.datatype == "BYTES" for spec in specs):
        return
    inputs = {spec.name: _zeros(spec) for spec in specs} | _first_of_sequence(config)
    for instance in instances:
        if as_request_instance(instance) is not None:
            continue
        error = _run(config, instance, inputs, 1)
        if error is not None:  # not asked for by the configuration: what zeros do is no verdict
            _LOG.info("model '%s': a warm-up with zeros failed: %s", config.name, error)
            return


class _Sink:
    """Waits for a batch's outcomes and keeps the errors."""

    def __init__(self, count: int) -> None:
        self.errors: list[TritonError] = []
        self._open = count
        self._changed = threading.Condition()

    def done(self, outcome: dict[str, Array] | TritonError, timing: Timing) -> None:
        with self._changed:
            self._open -= 1
            if isinstance(outcome, TritonError):
                self.errors.append(outcome)
            self._changed.notify_all()

    def respond(
        self, outputs: dict[str, Array], parameters: Mapping[str, Parameter], timing: Timing
    ) -> None:
        """A decoupled model's responses may be any number; they are for nobody."""

    def wait(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._open)


def _run(
    config: ModelConfig,
    instance: ModelInstance | RequestInstance,
    inputs: dict[str, Array],
    count: int,
) -> TritonError | None:
    calls = NoCalls(f"model '{config.name}' cannot call other models while it warms up")
    executor = Executor(
        instance, config, StatisticsCollector(), _no_time, make_calls=lambda caller: calls
    )
    sink = _Sink(count)
    executor.run(
        [Item(inputs, sink.done, element=True, respond=sink.respond) for _ in range(count)]
    )
    sink.wait()
    return sink.errors[0] if sink.errors else None


def _no_time() -> int:
    return 0


def _inputs(config: ModelConfig, sample: WarmupSample, model_dir: Path | None) -> dict[str, Array]:
    """One request's inputs without the batch dim, with all that its model is given beside them."""
    place = f"model_warmup '{sample.name}'"
    if config.max_batch_size and sample.batch_size > config.max_batch_size:
        raise ConfigError(
            f"{place}: batch_size must be <= {config.max_batch_size} for '{config.name}', got"
            f" {sample.batch_size}"
        )
    requested = {i.spec.name for i in config.input}
    hidden = _first_of_sequence(config)
    computed = {name for made in config.batch_input for name in made.target_name}
    given: dict[str, Array] = {}
    for name, spec in sample.inputs.items():
        if name not in requested | hidden.keys() | computed:
            known = ", ".join([i.spec.name for i in config.input] + sorted(hidden))
            raise ConfigError(f"{place} has input '{name}'; the model's inputs are {known}")
        if -1 in spec.dims:
            raise ConfigError(f"{place}, input '{name}': dims must be given, got {spec.dims}")
        if name not in computed:  # these are made for every batch, of whatever it holds
            given[name] = _tensor(f"{place}, input '{name}'", sample, name, spec, model_dir)
    own = {name: value for name, value in given.items() if name in requested}
    rows = {name: value[None] for name, value in own.items()} if config.max_batch_size else own
    try:
        check_inputs(InferenceRequest(config.name, rows), config)
    except TritonError as error:
        raise ConfigError(f"{place}: {error}") from error
    return own | hidden | {name: value for name, value in given.items() if name in hidden}


def _first_of_sequence(config: ModelConfig) -> dict[str, Array]:
    sequences = config.sequence_batching
    if sequences is None:
        return {}
    inputs = {s.input_name: _zeros(s.spec) for s in sequences.state}
    for control in sequences.control_input:
        if control.kind is ControlKind.CORRID:
            text = control.spec.datatype == "BYTES"
            value: Any = b"1" if text else 1
        else:
            value = control.false_true[control.kind is not ControlKind.END]
        inputs[control.spec.name] = np.full((1,), value, control.spec.dtype)
    return inputs


def _zeros(spec: TensorSpec) -> Array:
    shape = tuple(1 if dim == -1 else dim for dim in spec.dims)
    return np.full(shape, b"" if spec.datatype == "BYTES" else 0, spec.dtype)


def _tensor(
    place: str, sample: WarmupSample, name: str, spec: TensorSpec, model_dir: Path | None
) -> Array:
    if name in sample.files:
        return _from_file(place, sample.files[name], spec, model_dir)
    if name not in sample.random or spec.datatype == "BYTES":
        return _zeros(spec)
    generator = np.random.default_rng(0)
    if spec.dtype.kind == "f":
        return generator.random(spec.dims).astype(spec.dtype)
    return generator.integers(0, 2 if spec.dtype.kind == "b" else 100, spec.dims).astype(spec.dtype)


def _from_file(place: str, file: str, spec: TensorSpec, model_dir: Path | None) -> Array:
    place = f"{place}, input_data_file '{file}'"
    if model_dir is None:
        raise ConfigError(f"{place}: there is no model directory to read it from")
    # a longer file is fine with Triton, too
    return read_tensor(place, model_dir / DIRECTORY, file, spec, longer=True)
