# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What only the TFLite backend does: names, the batch trial, quantised tensors, re-allocation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy_tflite
from toy_models import Toy, write_model

from triton_ros.backends.tflite import TfliteBackend, TfliteModel
from triton_ros.core.config.model_config import InstanceGroup, ModelConfig
from triton_ros.core.errors import ConfigError, InvalidArgumentError

X = np.arange(4, dtype=np.float32).reshape(1, 4)


def load(directory: Path, data: bytes, **fields: Any) -> TfliteModel:
    write_model(directory, Toy(data, filename="model.tflite"))
    return TfliteBackend().load(ModelConfig("toy", **fields), directory / "1")


def test_names_are_the_signatures_or_the_tensors(tmp_path: Path) -> None:
    named = load(tmp_path, toy_tflite.tflite_affine()).signature
    assert (named.inputs[0].name, named.outputs[0].name) == ("x", "y")
    plain = load(tmp_path, toy_tflite.tflite_affine(signature=False)).signature
    assert (plain.inputs[0].name, plain.outputs[0].name) == ("x_tensor", "y_tensor")


def test_a_fixed_batch_of_one_is_found_to_be_batchable(tmp_path: Path) -> None:
    model = load(tmp_path, toy_tflite.tflite_affine(dims=(1, 4)))
    assert model.signature.batchable
    assert model.signature.inputs[0].dims == (-1, 4)
    x = np.concatenate([X, -X, X + 1])
    y = model.instance(InstanceGroup(count=1), 0).execute({"x": x})["y"]
    np.testing.assert_array_equal(y, 2 * x + 1)


def test_a_baked_batch_is_found_out_and_refused(tmp_path: Path) -> None:
    model = load(tmp_path, toy_tflite.tflite_baked_batch())
    assert not model.signature.batchable
    assert model.signature.inputs[0].dims == (1, 4)
    instance = model.instance(InstanceGroup(), 0)
    with pytest.raises(InvalidArgumentError, match=r"\[1, 4\].*got \[2, 4\]"):
        instance.execute({"x": np.zeros((2, 4), np.float32)})
    assert instance.execute({"x": X})["y"].shape == (1, 2, 2)


def test_rows_that_mix_are_found_out(tmp_path: Path) -> None:
    """The first dim grows as it should, but each row is a sum over the batch."""
    model = load(tmp_path, toy_tflite.tflite_cumulative())
    assert model.signature.outputs[0].dims == (1, 4)
    assert not model.signature.batchable


def test_stated_max_batch_size_of_zero_spares_the_trial(tmp_path: Path) -> None:
    data = toy_tflite.tflite_affine(dims=(1, 4))
    stated = load(tmp_path, data, max_batch_size=0, stated=frozenset({"max_batch_size"}))
    assert not stated.signature.batchable
    assert stated.signature.inputs[0].dims == (1, 4)
    stated = load(tmp_path, data, max_batch_size=4, stated=frozenset({"max_batch_size"}))
    assert stated.signature.batchable


def test_quantised_numbers_pass_through(tmp_path: Path) -> None:
    model = load(tmp_path, toy_tflite.tflite_quantized())
    assert model.signature.inputs[0].datatype == "INT8"
    x = np.int8([[-128, 0, 3, 127]])
    y = model.instance(InstanceGroup(), 0).execute({"x": x})["y"]
    assert y.dtype == np.int8
    np.testing.assert_array_equal(y, x)


def test_buffers_are_allocated_again_only_for_another_shape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = load(tmp_path, toy_tflite.tflite_affine()).instance(InstanceGroup(), 0)
    instance.execute({"x": np.zeros((1, 4), np.float32)})  # the trial's batch may have been another
    calls = []
    interpreter = instance._interpreter
    original = interpreter.allocate_tensors
    monkeypatch.setattr(interpreter, "allocate_tensors", lambda: (calls.append(1), original()))
    for batch in (1, 1, 3, 3, 3, 1):
        instance.execute({"x": np.zeros((batch, 4), np.float32)})
    assert len(calls) == 2


def test_num_threads_reaches_the_interpreter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = TfliteBackend()
    seen = []
    original = backend._litert.Interpreter

    def recording(**kwargs: Any) -> Any:
        seen.append(kwargs["num_threads"])
        return original(**kwargs)

    monkeypatch.setattr(backend._litert, "Interpreter", recording)
    write_model(tmp_path, Toy(toy_tflite.tflite_affine(), filename="model.tflite"))
    backend.load(ModelConfig("toy"), tmp_path / "1")
    backend.load(ModelConfig("toy", parameters={"num_threads": "2"}), tmp_path / "1")
    assert seen == [1, 2]
    with pytest.raises(ConfigError, match=r"num_threads.*1 or more, got 0"):
        backend.load(ModelConfig("toy", parameters={"num_threads": "0"}), tmp_path / "1")


def test_an_unknown_operator_is_named(tmp_path: Path) -> None:
    data = toy_tflite.tflite_custom("TFLite_Of_The_Future")
    with pytest.raises(InvalidArgumentError, match=r"model\.tflite.*TFLite_Of_The_Future"):
        load(tmp_path, data)
