# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Warm-up: every instance, every sample, and whose failure fails the load."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from triton_ros.core.config_pbtxt import parse_config
from triton_ros.core.errors import ConfigError, InternalError
from triton_ros.core.model_config import ModelConfig
from triton_ros.core.warmup import warm_up

INPUT = "input { name: 'x' data_type: TYPE_FP32 dims: 4 } "


class Recorder:
    """An instance that keeps its inputs; it may refuse them."""

    def __init__(self, error: Exception | None = None) -> None:
        self.seen: list[dict[str, Any]] = []
        self._error = error

    def execute(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        self.seen.append(dict(inputs))
        if self._error:
            raise self._error
        return {}

    def finalize(self) -> None: ...


def config(text: str) -> ModelConfig:
    return parse_config(text, "m")


def sample(value: str, more: str = "batch_size: 2", name: str = "x") -> str:
    inputs = f"inputs {{ key: '{name}' value {{ {value} }} }}"
    return f"model_warmup {{ name: 'w' {more} {inputs} }} "


FP32 = "data_type: TYPE_FP32 dims: 4 "


@pytest.mark.parametrize(("max_batch_size", "shape"), [(8, (1, 4)), (0, (4,))])
def test_without_samples_zeros_run_once_on_every_instance(
    max_batch_size: int, shape: tuple[int, ...]
) -> None:
    instances = [Recorder(), Recorder()]
    warm_up(config(INPUT + f"max_batch_size: {max_batch_size}"), instances)
    for instance in instances:
        (inputs,) = instance.seen
        assert inputs["x"].dtype == np.float32
        np.testing.assert_array_equal(inputs["x"], np.zeros(shape))


@pytest.mark.parametrize(
    "spec", ["data_type: TYPE_FP32 dims: -1", "data_type: TYPE_STRING dims: 1"]
)
def test_unknown_dims_and_text_are_not_guessed(spec: str) -> None:
    instance = Recorder()
    warm_up(config(f"input {{ name: 'x' {spec} }}"), [instance])
    assert not instance.seen


def test_a_model_that_does_not_like_zeros_is_still_served() -> None:
    warm_up(config(INPUT), [Recorder(RuntimeError("no zeros please"))])


def test_samples_run_count_times_on_every_instance() -> None:
    text = INPUT + "max_batch_size: 8 " + sample(FP32 + "zero_data: true", "batch_size: 3 count: 2")
    instances = [Recorder(), Recorder()]
    warm_up(config(text), instances)
    for instance in instances:
        assert [inputs["x"].shape for inputs in instance.seen] == [(3, 4)] * 2
        assert not instance.seen[0]["x"].any()


@pytest.mark.parametrize(
    "kind", ["FP32", "FP16", "FP64", "INT8", "UINT8", "INT64", "UINT64", "BOOL", "STRING"]
)
def test_random_data_of_every_kind(kind: str) -> None:
    instance = Recorder()
    text = sample(f"data_type: TYPE_{kind} dims: 64 random_data: true")
    warm_up(config(f"input {{ name: 'x' data_type: TYPE_{kind} dims: 64 }} " + text), [instance])
    (inputs,) = instance.seen
    assert inputs["x"].shape == (64,)
    if kind != "STRING":
        assert len(set(inputs["x"].tolist())) > 1


def test_a_failing_sample_fails_the_load_by_name() -> None:
    text = INPUT + sample(FP32 + "zero_data: true")
    with pytest.raises(InternalError, match="failed to run warmup sample 'w' of model 'm': boom"):
        warm_up(config(text), [Recorder(RuntimeError("boom"))])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (sample(FP32 + "zero_data: true", name="z"), "'w' has input 'z'; the model's inputs are x"),
        (sample("data_type: TYPE_FP32 dims: -1 zero_data: true"), "input 'x': dims must be given"),
    ],
)
def test_samples_that_cannot_be(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        warm_up(config(INPUT + text), [Recorder()])
    assert message in str(caught.value)
