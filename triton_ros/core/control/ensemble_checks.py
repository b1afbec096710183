# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether ensembles and the models of their steps still fit together after an exchange.

Called under the lifecycle's lock, in the same section as the exchange itself: so neither an
ensemble nor one of its models can change in between.

A model that changed so that an ensemble no longer fits is refused, unless the ensemble changed on
disk, too: then its load is what comes next, and until then its requests fail.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.control.model_leases import ModelLeases
from triton_ros.core.ensemble.ensemble_plan import check_plan
from triton_ros.core.errors import NotFoundError, TritonError
from triton_ros.core.model import Model

_LOG = logging.getLogger(__name__)


def check_exchange(
    leases: ModelLeases,
    name: str,
    models: Mapping[int, Model],
    outdated: Callable[[str], bool],
) -> None:
    """Whether these versions may serve under a name.  Raises the `TritonError` of the ensemble that
    could not run then, with its name; `outdated` tells which ensembles are other ones on disk.
    """
    for model in models.values():
        if model.config.is_ensemble:
            _check(leases, model.config, name, models)
            break  # versions of an ensemble share its configuration
    for ensemble in leases.ensembles_with(name):
        if ensemble.name != name and _complete(leases, ensemble.config, name):
            try:
                _check(leases, ensemble.config, name, models)
            except TritonError as error:
                if not outdated(ensemble.name):
                    raise
                _LOG.warning(
                    "model '%s' is exchanged; load '%s' again: %s", name, ensemble.name, error
                )


def _check(
    leases: ModelLeases, config: ModelConfig, name: str, models: Mapping[int, Model]
) -> None:
    used: dict[str, Model] = {}
    try:
        for step in config.ensemble:
            if step.model_name != name:
                model = leases.serving(step.model_name, step.model_version)
            else:
                model = _version(name, models, step.model_version)
            used.setdefault(step.model_name, model)
    except TritonError as error:
        raise error.within(f"in ensemble '{config.name}'") from None
    check_plan(config, used)


def _version(name: str, models: Mapping[int, Model], version: int) -> Model:
    model = models.get(max(models) if version == -1 else version)
    if model is None:
        raise NotFoundError(
            f"step '{name}' uses version {version}, the versions to be served are"
            f" {', '.join(map(str, sorted(models)))}"
        )
    return model


def _complete(leases: ModelLeases, config: ModelConfig, name: str) -> bool:
    """Whether the other models of an ensemble serve: if not, it cannot run anyway."""
    return all(
        step.model_name == name or leases.ready(step.model_name, step.model_version)
        for step in config.ensemble
    )
