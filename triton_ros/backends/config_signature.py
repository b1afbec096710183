# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a configuration says of a model file that says nothing of its tensors (TorchScript).

The dims of a `Signature` have the batch in front and are the model's own: after any reshape, with
what core adds to a request (controls and states of sequences, values computed from a batch).
"""

from __future__ import annotations

from dataclasses import replace

from triton_ros.core.backend import Signature
from triton_ros.core.config.model_config import InputConfig, ModelConfig, OutputConfig
from triton_ros.core.config.scheduling_config import BatchInputKind
from triton_ros.core.tensor import TensorSpec


def stated_signature(config: ModelConfig) -> Signature:
    """The signature of a model that is all that `config` says; empty where that says nothing.

    Batched exactly when `max_batch_size` is stated so: nothing else tells.
    """
    batch = (-1,) if config.max_batch_size > 0 else ()

    def with_batch(spec: TensorSpec) -> TensorSpec:
        return replace(spec, dims=(*batch, *spec.dims))

    inputs = [_input(tensor, batch) for tensor in config.input]
    outputs = [_output(config, tensor, batch) for tensor in config.output]
    inputs += _computed(config)
    if config.sequence_batching:
        inputs += [with_batch(c.spec) for c in config.sequence_batching.control_input]
        for state in config.sequence_batching.state:
            inputs.append(with_batch(replace(state.spec, name=state.input_name)))
            if all(spec.name != state.output_name for spec in outputs):
                outputs.append(with_batch(replace(state.spec, name=state.output_name)))
    return Signature(tuple(inputs), tuple(outputs), batchable=bool(batch))


def _input(tensor: InputConfig, batch: tuple[int, ...]) -> TensorSpec:
    if tensor.allow_ragged_batch:
        return replace(tensor.spec, dims=(-1,))
    own = tensor.spec.dims if tensor.reshape is None else tensor.reshape
    return replace(tensor.spec, dims=(*batch, *own))


def _output(config: ModelConfig, tensor: OutputConfig, batch: tuple[int, ...]) -> TensorSpec:
    if any(tensor.spec.name in entry.target_name for entry in config.batch_output):
        return replace(tensor.spec, dims=(-1,))
    own = tensor.spec.dims if tensor.reshape is None else tensor.reshape
    return replace(tensor.spec, dims=(*batch, *own))


def _computed(config: ModelConfig) -> list[TensorSpec]:
    return [
        TensorSpec(name, entry.datatype, (-1, -1) if _is_matrix(entry.kind) else (-1,))
        for entry in config.batch_input
        for name in entry.target_name
    ]


def _is_matrix(kind: BatchInputKind) -> bool:
    return kind is BatchInputKind.BATCH_ITEM_SHAPE
