# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a typed configuration refuses at construction."""

from __future__ import annotations

from typing import Any

import pytest

from triton_ros.core.config.model_config import (
    InputConfig,
    InstanceGroup,
    InstanceKind,
    ModelConfig,
    OutputConfig,
    VersionPolicy,
    VersionPolicyKind,
)
from triton_ros.core.config.scheduling_config import DynamicBatching, EnsembleStep, QueuePolicy
from triton_ros.core.errors import ConfigError
from triton_ros.core.tensor import TensorSpec

SPEC = TensorSpec("x", "FP32", (4,))
X = InputConfig(SPEC)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ModelConfig(""), "model configuration must specify 'name'"),
        (
            lambda: ModelConfig("m", max_batch_size=-1),
            "'max_batch_size' must be non-negative value for m; got -1",
        ),
        (lambda: ModelConfig("m", input=(X, X)), "input 'x' is given twice"),
        (lambda: ModelConfig("m", output=(OutputConfig(SPEC),) * 2), "output 'x' is given twice"),
        (lambda: ModelConfig("m", platform="ensemble"), "must specify 'step'"),
        (lambda: ModelConfig("m", ensemble=(EnsembleStep("a"),)), "platform is not ensemble"),
        (lambda: InstanceGroup(count=-1), "count must be 1 or more, got -1"),
        (lambda: InstanceGroup(kind=InstanceKind.KIND_CPU, gpus=(0,)), "KIND_CPU"),
        (lambda: DynamicBatching((0,)), "preferred size must be positive; preferred_batch_size: 0"),
        (lambda: QueuePolicy(max_queue_size=-1), "max_queue_size must be 0 or more, got -1"),
        (lambda: VersionPolicy(num_versions=0), "num_versions must be 1 or more, got 0"),
        (lambda: InputConfig(TensorSpec("", "FP32", (1,))), "model input must specify 'name'"),
        (lambda: InputConfig(TensorSpec("x", "FP33", (1,))), "'FP33' is not one of"),
        (
            lambda: OutputConfig(TensorSpec("y", "FP32", (0,))),
            "model output 'y' dimension must be integer >= 1",
        ),
        (lambda: InputConfig(TensorSpec("x", "FP32", (-2,))), "got dims [-2]"),
    ],
)
def test_refused_at_construction(make: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make()
    assert message in str(caught.value)


def test_a_preferred_size_over_the_limit_is_refused_once_the_limit_is_known() -> None:
    batching = DynamicBatching((8,))
    unknown = ModelConfig("m", dynamic_batching=batching)
    with pytest.raises(
        ConfigError, match=r"must be <= max batch size for m; max_batch_size is 4, got prefer"
    ):
        unknown.with_changes(max_batch_size=4)
    with pytest.raises(ConfigError, match="max_batch_size is 4"):
        ModelConfig(
            "m", max_batch_size=4, dynamic_batching=batching, stated=frozenset({"max_batch_size"})
        )
    assert unknown.with_changes(max_batch_size=8).max_batch_size == 8


def test_an_ensemble_has_no_batcher() -> None:
    with pytest.raises(ConfigError, match="model 'm' has more than one scheduling choice"):
        ModelConfig(
            "m",
            platform="ensemble",
            ensemble=(EnsembleStep("a"),),
            dynamic_batching=DynamicBatching(),
        )


@pytest.mark.parametrize(
    ("policy", "selected"),
    [
        (VersionPolicy(), (9,)),
        (VersionPolicy(num_versions=2), (3, 9)),
        (VersionPolicy(num_versions=7), (1, 3, 9)),
        (VersionPolicy(VersionPolicyKind.ALL), (1, 3, 9)),
        (VersionPolicy(VersionPolicyKind.SPECIFIC, versions=(3, 1)), (1, 3)),
        (VersionPolicy(VersionPolicyKind.SPECIFIC, versions=(3, 8)), (3,)),
        (VersionPolicy(VersionPolicyKind.SPECIFIC, versions=(8,)), ()),
    ],
)
def test_version_policies(policy: VersionPolicy, selected: tuple[int, ...]) -> None:
    assert policy.select((9, 1, 3)) == selected
    assert policy.select(()) == ()
