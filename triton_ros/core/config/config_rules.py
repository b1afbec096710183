# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the parts of one model's configuration mean for each other: Triton's rules, in its words.

Triton's sentence comes first, then, behind a semicolon, what was found and what is accepted.
A rule that needs `max_batch_size` waits until it is known (stated, or completed from the file).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from triton_ros.core.config.config_lines import PlacedError
from triton_ros.core.config.scheduling_config import (
    BatchInput,
    BatchOutput,
    OldestStrategy,
    SequenceBatching,
    SequenceState,
)
from triton_ros.core.errors import ConfigError

if TYPE_CHECKING:
    from triton_ros.core.config.model_config import InputConfig, ModelConfig, OutputConfig


def check_config(config: ModelConfig) -> None:
    """Raises `ConfigError` where the parts contradict each other."""
    if not config.name:
        raise ConfigError("model configuration must specify 'name'")
    if config.max_batch_size < 0:
        raise PlacedError(
            f"'max_batch_size' must be non-negative value for {config.name};"
            f" got {config.max_batch_size}",
            "max_batch_size",
        )
    _check_tensors(config, "input", config.input)
    _check_tensors(config, "output", config.output)
    _check_ragged(config)
    _check_batch_io(config)
    _check_choice(config)
    _check_preferred(config)
    _check_cache(config)
    if config.is_ensemble:
        _check_ensemble(config)
    if config.sequence_batching:
        _check_sequences(config, config.sequence_batching)
    _check_resources(config)


def _limit_known(config: ModelConfig) -> bool:
    return config.max_batch_size > 0 or "max_batch_size" in config.stated


def _refused(config: ModelConfig, sentence: str, more: str, *place: str | int) -> PlacedError:
    return PlacedError(f"{sentence} for {config.name}; {more}", *place)


def _check_unique(model: str, names: Iterable[str], what: str, *place: str) -> None:
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            raise PlacedError(f"{what} '{name}' is given twice for {model}", *place, index)
        seen.add(name)


# --- tensors ------------------------------------------------------------------------------------


def _check_tensors(
    config: ModelConfig, side: str, tensors: Sequence[InputConfig | OutputConfig]
) -> None:
    _check_unique(config.name, [t.spec.name for t in tensors], side, side)
    for index, tensor in enumerate(tensors):
        if tensor.reshape == () and not config.max_batch_size and _limit_known(config):
            raise _refused(
                config,
                f"model {side} '{tensor.spec.name}' cannot have empty reshape for non-batching"
                " model as scalar tensors are not supported",
                "max_batch_size is 0",
                *(side, index, "reshape"),
            )


def _check_ragged(config: ModelConfig) -> None:
    for index, tensor in enumerate(config.input):
        if not tensor.allow_ragged_batch:
            continue
        name, place = tensor.spec.name, ("input", index, "allow_ragged_batch")
        if tensor.optional:
            raise _refused(
                config, f"ragged input '{name}' cannot be optional", "drop one of both", *place
            )
        if tensor.spec.datatype == "BYTES" or tensor.reshape is not None:
            raise _refused(
                config,
                f"ragged input '{name}' is given to the model as one flat tensor",
                "a reshape or data_type TYPE_STRING is not accepted with it",
                *place,
            )
        if not config.max_batch_size and _limit_known(config):
            raise _refused(
                config,
                f"input '{name}' with allow_ragged_batch needs batches",
                "max_batch_size must be 1 or more, it is 0",
                *place,
            )


def _check_batch_io(config: ModelConfig) -> None:
    inputs = [i.spec.name for i in config.input]
    outputs = [o.spec.name for o in config.output]
    _check_batch_entries(config, "batch_input", config.batch_input, inputs)
    _check_batch_entries(config, "batch_output", config.batch_output, inputs)
    for index, entry in enumerate(config.batch_input):
        for name in set(entry.target_name).intersection(inputs):
            raise _refused(
                config,
                f"batch_input target '{name}' is an input, too",
                "requests cannot give what the server computes",
                *("batch_input", index, "target_name"),
            )
    for index, out in enumerate(config.batch_output):
        for name in set(out.target_name).difference(outputs):
            raise _refused(
                config,
                f"unknown target output name '{name}'",
                f"accepted: {', '.join(outputs) or 'none is stated'}",
                *("batch_output", index, "target_name"),
            )


def _check_batch_entries(
    config: ModelConfig,
    field: str,
    entries: Sequence[BatchInput | BatchOutput],
    inputs: Sequence[str],
) -> None:
    """What both have: known sources, and each target once."""
    targets = [name for entry in entries for name in entry.target_name]
    for index, entry in enumerate(entries):
        for name in set(entry.source_input).difference(inputs):
            raise _refused(
                config,
                f"unknown source input name '{name}'",
                f"{field} accepts {', '.join(inputs) or 'no stated input'}",
                *(field, index, "source_input"),
            )
        for name in entry.target_name:
            if targets.count(name) > 1:
                raise _refused(
                    config,
                    f"target {field[6:]} name '{name}' can only be specified once",
                    f"the {field} entries have {', '.join(targets)}",
                    *(field, index, "target_name"),
                )


# --- scheduling ---------------------------------------------------------------------------------


