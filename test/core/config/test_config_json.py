# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The configuration as JSON: what Triton shows, and what a load request may say."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from triton_ros.core.backend import Signature
from triton_ros.core.config.config_completion import complete, complete_backend
from triton_ros.core.config.config_json import config_from_json, config_json
from triton_ros.core.config.config_pbtxt import parse_config
from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.control.instance_places import resolve_groups
from triton_ros.core.errors import ConfigError
from triton_ros.core.tensor import TensorSpec

FILE = Signature(
    (TensorSpec("x", "FP32", (-1, 3, 4)),), (TensorSpec("y", "BYTES", (-1, 2)),), batchable=True
)


def completed(text: str, tmp_path: Path, signature: Signature = FILE) -> ModelConfig:
    (tmp_path / "model.onnx").touch()
    config = complete(complete_backend(parse_config(text, "m"), tmp_path), signature)
    return resolve_groups(config, gpus=0)


def shown(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(config_json(parse_config(text, "m")))
    return found


def test_a_model_without_configuration_as_triton_shows_it(tmp_path: Path) -> None:
    # the shape of triton-inference-server/server#4079, with today's further fields
    assert config_json(completed("", tmp_path)) == json.dumps(
        {
            "name": "m",
            "platform": "onnxruntime_onnx",
            "backend": "onnxruntime",
            "runtime": "",
            "version_policy": {"latest": {"num_versions": 1}},
            "max_batch_size": 4,
            "input": [
                {
                    "name": "x",
                    "data_type": "TYPE_FP32",
                    "format": "FORMAT_NONE",
                    "dims": [3, 4],
                    "is_shape_tensor": False,
                    "allow_ragged_batch": False,
                    "optional": False,
                    "is_non_linear_format_io": False,
                }
            ],
            "output": [
                {
                    "name": "y",
                    "data_type": "TYPE_STRING",
                    "dims": [2],
                    "label_filename": "",
                    "is_shape_tensor": False,
                    "is_non_linear_format_io": False,
                }
            ],
            "batch_input": [],
            "batch_output": [],
            "optimization": {
                "priority": "PRIORITY_DEFAULT",
                "input_pinned_memory": {"enable": True},
                "output_pinned_memory": {"enable": True},
                "gather_kernel_buffer_threshold": 0,
                "eager_batching": False,
            },
            "instance_group": [
                {
                    "name": "m",
                    "kind": "KIND_CPU",
                    "count": 2,
                    "gpus": [],
                    "secondary_devices": [],
                    "profile": [],
                    "passive": False,
                    "host_policy": "",
                }
            ],
            "default_model_filename": "model.onnx",
            "cc_model_filenames": {},
            "metric_tags": {},
            "parameters": {},
            "model_warmup": [],
        },
        separators=(",", ":"),
    )


def test_batching_is_normalised() -> None:
    found = shown(
        "max_batch_size: 8 dynamic_batching { max_queue_delay_microseconds: 5000000000 priority_"
        "levels: 2 default_priority_level: 2 priority_queue_policy { key: 1 value {"
        " timeout_action: DELAY default_timeout_microseconds: 7 } } }"
    )["dynamic_batching"]
    assert found["preferred_batch_size"] == [8]
    assert found["max_queue_delay_microseconds"] == 5_000_000_000
    assert (found["priority_levels"], found["default_priority_level"]) == (2, 2)
    assert found["priority_queue_policy"] == {
        "1": {
            "timeout_action": "DELAY",
            "default_timeout_microseconds": 7,
            "allow_timeout_override": False,
            "max_queue_size": 0,
        }
    }


def test_sequences_are_normalised() -> None:
    found = shown(
        "max_batch_size: 2 sequence_batching { oldest { max_candidate_sequences: 4 } state {"
        " input_name: 'i' output_name: 'o' data_type: TYPE_INT32 dims: [ -1 ] initial_state {"
        " name: 'n' data_type: TYPE_INT32 dims: [ 3 ] zero_data: true } } }"
    )["sequence_batching"]
    assert found["max_sequence_idle_microseconds"] == 1_000_000
    assert found["oldest"]["preferred_batch_size"] == [2]
    assert found["state"][0]["dims"] == [-1]
    assert found["state"][0]["initial_state"][0]["dims"] == [3]


def test_an_ensemble_has_neither_groups_nor_optimization() -> None:
    found = shown(
        'platform: "ensemble" ensemble_scheduling { step { model_name: "a" model_version: -1'
        ' input_map { key: "x" value: "X" } output_map { key: "y" value: "Y" } } }'
    )
    assert "optimization" not in found
    assert found["instance_group"] == []
    assert found["ensemble_scheduling"]["step"][0]["model_version"] == -1


def test_groups_with_their_resources(tmp_path: Path) -> None:
    text = (
        "instance_group { count: 3 passive: true host_policy: 'p' rate_limiter { priority: 2"
        " resources { name: 'R' global: true count: 4 } } } instance_group { name: 'b' }"
    )
    first, second = json.loads(config_json(completed(text, tmp_path)))["instance_group"]
    assert (first["name"], first["count"], first["passive"]) == ("m_0", 3, True)
    assert (first["kind"], first["host_policy"]) == ("KIND_CPU", "p")
    assert first["rate_limiter"] == {
        "resources": [{"name": "R", "global": True, "count": 4}],
        "priority": 2,
    }
    assert (second["name"], second["count"]) == ("b", 2)


def test_what_is_shown_can_be_loaded(tmp_path: Path) -> None:
    config = completed("response_cache { enable: true } version_policy { all {} }", tmp_path)
    again = config_from_json(config_json(config), "m")
    assert again.input == config.input
    assert again.output == config.output
    assert (again.backend, again.max_batch_size) == ("onnxruntime", 4)
    assert again.version_policy == config.version_policy
    assert again.response_cache
    assert config_json(complete(again, FILE)) == config_json(config)


def test_both_ways_to_write_names_and_numbers() -> None:
    ours = config_from_json(
        '{"max_batch_size": 2, "dynamic_batching": {"max_queue_delay_microseconds": "7"}}', "m"
    )
    camel = config_from_json(
        '{"maxBatchSize": 2, "dynamicBatching": {"maxQueueDelayMicroseconds": 7}}', "m"
    )
    assert ours == camel
    assert ours.stated == {"max_batch_size", "dynamic_batching"}
    assert "max_batch_size" in config_from_json('{"max_batch_size": 0}', "m").stated


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Expecting value"),
        ("[]", "a JSON object is expected"),
        ("null", "a JSON object is expected"),
        ("{", "Expecting property name"),
        ("[" * 100_000, "recursion"),
        ('{"max_batch_sise": 1}', "of ModelConfig, did you mean 'max_batch_size'? its fields are"),
        (
            '{"dynamic_batching": {"delay": 1}}',
            "dynamic_batching: 'delay' is not a field of ModelDynamicBatching; its fields are",
        ),
        (
            '{"input": [{"data_type": "FP32"}]}',
            "input[0].data_type: 'FP32' is not a DataType; accepted: TYPE_BOOL, ",
        ),
        ('{"max_batch_size": 1, "max_batch_size": 2}', "duplicate"),
        ('{"max_batch_size": "lots"}', "parse max_batch_size field"),
        ('{"max_batch_size": -1}', "'max_batch_size' must be non-negative value for m; got -1"),
        ('{"name": "other"}', "unexpected directory name 'm' for model 'other'"),
        ('{"input": [{"name": "x", "data_type": "TYPE_FP33"}]}', "TYPE_FP33"),
        ('{"input": [{"name": "x", "data_type": 99, "dims": [1]}]}', "data_type 99 is not one of"),
        ('{"runtime": "r"}', "'runtime' is not supported by this server yet for m; supported here"),
        ('{"parameters": []}', "parameters"),
        ('{"name": "\\ud800"}', "surrogate"),
    ],
)
def test_a_wrong_override_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config_from_json(text, "m")
    assert str(caught.value).startswith("Invalid config override: ")
    assert message in str(caught.value)
    assert str(caught.value).isprintable(), "one line"
    assert re.search(r"\bm\b", str(caught.value)), "it names the model"
