# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Filling a configuration in from the model file, and refusing what contradicts it."""

from __future__ import annotations

from pathlib import Path

import pytest

from triton_ros.core.backend import Signature
from triton_ros.core.config.config_completion import complete, complete_backend
from triton_ros.core.config.config_pbtxt import parse_config
from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.errors import ConfigError
from triton_ros.core.tensor import TensorSpec

BATCHED = Signature(
    (TensorSpec("x", "FP32", (-1, 3, -1)),), (TensorSpec("y", "INT64", (-1, 2)),), batchable=True
)
FIXED = Signature((TensorSpec("x", "FP32", (1, 3)),), (TensorSpec("y", "INT64", (1, 2)),))


def completed(text: str, signature: Signature = BATCHED) -> ModelConfig:
    return complete(parse_config('backend: "onnxruntime" ' + text, "m"), signature)


@pytest.mark.parametrize(
    ("file", "backend"),
    [
        ("model.onnx", "onnxruntime"),
        ("model.plan", "tensorrt"),
        ("model.tflite", "tflite"),
        ("model.pt", "pytorch"),
        ("model.savedmodel", "tensorflow"),
    ],
)
def test_the_backend_comes_from_the_file(tmp_path: Path, file: str, backend: str) -> None:
    (tmp_path / file).touch()
    assert complete_backend(ModelConfig("m"), tmp_path).backend == backend


def test_the_backend_comes_from_the_named_file(tmp_path: Path) -> None:
    config = ModelConfig("m", default_model_filename="net.tflite")
    assert complete_backend(config, tmp_path).backend == "tflite"


