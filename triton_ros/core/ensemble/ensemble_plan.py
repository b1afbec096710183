# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether an ensemble's graph can run over the models that its steps have now.

Checked at its load, and again whenever a model of its steps is exchanged.  The refusals are
Triton's, with what would be accepted behind them.  As in Triton, every tensor takes its datatype
and dims from the first that names it, the ensemble itself before its steps, and all others must
agree: either without the batch dims, or with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.config.scheduling_config import EnsembleStep
from triton_ros.core.ensemble.ensemble_flow import awaited, processed
from triton_ros.core.ensemble.ensemble_graph import check_circle, check_graph
from triton_ros.core.errors import ConfigError
from triton_ros.core.model import Interface, Model
from triton_ros.core.tensor import TensorSpec

__all__ = ["check_circle", "check_graph", "check_plan", "is_decoupled"]


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of a tensor, and from whom; `full` has the batch dim."""

    model: str
    datatype: str
    dims: tuple[int, ...]
    full: tuple[int, ...]


def check_plan(config: ModelConfig, models: Mapping[str, Model]) -> None:
    """Whether every step can run with these models, given by name; raises `ConfigError`."""
    check_graph(config)
    missing = sorted({s.model_name for s in config.ensemble} - models.keys())
    if missing:
        raise ConfigError(
            f"ensemble {config.name} contains models that are not available or ambiguous:"
            f" {', '.join(missing)}"
        )
    batched = config.max_batch_size > 0
    tensors: dict[str, _Known] = {}
    for spec in (*(i.spec for i in config.input), *(o.spec for o in config.output)):
        tensors.setdefault(spec.name, _known(config.name, spec, batched))
    for step in config.ensemble:
        model = models[step.model_name]
        _check_kind(config, step, model)
        _check_names(config.name, step, model)
        _check_tensors(config.name, step, model, tensors)
    is_decoupled(config, models)


def is_decoupled(config: ModelConfig, models: Mapping[str, Model]) -> bool:
    """Whether the ensemble is decoupled: Triton makes it so if the model of any step is.

    Raises `ConfigError` if a step, or the answer, joins what came out of different decoupled
    models: their responses cannot be matched.
    """
    origin = {i.spec.name: -1 for i in config.input}
    waiting = list(enumerate(config.ensemble))
    while due := [(i, step) for i, step in waiting if awaited(step) <= origin.keys()]:
        for index, step in due:
            own = _origin(config.name, step.model_name, origin, awaited(step))
            if models[step.model_name].config.decoupled:
                own = index
            origin.update(dict.fromkeys(step.output_map.values(), own))
            waiting.remove((index, step))
    outputs = [o.spec.name for o in config.output if o.spec.name in origin]
    _origin(config.name, config.name, origin, outputs)
    return any(own >= 0 for own in origin.values())


def _origin(ensemble: str, model: str, origin: Mapping[str, int], tensors: Iterable[str]) -> int:
    origins = {origin[tensor] for tensor in tensors}
    if len(origins) > 1:
        raise ConfigError(
            f"in ensemble {ensemble}, step of model '{model}' receives inputs originated from"
            " different decoupled models"
        )
    return origins.pop() if origins else -1


def _check_kind(config: ModelConfig, step: EnsembleStep, model: Model) -> None:
    limit = model.config.max_batch_size
    spread = step.fan_out or processed(step, model)
    if 0 < limit < config.max_batch_size and not spread:
        raise ConfigError(
            f"ensemble {config.name} allows maximum batch size {config.max_batch_size}, but it"
            f" contains model {step.model_name} which only allows maximum batch size to be {limit}"
        )
    if step.fan_out and (model.config.is_ensemble or model.config.decoupled):
        kind = "an ensemble" if model.config.is_ensemble else "decoupled"
        raise ConfigError(
            f"in ensemble {config.name}, model {step.model_name} is {kind} and cannot be fanned out"
        )


def _check_names(ensemble: str, step: EnsembleStep, model: Model) -> None:
    interface = _interface(step, model)
    inputs = [spec.name for spec in interface.inputs]
    outputs = [spec.name for spec in interface.outputs]
    optional = {i.spec.name for i in model.config.input if i.optional}
    for name, tensor in step.input_map.items():
        if name not in inputs:
            raise ConfigError(
                f"in ensemble {ensemble}, ensemble tensor {tensor} is mapping to non-existing input"
                f" {name} in model {step.model_name}; it has {', '.join(inputs)}"
            )
    for name in inputs:
        if name not in step.input_map and name not in optional:
            raise ConfigError(
                f"in ensemble {ensemble}, input {name} in model {step.model_name} is not mapped to"
                " any ensemble tensors"
            )
    for name, tensor in step.output_map.items():
        if name not in outputs:
            raise ConfigError(
                f"in ensemble {ensemble}, ensemble tensor {tensor} is mapped from non-existing"
                f" output {name} in model {step.model_name}; it has {', '.join(outputs)}"
            )


def _check_tensors(
    ensemble: str, step: EnsembleStep, model: Model, tensors: dict[str, _Known]
) -> None:
    batched = model.config.max_batch_size > 0 and not processed(step, model)
    interface = _interface(step, model)
    for specs, names in (
        (interface.inputs, step.input_map),
        (interface.outputs, step.output_map),
    ):
        for spec in specs:
            if spec.name not in names:
                continue
            if step.fan_out and not processed(step, model):  # its first dim counts elements
                dims = (-1, *spec.dims)
                here = _Known(step.model_name, spec.datatype, dims, dims)
            else:
                here = _known(step.model_name, spec, batched)
            tensor = names[spec.name]
            _check_agree(ensemble, tensor, tensors.setdefault(tensor, here), here)


def _check_agree(ensemble: str, tensor: str, a: _Known, b: _Known) -> None:
    place = f"in ensemble {ensemble}, ensemble tensor {tensor}: inconsistent"
    if a.datatype != b.datatype:
        raise ConfigError(
            f"{place} data type: {_type(a)} is inferred from model {a.model} while {_type(b)} is"
            f" inferred from model {b.model}"
        )
    if not _fit(a.dims, b.dims) and not _fit(a.full, b.full):
        raise ConfigError(
            f"{place} shape: {_shape(a)} is inferred from model {a.model} while {_shape(b)} is"
            f" inferred from model {b.model}"
        )


def _interface(step: EnsembleStep, model: Model) -> Interface:
    return model.interface if processed(step, model) else Interface.of(model.config)


def _known(model: str, spec: TensorSpec, batched: bool) -> _Known:
    return _Known(model, spec.datatype, spec.dims, (-1, *spec.dims) if batched else spec.dims)


def _fit(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    return len(a) == len(b) and all(x == y or -1 in (x, y) for x, y in zip(a, b, strict=True))


def _type(known: _Known) -> str:
    return "TYPE_STRING" if known.datatype == "BYTES" else f"TYPE_{known.datatype}"


def _shape(known: _Known) -> str:
    return f"[{','.join(map(str, known.full))}]"
