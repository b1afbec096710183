# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a configuration leaves out is filled in from the model file, and what it says is compared.

Triton's rules: the backend comes from the file's name (`config_backend`), inputs and outputs from
the file, a `max_batch_size` from a variable first dim everywhere.  Unlike Triton, batching of
requests (`dynamic_batching`) is not switched on by itself, unless asked for: on a CPU it slows most
vision models down.  A scalar of the file keeps its empty dims, which a configuration cannot state.

The file has more tensors than requests see: controls and states of sequences, and what is computed
from a ragged batch.  They need not be configured as inputs or outputs, but the file must have them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from triton_ros.core.backend import Signature
from triton_ros.core.config.config_backend import complete_backend
from triton_ros.core.config.config_lines import PlacedError
from triton_ros.core.config.model_config import (
    InputConfig,
    InstanceGroup,
    InstanceKind,
    ModelConfig,
    OutputConfig,
)
from triton_ros.core.config.scheduling_config import DynamicBatching
from triton_ros.core.tensor import TensorSpec

__all__ = ["DEFAULT_MAX_BATCH_SIZE", "complete", "complete_backend", "complete_groups"]

DEFAULT_MAX_BATCH_SIZE = 4
_CPU_COUNTS = {"onnxruntime": 2, "tensorflow": 2, "kserve": 4}
_NOT_CPU = (InstanceKind.KIND_GPU, InstanceKind.KIND_MODEL)


def complete(
    config: ModelConfig,
    signature: Signature,
    *,
    default_max_batch_size: int = DEFAULT_MAX_BATCH_SIZE,
    auto_complete: bool = True,
    add_dynamic_batching: bool = False,
) -> ModelConfig:
    """The configuration with `max_batch_size`, `input`, `output` and `instance_group` filled in.

    Without `auto_complete` only the instance groups are: the rest must be stated.  With
    `add_dynamic_batching`, a model whose completed `max_batch_size` is more than 1 gets a
    `dynamic_batching`, as Triton does it.  Raises `ConfigError` where the configuration and the
    file contradict each other.
    """
    if signature.completed is not None:
        config = _as_completed(config, signature.completed, auto_complete)
    max_batch_size, batching = config.max_batch_size, config.dynamic_batching
    if auto_complete and "max_batch_size" not in config.stated:
        fits = _batch_fits(config, signature)
        max_batch_size = (signature.max_batch_size or default_max_batch_size) if fits else 0
        free = not (batching or config.sequence_batching)
        if add_dynamic_batching and max_batch_size > 1 and free:
            batching = DynamicBatching()
    batched = max_batch_size > 0
    if batched and not signature.batchable:
        raise PlacedError(
            f"model '{config.name}' has max_batch_size {max_batch_size}, but the model file has no"
            " variable first dim for a batch; accepted: max_batch_size: 0",
            "max_batch_size",
        )
    file = _File.of(signature, batched)
    inputs, outputs = config.input, config.output
    if auto_complete:
        hidden, answered = _hidden_inputs(config), _state_outputs(config)
        inputs = inputs or tuple(InputConfig(s) for n, s in file.inputs.items() if n not in hidden)
        outputs = outputs or tuple(
            OutputConfig(s) for n, s in file.outputs.items() if n not in answered
        )
    completed = config.with_changes(
        max_batch_size=max_batch_size,
        input=inputs,
        output=outputs,
        dynamic_batching=batching,
        instance_group=complete_groups(config),
        stated=config.stated | {"max_batch_size"},
    )
    _compare(completed, file)
    return completed


def _as_completed(config: ModelConfig, said: ModelConfig, auto_complete: bool) -> ModelConfig:
    """With what the backend may complete, and the instances that it prefers where none is said."""
    config = config.with_changes(instance_group=config.instance_group or said.instance_group)
    return completed_by(config, said) if auto_complete else config


def completed_by(config: ModelConfig, said: ModelConfig) -> ModelConfig:
    """With what a model in code may fill in, taken from its own version of the configuration."""
    return config.with_changes(
        max_batch_size=said.max_batch_size,
        input=said.input,
        output=said.output,
        dynamic_batching=said.dynamic_batching,
        decoupled=said.decoupled,
        source=said.source,
        stated=config.stated | (said.stated & {"max_batch_size"}),
    )


def complete_groups(config: ModelConfig) -> tuple[InstanceGroup, ...]:
    """The instance groups with their names and counts; one group where there is none.

    The default count on a CPU is Triton's: 2 for ONNX Runtime and TensorFlow, else 1; and 4 for
    kserve, whose instances are callers that wait.
    """
    groups = config.instance_group or (InstanceGroup(config.name, count=0),)
    default = _CPU_COUNTS.get(config.backend, 1)
    return tuple(
        replace(
            group,
            name=group.name or f"{config.name}_{index}",
            count=group.count or (1 if group.kind in _NOT_CPU else default),
        )
        for index, group in enumerate(groups)
    )


