# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""config.pbtxt: what is read, what is refused with file and line, and nothing else ever raised."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from triton_ros.core.config.config_pbtxt import located, parse_config, read_config
from triton_ros.core.config.config_schema import schema, supported_fields
from triton_ros.core.config.model_config import (
    InputConfig,
    InstanceGroup,
    InstanceKind,
    ModelConfig,
    OutputConfig,
    VersionPolicy,
    VersionPolicyKind,
    WarmupSample,
)
from triton_ros.core.config.scheduling_config import DynamicBatching, EnsembleStep, QueuePolicy
from triton_ros.core.errors import ConfigError
from triton_ros.core.tensor import TensorSpec

WHOLE = """
name: "m"
backend: "onnxruntime"
max_batch_size: 8
input { name: "x" data_type: TYPE_FP32 dims: [ -1, 4 ] }
input [ { name: "s" data_type: TYPE_STRING dims: 1 optional: true } ]
output { name: "y" data_type: TYPE_INT64 dims: 1 label_filename: "labels.txt" }
instance_group [ { count: 2 kind: KIND_CPU }, { name: "g" kind: KIND_GPU gpus: [ 0, 1 ] } ]
version_policy { latest { num_versions: 2 } }
default_model_filename: "net.onnx"
dynamic_batching {
  preferred_batch_size: [ 4, 8 ]
  max_queue_delay_microseconds: 100
  default_queue_policy { max_queue_size: 16 }
}
model_warmup {
  name: "w"
  batch_size: 3
  count: 2
  inputs { key: "x" value { data_type: TYPE_FP32 dims: [ 2, 4 ] random_data: true } }
}
parameters { key: "intra_op_thread_count" value { string_value: "1" } }
"""


STATED = """name backend max_batch_size input output instance_group version_policy parameters
default_model_filename dynamic_batching model_warmup"""


def test_every_field_that_is_read() -> None:
    assert parse_config(WHOLE, "m") == ModelConfig(
        name="m",
        backend="onnxruntime",
        max_batch_size=8,
        input=(
            InputConfig(TensorSpec("x", "FP32", (-1, 4))),
            InputConfig(TensorSpec("s", "BYTES", (1,)), optional=True),
        ),
        output=(OutputConfig(TensorSpec("y", "INT64", (1,)), "labels.txt"),),
        instance_group=(
            InstanceGroup("", InstanceKind.KIND_CPU, 2),
            InstanceGroup("g", InstanceKind.KIND_GPU, 0, (0, 1)),
        ),
        version_policy=VersionPolicy(num_versions=2),
        default_model_filename="net.onnx",
        dynamic_batching=DynamicBatching(
            (4, 8), 100, default_queue_policy=QueuePolicy(max_queue_size=16)
        ),
        model_warmup=(
            WarmupSample("w", 3, 2, {"x": TensorSpec("x", "FP32", (2, 4))}, frozenset({"x"})),
        ),
        parameters={"intra_op_thread_count": "1"},
        stated=frozenset(STATED.split()),
    )


def test_an_empty_text_is_a_configuration() -> None:
    assert parse_config("", "m") == ModelConfig("m")


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("version_policy { all {} }", VersionPolicy(VersionPolicyKind.ALL)),
        ("version_policy { latest {} }", VersionPolicy()),
        (
            "version_policy { specific { versions: [3, 1] } }",
            VersionPolicy(VersionPolicyKind.SPECIFIC, versions=(3, 1)),
        ),
    ],
)
def test_version_policies(text: str, policy: VersionPolicy) -> None:
    assert parse_config(text, "m").version_policy == policy


STEPS = """
platform: "ensemble"
ensemble_scheduling {
  step { model_name: "a" input_map { key: "x" value: "X" } output_map { key: "y" value: "M" } }
  step {
    model_name: "b" model_version: 3
    input_map { key: "x" value: "M" } output_map { key: "y" value: "Y" }
  }
}
"""


def test_ensemble_steps_and_fan_out() -> None:
    text = STEPS + 'parameters { key: "fan_out" value { string_value: "b, " } }'
    assert parse_config(text, "m").ensemble == (
        EnsembleStep("a", -1, {"x": "X"}, {"y": "M"}),
        EnsembleStep("b", 3, {"x": "M"}, {"y": "Y"}, fan_out=True),
    )


