# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether an ensemble's graph can run, checked once at its load."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from triton_ros.core.errors import ConfigError
from triton_ros.core.model import Interface, Model
from triton_ros.core.model_config import ModelConfig
from triton_ros.core.scheduling_config import EnsembleStep


def check_circle(
    config: ModelConfig, read: Callable[[str], ModelConfig | None], above: tuple[str, ...] = ()
) -> None:
    """Whether an ensemble contains itself, at any depth; raises `ConfigError`.

    It is checked on the configurations before any step is loaded: loads that start at both ends
    of a circle would wait for each other.  `read` gives None for what cannot be read.
    """
    path = (*above, config.name)
    for name in dict.fromkeys(step.model_name for step in config.ensemble):
        if name in path:
            raise ConfigError(
                f"ensemble '{name}' has itself as a step, in a circle: {' -> '.join((*path, name))}"
            )
        below = read(name)
        if below is not None:
            check_circle(below, read, path)


def check_plan(config: ModelConfig, models: Mapping[str, Model]) -> None:
    """Whether every step can run; raises `ConfigError` that names step, tensor and choices."""
    known = {i.spec.name for i in config.input}
    for step in config.ensemble:
        _check_step(config.name, step, models[step.model_name])
        for tensor in step.output_map.values():
            if tensor in known:
                raise ConfigError(f"ensemble '{config.name}': tensor '{tensor}' has two producers")
            known.add(tensor)
    for step in config.ensemble:
        for tensor in step.input_map.values():
            if tensor not in known:
                raise ConfigError(
                    f"ensemble '{config.name}', step '{step.model_name}': nothing produces tensor"
                    f" '{tensor}'; there are {', '.join(sorted(known))}"
                )
    for output in config.output:
        if output.spec.name not in known:
            raise ConfigError(
                f"ensemble '{config.name}': no step produces output '{output.spec.name}';"
                f" there are {', '.join(sorted(known))}"
            )
    _check_order(config)


def _check_step(ensemble: str, step: EnsembleStep, model: Model) -> None:
    place = f"ensemble '{ensemble}', step '{step.model_name}'"
    interface = model.interface
    if not {spec.name for spec in interface.inputs} & set(step.input_map):
        interface = Interface.of(model.config)
    inputs = [spec.name for spec in interface.inputs]
    outputs = [spec.name for spec in interface.outputs]
    optional = {i.spec.name for i in model.config.input if i.optional}
    for name in step.input_map:
        if name not in inputs:
            raise ConfigError(f"{place}: '{name}' is not an input; it has {', '.join(inputs)}")
    for name in inputs:
        if name not in step.input_map and name not in optional:
            raise ConfigError(f"{place}: input '{name}' is not mapped to a tensor")
    for name in step.output_map:
        if name not in outputs:
            raise ConfigError(f"{place}: '{name}' is not an output; it has {', '.join(outputs)}")


def _check_order(config: ModelConfig) -> None:
    known = {i.spec.name for i in config.input}
    waiting = list(config.ensemble)
    while waiting:
        ready = [step for step in waiting if known.issuperset(step.input_map.values())]
        if not ready:
            names = ", ".join(step.model_name for step in waiting)
            raise ConfigError(f"ensemble '{config.name}': steps {names} wait for each other")
        for step in ready:
            known.update(step.output_map.values())
            waiting.remove(step)