def _check_choice(config: ModelConfig) -> None:
    if config.ensemble and not config.is_ensemble:
        raise PlacedError(
            f"ensemble scheduling cannot be set for model '{config.name}' whose platform is not"
            f" ensemble; got platform '{config.platform}'",
            "platform",
        )
    if config.is_ensemble and not config.ensemble:
        raise PlacedError(
            f"ensemble scheduling must be set for ensemble {config.name} whose platform is"
            " ensemble; must specify 'step', at least one",
            "ensemble_scheduling" if "ensemble_scheduling" in config.stated else "platform",
        )
    if config.dynamic_batching and (config.sequence_batching or config.ensemble):
        raise ConfigError(
            f"model '{config.name}' has more than one scheduling choice; accepted is one of"
            " dynamic_batching, sequence_batching and ensemble_scheduling"
        )


def _check_preferred(config: ModelConfig) -> None:
    if not _limit_known(config):
        return
    limit = config.max_batch_size
    sizes = config.dynamic_batching.preferred_batch_size if config.dynamic_batching else ()
    for size in sizes:
        if size > limit:
            raise _refused(
                config,
                "dynamic batching preferred size must be <= max batch size",
                f"max_batch_size is {limit}, got preferred_batch_size {size}",
                *("dynamic_batching", "preferred_batch_size"),
            )
    strategy = config.sequence_batching.strategy if config.sequence_batching else None
    for size in strategy.preferred_batch_size if isinstance(strategy, OldestStrategy) else ():
        if size > limit:
            raise _refused(
                config,
                "sequence batching preferred batch size must be <= max batch size",
                f"max_batch_size is {limit}, got preferred_batch_size {size}",
                *("sequence_batching", "oldest", "preferred_batch_size"),
            )


def _check_cache(config: ModelConfig) -> None:
    if not config.response_cache:
        return
    why = None
    if config.sequence_batching:
        why = "sequence batching scheduler"
    elif config.decoupled:
        why = "'decoupled' transaction policy"
    if why:
        raise PlacedError(
            f"Response Cache does not currently support model {config.name} with {why}. Please"
            " disable the response cache.",
            "response_cache",
        )


def _check_ensemble(config: ModelConfig) -> None:
    if config.instance_group:
        raise PlacedError(
            f"instance group should not be specified for ensemble '{config.name}'",
            "instance_group",
        )
    if config.model_warmup:
        raise PlacedError(
            f"model_warmup can not be specified for ensemble '{config.name}'", "model_warmup"
        )
    if config.backend:
        raise PlacedError(
            f"Ensemble model '{config.name}' must have platform type 'ensemble' and empty backend"
            f" type; got backend '{config.backend}'",
            "backend",
        )


def _check_resources(config: ModelConfig) -> None:
    known: dict[str, bool] = {}
    for index, group in enumerate(config.instance_group):
        for resource in group.rate_limiter.resources:
            if known.setdefault(resource.name, resource.is_global) != resource.is_global:
                raise PlacedError(
                    f'Resource "{resource.name}" is present as both global and device-specific'
                    f" resource in the model configuration of '{config.name}'.",
                    *("instance_group", index, "rate_limiter"),
                )


# --- sequences ----------------------------------------------------------------------------------


def _check_sequences(config: ModelConfig, batching: SequenceBatching) -> None:
    place = ("sequence_batching", "control_input")
    kinds = [control.kind.value for control in batching.control_input]
    names = [control.spec.name for control in batching.control_input]
    for kind, name in zip(kinds, names, strict=True):
        if kinds.count(kind) > 1:
            raise _refused(
                config, f"sequence batching specifies multiple {kind} tensors",
                "accepted is one", *place, name,
            )  # fmt: skip
        if names.count(name) > 1:
            raise _refused(
                config,
                f"sequence batching control tensor '{name}' is specified for multiple control"
                " kinds",
                "each kind needs a tensor of its own",
                *(*place, name),
            )
    place, states = ("sequence_batching", "state"), batching.state
    _check_unique(config.name, [s.input_name for s in states], "state input", *place)
    _check_unique(config.name, [s.output_name for s in states], "state output", *place)
    controls = frozenset(names)
    for index, state in enumerate(batching.state):
        if state.input_name in controls:
            raise PlacedError(
                f"state input '{state.input_name}' is a control tensor, too",
                *("sequence_batching", "state", index, "input_name"),
            )
        _check_initial(state, index)
    for index, tensor in enumerate(config.input):
        if tensor.spec.name in batching.hidden_inputs:
            raise _refused(
                config,
                f"input '{tensor.spec.name}' is a control or a state of sequence_batching, too",
                "requests cannot give what the server computes",
                *("input", index, "name"),
            )


def _check_initial(state: SequenceState, index: int) -> None:
    if state.initial_state is None:
        return
    name, given = state.input_name, state.initial_state.spec
    wrong = ""
    if given.datatype != state.spec.datatype:
        wrong = (
            f"The data type used for 'initial_state' field of state '{name}' does not match the"
            f" state data type; {given.datatype} != {state.spec.datatype}"
        )
    elif len(given.dims) != len(state.spec.dims):
        wrong = (
            "Number of dimensions in 'initial_state' doesn't match the size of 'state' dimensions"
            f" for state input '{name}'. {len(given.dims)} != {len(state.spec.dims)}"
        )
    elif -1 in given.dims:
        wrong = f"'initial_state' field for state input name '{name}' contains variable dimensions."
    else:
        for have, want in zip(given.dims, state.spec.dims, strict=True):
            if want not in (-1, have):
                wrong = (
                    f"'initial_state' dim for input name '{name}' doesn't match 'state' dim"
                    f" description. {have} != {want}"
                )
    if wrong:
        raise PlacedError(wrong, "sequence_batching", "state", index, "initial_state")