@pytest.mark.parametrize(
    ("text", "stated"),
    [
        ("max_batch_size: 0", True),
        ('backend: "b"  max_batch_size : 0', True),
        ('backend: "b"; max_batch_size: 0', True),
        ("# max_batch_size: 0", False),
        ('default_model_filename: "max_batch_size: 0"', False),
        ("default_model_filename: 'it#s' max_batch_size: 0", True),
        ("", False),
    ],
)
def test_an_explicit_zero_batch_is_not_an_absent_one(text: str, stated: bool) -> None:
    assert ("max_batch_size" in parse_config(text, "m").stated) is stated


REFUSED = [
    (
        "\n\nmax_batch_sise: 4",
        3,
        "'max_batch_sise' is not a field of ModelConfig, did you mean 'max_batch_size'? its fields",
    ),
    ("\nzzz: 4", 2, "'zzz' is not a field of ModelConfig; its fields are backend"),
    ("\ninput { name: 'x' dim: 1 }", 2, "'dim' is not a field of ModelInput"),
    ("\nmax_batch_size: -4", 2, "'max_batch_size' must be non-negative value for m; got -4"),
    ("max_batch_size: lots", 1, "Couldn't parse integer"),
    ('\nname: "other"', 2, "unexpected directory name 'm' for model 'other', directory name must"),
    (
        "\n\noptimization {\n eager_batching: true }",
        4,
        "'optimization.eager_batching' is not supported by this server yet",
    ),
    ("\ninput {\n name: 'x'\n is_shape_tensor: true }", 4, "'input.is_shape_tensor'"),
    (
        "\ninput { name: 'x' data_type: TYPE_FP32 dims: 1\n is_non_linear_format_io: true }",
        3,
        "supported here: name, data_type, format, dims, reshape, allow_ragged_batch, optional",
    ),
    (
        "\ninput { name: 'x' dims: 1 }",
        2,
        "model input 'x' must specify 'data_type' for m; accepted: TYPE_BOOL, TYPE_",
    ),
    (
        "\ninput { name: 'x' data_type: TYPE_FP33 dims: 1 }",
        2,
        "'TYPE_FP33' is not a DataType; acc",
    ),
    ("\ninput { name: 'x' data_type: 99 dims: 1 }", 2, "data_type 99 is not one of TYPE_INVALID"),
    ("\ninput { name: 'x' data_type: -1 }", 2, "data_type -1 is not one of TYPE_INVALID"),
    ("\ninstance_group { kind: KIND_TPU }", 2, "'KIND_TPU' is not a ModelInstanceGroup.Kind; acc"),
    (
        "\ninput { name: 'x' data_type: TYPE_FP32 dims: 0 }",
        2,
        "model input 'x' dimension must be integer >= 1, or -1",
    ),
    ("\ninstance_group { count: -1 }", 2, "instance_group.count must be 1 or more, got -1"),
    (
        "\ninput { data_type: 'TYPE_FP32' }",
        2,
        "'TYPE_FP32' is not a DataType; write TYPE_FP32, without quotes",
    ),
    ("\ninput { data_type: 'FP32' }", 2, "'FP32' is not a DataType; accepted: TYPE_BOOL, "),
    (
        "\ninput { name: 'x' data_type: TYPE_FP32 dims: 1 }"
        "\ninput { name: 'x' data_type: TYPE_FP32 dims: 1 }",
        3,
        "input 'x' is given twice for m",
    ),
    ("\ninstance_group { count: 2000000000 }", 2, "count must be 1024 or less, got 2000000000"),
    ("\ninstance_group { kind: 7 }", 2, "instance_group.kind 7 is not one of KIND_AUTO, KIND_GPU"),
    (
        "\ninstance_group { kind: KIND_CPU gpus: 0 }",
        2,
        "has kind KIND_CPU but specifies one or more GPUs for m; instance_group.gpus [0] is",
    ),
    ("\ndefault_model_filename: '../x'", 2, "default_model_filename '../x' must stay inside"),
    ("\ndefault_model_filename: '.'", 2, "default_model_filename '.' must name a file"),
    ("\ninstance_group {\n gpus: [0, -1] }", 3, "instance_group.gpus must be 0 or more, got -1"),
    ("\ndefault_model_filename: '/x'", 2, "must stay inside the model's directory"),
    ("\noutput { name: 'y' data_type: TYPE_FP32 dims: 1 label_filename: 'a/../../b' }", 2, "b'"),
    (
        "\nmax_batch_size: 4\ndynamic_batching { preferred_batch_size: 8 }",
        3,
        "dynamic batching preferred size must be <= max batch size for m; max_batch_size is 4",
    ),
    (
        "\ndynamic_batching { preferred_batch_size: -1 }",
        2,
        "dynamic batching preferred size must be positive for m; pref",
    ),
    (
        "\n\nmodel_warmup { name: 'w' inputs { key: 'x' value { data_type: TYPE_FP32 } } }",
        3,
        "model_warmup.inputs 'x' needs zero_data, random_data or input_data_file",
    ),
    (
        "\nmodel_warmup { inputs {"
        " key: 'x' value { data_type: TYPE_BOOL input_data_file: '../f' } } }",
        2,
        "inside",
    ),
    (
        "\nmodel_warmup { inputs { key: 'x' value"
        " { data_type: TYPE_FP32 dims: -7 zero_data: true } } }",
        2,
        "variable-size dimension for m; got dims [-7]",
    ),
    ('\nplatform: "ensemble"', 2, "at least one"),
    (
        STEPS + 'parameters {\n key: "fan_out" value { string_value: "c" } }',
        10,
        "parameters.fan_out names 'c', which is no step of this ensemble for m; its",
    ),
]


