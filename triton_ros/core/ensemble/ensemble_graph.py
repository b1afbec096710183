# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether an ensemble's graph makes sense by itself: names only, no model is looked at.

The refusals are Triton's, with what would be accepted behind them.
"""

from __future__ import annotations

from collections.abc import Callable

from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.ensemble.ensemble_flow import awaited
from triton_ros.core.errors import ConfigError


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
            circle = (*path[path.index(name) :], name)
            raise ConfigError(
                f"circular dependency between ensembles: {name} -> ... -> {path[-1]} -> {name};"
                f" the whole circle is {' -> '.join(circle)}"
            )
        below = read(name)
        if below is not None:
            check_circle(below, read, path)


def check_graph(config: ModelConfig) -> None:
    """Whether every tensor is made once, used, and can be reached; raises `ConfigError`."""
    _check_maps(config)
    ready = _reached(config)
    taken = {name for step in config.ensemble for name in awaited(step)}
    made = {name for step in config.ensemble for name in step.output_map.values()}
    name = config.name
    for given in config.input:
        if given.spec.name not in taken | made:
            raise ConfigError(
                f"ensemble input '{given.spec.name}' for ensemble {name}' is not used;"
                f" the steps take {_list(taken)}"
            )
    for output in (o.spec.name for o in config.output):
        if output not in taken | made:
            raise ConfigError(
                f"ensemble output '{output}' for ensemble {name}' is not used;"
                f" the steps make {_list(made)}"
            )
        if output not in ready:
            why = _why(config, output, ready)
            raise ConfigError(f"output '{output}' for ensemble '{name}' is not written{why}")
    outputs = {o.spec.name for o in config.output}
    for tensor in (t for s in config.ensemble for t in (*s.output_map.values(), *awaited(s))):
        if tensor not in outputs and (tensor not in ready or tensor not in taken):
            why = "nothing takes it" if tensor in ready else _why(config, tensor, ready)[2:]
            raise ConfigError(f"ensemble tensor '{tensor}' is unused in ensemble '{name}': {why}")


def _check_maps(config: ModelConfig) -> None:
    given = {i.spec.name for i in config.input}
    made: set[str] = set()
    for index, step in enumerate(config.ensemble):
        for field in ("model_name", "input_map", "output_map"):
            if not getattr(step, field):
                raise ConfigError(
                    f"must specify '{field}' in step {index} of ensemble '{config.name}'"
                )
        for tensor in step.output_map.values():
            if tensor in made:
                raise ConfigError(
                    f"ensemble tensor '{tensor}' can appear in an output map only once for ensemble"
                    f" '{config.name}' step {index}"
                )
            if tensor in given:
                raise ConfigError(
                    f"ensemble tensor '{tensor}' is an input of ensemble '{config.name}' and cannot"
                    f" appear in an output map: step {index}"
                )
            made.add(tensor)
    reshaped = [i.spec.name for i in config.input if i.reshape is not None]
    reshaped += [o.spec.name for o in config.output if o.reshape is not None]
    if reshaped:
        raise ConfigError(
            f"'{reshaped[0]}' of ensemble '{config.name}' has a reshape; only the models of its"
            " steps may have one"
        )


def _reached(config: ModelConfig) -> set[str]:
    """The tensors that can be there once all inputs are given."""
    ready = {i.spec.name for i in config.input}
    waiting = list(config.ensemble)
    while due := [step for step in waiting if awaited(step) <= ready]:
        for step in due:
            ready.update(step.output_map.values())
            waiting.remove(step)
    return ready


def _why(config: ModelConfig, tensor: str, ready: set[str]) -> str:
    """Follow a tensor up to the one that nothing makes, or once around a circle."""
    makers = {name: step for step in config.ensemble for name in step.output_map.values()}
    last, seen = tensor, {tensor}
    while last in makers:
        above = sorted(awaited(makers[last]) - ready - seen)
        if not above:
            break
        last = above[0]
        seen.add(last)
    if last not in makers:
        source = f"nothing makes '{last}', there are {_list(ready)}"
    else:
        source = f"steps wait for each other over {_list(seen)}"
    if last == tensor:
        return f": {source}"
    return f": at least one of its depending tensors, '{last}', is not connected; {source}"


def _list(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"