def test_the_backend_comes_from_the_platform_or_stays(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").touch()
    assert complete_backend(ModelConfig("m", backend="mine"), tmp_path).backend == "mine"
    plan = ModelConfig("m", platform="tensorrt_plan")
    assert complete_backend(plan, tmp_path).backend == "tensorrt"
    with pytest.raises(ConfigError, match=r"platform type 'caffe' for m; accepted: ensemble, tens"):
        complete_backend(ModelConfig("m", platform="caffe"), tmp_path)


def test_no_backend_to_be_found(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Could not determine backend for model 'm' .*model\.on"):
        complete_backend(ModelConfig("m"), tmp_path)


def test_everything_comes_from_the_file() -> None:
    config = completed("")
    assert config.max_batch_size == 4
    assert [i.spec for i in config.input] == [TensorSpec("x", "FP32", (3, -1))]
    assert [o.spec for o in config.output] == [TensorSpec("y", "INT64", (2,))]
    assert config.dynamic_batching is None
    (group,) = config.instance_group
    assert (group.name, group.count) == ("m", 2)


def test_a_fixed_first_dim_means_no_batches() -> None:
    config = completed("", FIXED)
    assert config.max_batch_size == 0
    assert config.input[0].spec.dims == (1, 3)


def test_an_explicit_zero_keeps_the_batch_dim_in_the_dims() -> None:
    config = completed("max_batch_size: 0")
    assert config.max_batch_size == 0
    assert config.input[0].spec.dims == (-1, 3, -1)


def test_stated_dims_say_whether_there_is_a_batch_dim() -> None:
    whole = "input { name: 'x' data_type: TYPE_FP32 dims: [2, 3, 5] }"
    assert completed(whole).max_batch_size == 0
    without = "input { name: 'x' data_type: TYPE_FP32 dims: [3, 5] }"
    assert completed(without).max_batch_size == 4
    assert completed(without).input[0].spec.dims == (3, 5), "narrower than the file's"


def test_groups_get_names_and_keep_counts() -> None:
    config = completed("instance_group [{ count: 3 }, { name: 'mine' }]")
    assert [(g.name, g.count) for g in config.instance_group] == [("m_0", 3), ("mine", 2)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("input { name: 'z' data_type: TYPE_FP32 dims: [3, 5] }", "the file has 'x' FP32"),
        ("input { name: 'x' data_type: TYPE_INT8 dims: [3, 5] }", "says 'x' INT8 [3, 5]"),
        ("max_batch_size: 2 input { name: 'x' data_type: TYPE_FP32 dims: [4, 5] }", "[3, -1]"),
        ("output { name: 'z' data_type: TYPE_INT64 dims: 2 }", "model 'm', output: the config"),
        (
            "dynamic_batching { preferred_batch_size: 8 }",
            "must be <= max batch size for m; max_batch_size is 4",
        ),
    ],
)
def test_contradictions_show_both_sides(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        completed(text)
    assert message in str(caught.value)


def test_batches_that_the_file_does_not_have() -> None:
    with pytest.raises(ConfigError, match="no variable first dim for a batch; accepted: max_batch"):
        completed("max_batch_size: 8", FIXED)


# --- what names the backend, the platform and the file ------------------------------------------


@pytest.mark.parametrize(
    ("text", "file", "found"),
    [
        ("", "model.onnx", ("onnxruntime", "onnxruntime_onnx", "model.onnx")),
        ("", "model.pt2", ("pytorch", "torch_aoti", "model.pt2")),
        ("backend: 'pytorch'", "model.pt2", ("pytorch", "torch_aoti", "model.pt2")),
        ("backend: 'pytorch'", "x", ("pytorch", "pytorch_libtorch", "model.pt")),
        ("platform: 'libtorch'", "x", ("pytorch", "libtorch", "model.pt")),
        ("", "model.graphdef", ("tensorflow", "tensorflow_graphdef", "model.graphdef")),
        ("", "model.xml", ("openvino", "", "model.xml")),
        ("", "model.py", ("python", "", "model.py")),
        (
            "default_model_filename: 'net.onnx'",
            "x",
            ("onnxruntime", "onnxruntime_onnx", "net.onnx"),
        ),
        ("backend: 'mine'", "model.onnx", ("mine", "", "")),
        ("backend: 'mine' platform: 'theirs'", "x", ("mine", "theirs", "")),
    ],
)
def test_what_follows_from_what(
    tmp_path: Path, text: str, file: str, found: tuple[str, str, str]
) -> None:
    (tmp_path / file).touch()
    config = complete_backend(parse_config(text, "m"), tmp_path)
    assert (config.backend, config.platform, config.default_model_filename) == found
    assert complete_backend(config, tmp_path) == config


def test_a_model_name_may_name_the_backend(tmp_path: Path) -> None:
    config = complete_backend(ModelConfig("model.identity"), tmp_path)
    assert (config.backend, config.default_model_filename) == ("identity", "model.identity")
    with pytest.raises(ConfigError) as caught:
        complete_backend(ModelConfig("m"), tmp_path)
    assert str(caught.value).startswith(
        "Invalid model name: Could not determine backend for model 'm' with no backend in model"
        " configuration. Expected model name of the form 'model.<backend_name>'"
    )
    with pytest.raises(ConfigError, match="Could not determine backend"):
        complete_backend(ModelConfig("model."), tmp_path)


def test_a_platform_of_another_backend(tmp_path: Path) -> None:
    config = ModelConfig("m", backend="pytorch", platform="onnxruntime_onnx")
    with pytest.raises(ConfigError, match="pair, got:onnxruntime_onnx, pytorch"):
        complete_backend(config, tmp_path)


def test_default_counts(tmp_path: Path) -> None:
    def counts(backend: str, text: str = "") -> list[int]:
        config = complete(parse_config(f"backend: '{backend}' {text}", "m"), FIXED)
        return [group.count for group in config.instance_group]

    assert counts("onnxruntime") == counts("tensorflow") == [2]
    assert counts("python") == counts("mine") == [1]
    assert counts("onnxruntime", "instance_group [{ kind: KIND_GPU }, { kind: KIND_CPU }]") == [
        1,
        2,
    ]
