# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Running every instance before a version is READY, so that no frame pays for the first run.

`model_warmup` samples run as Triton runs them, and a failure fails the load.  Without samples,
models whose input dims are all known run once on zeros; that is our own extra, so a model that
does not like zeros is still served.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from triton_ros.core.backend import ModelInstance, RequestInstance
from triton_ros.core.errors import ConfigError, InternalError
from triton_ros.core.model_config import ModelConfig, WarmupSample
from triton_ros.core.tensor import Array, TensorSpec


def warm_up(config: ModelConfig, instances: Sequence[ModelInstance | RequestInstance]) -> None:
    """Run the samples on every instance; raises what the model raises, with the sample's name."""
    if config.model_warmup:
        for sample in config.model_warmup:
            inputs = _inputs(config, sample)
            for instance in instances:
                _run(config, instance, sample, inputs)
        return
    specs = [i.spec for i in config.input if not i.optional]
    if any(-1 in spec.dims or spec.datatype == "BYTES" for spec in specs):
        return
    batch = 1 if config.max_batch_size else 0
    zeros = {spec.name: _tensor(spec, batch, random=False) for spec in specs}
    for instance in instances:
        try:
            instance.execute(zeros)  # type: ignore[union-attr]
        except Exception:  # not asked for by the configuration: what zeros do is no verdict
            return


def _run(
    config: ModelConfig, instance: Any, sample: WarmupSample, inputs: dict[str, Array]
) -> None:
    for _ in range(sample.count):
        try:
            instance.execute(inputs)
        except Exception as error:
            raise InternalError(
                f"failed to run warmup sample '{sample.name}' of model '{config.name}': {error}"
            ) from error


def _inputs(config: ModelConfig, sample: WarmupSample) -> dict[str, Array]:
    known = {i.spec.name: i.spec for i in config.input}
    for name, spec in sample.inputs.items():
        if name not in known:
            raise ConfigError(
                f"model_warmup '{sample.name}' has input '{name}'; the model's inputs are"
                f" {', '.join(known)}"
            )
        if -1 in spec.dims:
            raise ConfigError(f"model_warmup '{sample.name}', input '{name}': dims must be given")
    batch = max(sample.batch_size, 1) if config.max_batch_size else 0
    return {
        name: _tensor(spec, batch, name in sample.random) for name, spec in sample.inputs.items()
    }


def _tensor(spec: TensorSpec, batch: int, random: bool) -> Array:
    shape = (batch, *spec.dims) if batch else spec.dims
    if spec.datatype == "BYTES":
        return np.full(shape, "", dtype=np.object_)
    if not random:
        return np.zeros(shape, spec.dtype)
    generator = np.random.default_rng(0)
    if spec.dtype.kind == "f":
        return generator.random(shape).astype(spec.dtype)
    return generator.integers(0, 2 if spec.dtype.kind == "b" else 100, shape).astype(spec.dtype)