@pytest.mark.parametrize(("text", "line", "message"), REFUSED)
def test_refused_with_file_and_line(text: str, line: int, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(text, "m", "models/m/config.pbtxt")
    assert str(caught.value).startswith(f"models/m/config.pbtxt:{line}:"), caught.value
    assert message in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "config.pbtxt"
    path.write_bytes(b'max_batch_size: 4\nname: "\xff\xfe"')
    with pytest.raises(ConfigError, match=r"config\.pbtxt:2: cannot be read: byte 0xff is not"):
        read_config(path, "m")
    path.unlink()
    os.mkdir(path)
    with pytest.raises(ConfigError, match=r"config\.pbtxt: cannot be read"):
        read_config(path, "m")


def test_what_is_too_long_does_not_hide_what_is_wrong() -> None:
    with pytest.raises(ConfigError, match=r"^config.pbtxt:1:17: .*: Value out of range: 9+\.\.\.$"):
        parse_config("max_batch_size: " + "9" * 1000, "m")


@pytest.mark.parametrize(
    "text",
    [
        "x" * 100_000,
        "max_batch_size: " + "9" * 100_000,
        "name: '" + "x" * 100_000 + "'",
        "# a\n\0\n",
        "\ninput { \x01 }",
        "name: 'a\\nb'",
    ],
)
def test_a_refusal_is_one_readable_line(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(text, "m")
    assert len(str(caught.value)) < 2100
    assert str(caught.value).isprintable()


def test_the_mark_of_an_editor_is_no_content(tmp_path: Path) -> None:
    path = tmp_path / "config.pbtxt"
    path.write_text("max_batch_size: 4", encoding="utf-8-sig")
    assert read_config(path, "m").max_batch_size == 4


def test_an_image_format_needs_three_dims() -> None:
    text = 'input { name: "x" data_type: TYPE_FP32 format: FORMAT_NCHW dims: [ %s ] }'
    assert parse_config(text % "3, 4, 4", "m").input[0].spec.dims == (3, 4, 4)
    with pytest.raises(
        ConfigError, match=r"config.pbtxt:1: model input NHWC/NCHW require 3 dims for m"
    ):
        parse_config(text % "4, 4", "m")


def test_every_supported_field_is_one_of_the_schema() -> None:
    for path in supported_fields():
        descriptor = schema().ModelConfig.DESCRIPTOR
        for name in path.split("."):
            if descriptor.GetOptions().map_entry:
                descriptor = descriptor.fields_by_name["value"].message_type
            assert name in descriptor.fields_by_name, path
            descriptor = descriptor.fields_by_name[name].message_type
    assert {"input.reshape.shape", "parameters", "model_warmup.inputs.zero_data"} <= set(
        supported_fields()
    )


def test_an_enums_number_that_it_cannot_hold_has_a_line() -> None:
    """Protobuf's parser hands it to the message, whose error knows no place."""
    number = "9" * 78
    with pytest.raises(ConfigError) as error:
        parse_config(f"name: 'm'\ninput {{\n  data_type: {number}\n}}", "m")
    assert str(error.value) == f"config.pbtxt:3: Value out of range: {number}"


@pytest.mark.parametrize("place", ["/m/vision.yaml:2: ", "/other/config.pbtxt:7: "])
def test_an_error_that_has_a_place_gets_no_other(tmp_path: Path, place: str) -> None:
    path = tmp_path / "config.pbtxt"
    path.write_text("name: 'm'\noutput {}")
    error = ConfigError(f"{place}head.output must have dims")
    assert located(error, path) is error
    assert str(located(ConfigError("no output"), path)).startswith(f"{path}:1: ")
