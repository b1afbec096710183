# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What only the OpenVINO backend does: streams, precision, other frameworks' files, batches."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy_models
import toy_openvino
import toy_tflite

from triton_ros.core.config.model_config import InstanceGroup, ModelConfig
from triton_ros.core.errors import ConfigError, InvalidArgumentError

pytest.importorskip("openvino", reason="openvino is not installed: make frameworks")

from triton_ros.backends.openvino import OpenVinoBackend, OpenVinoModel

X = np.arange(8, dtype=np.float32).reshape(2, 4)


def load(directory: Path, files: Mapping[str, bytes], **fields: Any) -> OpenVinoModel:
    for name, data in files.items():
        (directory / name).write_bytes(data)
    return OpenVinoBackend().load(ModelConfig("toy", **fields), directory)


def properties(model: OpenVinoModel) -> list[tuple[int, int, str]]:
    """Streams, threads and precision of each compiled model."""
    return [
        (
            int(c.model.get_property("NUM_STREAMS")),
            int(c.model.get_property("INFERENCE_NUM_THREADS")),
            str(c.model.get_property("INFERENCE_PRECISION_HINT").get_type_name()),
        )
        for c in model._compiled
    ]


def test_a_version_has_a_stream_and_a_thread_for_each_instance(tmp_path: Path) -> None:
    group = InstanceGroup(count=2)
    model = load(tmp_path, toy_openvino.openvino_affine(), instance_group=(group,))
    instances = [model.instance(group, 0) for _ in range(2)]
    assert properties(model) == [(2, 2, "f32")]
    assert not model._compiled[0].model.get_property("ENABLE_CPU_PINNING")
    instances.append(model.instance(group, 0))  # one more, while these serve
    assert properties(model) == [(2, 2, "f32"), (1, 1, "f32")]
    instances.pop(0).finalize()
    instances.append(model.instance(group, 0))
    assert len(model._compiled) == 2, "the stream that was given back is used again"
    for instance in instances:
        np.testing.assert_array_equal(instance.execute({"x": X})["y"], 2 * X + 1)


def test_parameters_reach_the_compiled_model(tmp_path: Path) -> None:
    parameters = {"INFERENCE_NUM_THREADS": "2", "INFERENCE_PRECISION_HINT": "bf16"}
    model = load(tmp_path, toy_openvino.openvino_affine(), parameters=parameters)
    assert properties(model) == [(1, 2, "bf16")]


@pytest.mark.parametrize(
    ("name", "value", "accepted"),
    [
        ("INFERENCE_PRECISION_HINT", "FP16", "f32, bf16, f16"),
        ("TARGET_DEVICE", "GPU.7", "CPU, AUTO"),
    ],
)
def test_bad_parameters_name_what_is_accepted(
    tmp_path: Path, name: str, value: str, accepted: str
) -> None:
    with pytest.raises(ConfigError, match=f"'{name}'.*{accepted}.*'{value}'"):
        load(tmp_path, toy_openvino.openvino_affine(), parameters={name: value})


@pytest.mark.parametrize(
    ("filename", "data", "names"),
    [
        ("model.onnx", toy_models.onnx_affine(), ("x", "y")),
        ("model.tflite", toy_tflite.tflite_affine(), ("x_tensor", "y_tensor")),
    ],
)
def test_it_reads_other_frameworks_files(
    tmp_path: Path, filename: str, data: bytes, names: tuple[str, str]
) -> None:
    model = load(tmp_path, {filename: data}, default_model_filename=filename)
    instance = model.instance(InstanceGroup(), 0)
    np.testing.assert_array_equal(instance.execute({names[0]: X})[names[1]], 2 * X + 1)


def test_a_file_of_one_is_given_a_batch_where_that_is_right(tmp_path: Path) -> None:
    model = load(tmp_path, toy_openvino.openvino_affine(dims=(1, 4)))
    assert model.signature.batchable
    assert model.signature.inputs[0].dims == (-1, 4)
    instance = model.instance(InstanceGroup(), 0)
    np.testing.assert_array_equal(instance.execute({"x": X})["y"], 2 * X + 1)


def test_a_baked_batch_is_left_as_it_is(tmp_path: Path) -> None:
    model = load(tmp_path, toy_openvino.openvino_baked_batch())
    assert not model.signature.batchable
    assert model.signature.outputs[0].dims == (1, 2, 2)
    y = model.instance(InstanceGroup(), 0).execute({"x": X[:1]})["y"]
    assert y.ravel().tolist() == X[0].tolist()


def test_who_states_no_batch_is_spared_the_trial(tmp_path: Path) -> None:
    stated = frozenset({"max_batch_size"})
    model = load(tmp_path, toy_openvino.openvino_affine(dims=(1, 4)), stated=stated)
    assert model.signature.inputs[0].dims == (1, 4)


def test_fixed_outputs_are_written_where_they_are_answered(tmp_path: Path) -> None:
    stated = frozenset({"max_batch_size"})
    model = load(tmp_path, toy_openvino.openvino_affine(dims=(1, 4)), stated=stated)
    instance = model.instance(InstanceGroup(), 0)
    y = instance.execute({"x": X[:1]})["y"]
    written = instance._request.get_output_tensor(0).data
    assert np.shares_memory(y, written)
    instance.execute({"x": X[1:]})
    np.testing.assert_array_equal(y, 2 * X[:1] + 1)


def test_missing_weights_are_named(tmp_path: Path) -> None:
    files = toy_openvino.openvino_affine(dims=(1, 4))
    with pytest.raises(InvalidArgumentError, match=r"model\.xml.*OpenVINO"):
        load(tmp_path, {"model.xml": files["model.xml"]})