@dataclass(frozen=True, slots=True)
class _File:
    """The file's tensors by name, dims without the batch dim."""

    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]
    batched: bool

    @staticmethod
    def of(signature: Signature, batched: bool) -> _File:
        skip = 1 if batched else 0
        inputs, outputs = (
            {s.name: replace(s, dims=s.dims[skip:]) for s in specs}
            for specs in (signature.inputs, signature.outputs)
        )
        return _File(inputs, outputs, batched)


def _hidden_inputs(config: ModelConfig) -> frozenset[str]:
    """Inputs of the file that no request gives."""
    computed = frozenset(name for entry in config.batch_input for name in entry.target_name)
    batching = config.sequence_batching
    return computed | batching.hidden_inputs if batching else computed


def _state_outputs(config: ModelConfig) -> frozenset[str]:
    states = config.sequence_batching.state if config.sequence_batching else ()
    return frozenset(state.output_name for state in states)


def _model_sides(config: ModelConfig) -> tuple[list[TensorSpec], list[TensorSpec]]:
    """What the configuration says that the file's inputs and outputs are, where it says dims."""
    scattered = {name for entry in config.batch_output for name in entry.target_name}
    inputs = [
        replace(i.spec, dims=i.spec.dims if i.reshape is None else i.reshape)
        for i in config.input
        if not i.allow_ragged_batch
    ]
    outputs = [
        replace(o.spec, dims=o.spec.dims if o.reshape is None else o.reshape)
        for o in config.output
        if o.spec.name not in scattered
    ]
    for state in config.sequence_batching.state if config.sequence_batching else ():
        inputs.append(replace(state.spec, name=state.input_name))
        if all(spec.name != state.output_name for spec in outputs):
            outputs.append(replace(state.spec, name=state.output_name))
    return inputs, outputs


def _batch_fits(config: ModelConfig, signature: Signature) -> bool:
    """Whether stated dims (if any) leave room for a batch dim before them."""
    if not signature.batchable:
        return False
    ranks = {spec.name: len(spec.dims) for spec in (*signature.inputs, *signature.outputs)}
    inputs, outputs = _model_sides(config)
    return all(len(spec.dims) + 1 == ranks.get(spec.name) for spec in inputs + outputs)


# --- comparing ----------------------------------------------------------------------------------


def _compare(config: ModelConfig, file: _File) -> None:
    """Refuse a configuration that the file contradicts, showing both."""
    inputs, outputs = _model_sides(config)
    known = {spec.name for spec in inputs} | _hidden_inputs(config)
    known |= {i.spec.name for i in config.input if i.allow_ragged_batch}
    missing = any(name not in known for name in file.inputs)
    stated = [i.spec for i in config.input], [o.spec for o in config.output]
    sides = ("input", inputs, stated[0], file.inputs), ("output", outputs, stated[1], file.outputs)
    for side, said, shown, found in sides:
        wrong = [
            spec.name
            for spec in said
            if spec.name not in found
            or spec.datatype != found[spec.name].datatype
            or not _compatible(spec.dims, found[spec.name].dims)
        ]
        if wrong or (side == "input" and missing):
            ours = {spec.name: spec for spec in shown}
            ours |= {s.name: s for s in said if s.name in ours or s.name in wrong}  # reshaped
            raise PlacedError(
                f"model '{config.name}', {side}: the configuration says"
                f" {_show(list(ours.values()))},"
                f" the file has {_show(list(found.values()))}",
                *((side, wrong[0], "name") if wrong else (side,)),
            )
    _compare_ragged(config, file)
    _compare_computed(config, file)


def _compare_ragged(config: ModelConfig, file: _File) -> None:
    for tensor in config.input:
        if not tensor.allow_ragged_batch:
            continue
        found = file.inputs.get(tensor.spec.name)
        if found is None or found.dims or found.datatype != tensor.spec.datatype:
            provides = "none"
            if found is not None:
                provides = f"{found.datatype} {[-1, *found.dims]}"
            raise PlacedError(
                f"unable to load model '{config.name}', configuration expects model provides input"
                f" with shape [-1] for ragged input '{tensor.spec.name}', model provides"
                f" {provides}; data_type is {tensor.spec.datatype}",
                *("input", tensor.spec.name),
            )


def _compare_computed(config: ModelConfig, file: _File) -> None:
    """Tensors that the server computes for the model must be there, with their datatype."""
    expected: list[tuple[str, str, tuple[str | int, ...]]] = [
        (name, entry.datatype, ("batch_input", index))
        for index, entry in enumerate(config.batch_input)
        for name in entry.target_name
    ]
    if config.sequence_batching:
        for control in config.sequence_batching.control_input:
            spec, place = control.spec, ("sequence_batching", "control_input", control.spec.name)
            expected.append((spec.name, spec.datatype, place))
    for name, datatype, where in expected:
        if name not in file.inputs or file.inputs[name].datatype != datatype:
            raise PlacedError(
                f"model '{config.name}': the configuration expects an input '{name}' {datatype},"
                f" the file has {_show(list(file.inputs.values()))}",
                *where,
            )


def _compatible(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    return len(a) == len(b) and all(x == y or -1 in (x, y) for x, y in zip(a, b, strict=True))


def _show(specs: Sequence[TensorSpec]) -> str:
    return ", ".join(f"'{s.name}' {s.datatype} {list(s.dims)}" for s in specs) or "none"
