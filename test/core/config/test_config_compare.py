# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Completion of models whose file has more, or other, tensors than their requests."""

from __future__ import annotations

from typing import Any

import pytest

from triton_ros.core.backend import Signature
from triton_ros.core.config.config_completion import complete
from triton_ros.core.config.config_pbtxt import parse_config
from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.config.scheduling_config import DynamicBatching
from triton_ros.core.errors import ConfigError
from triton_ros.core.tensor import TensorSpec


def signature(inputs: dict[str, Any], outputs: dict[str, Any]) -> Signature:
    """All with a batch dim; a name's first letters say its datatype, if not FP32."""
    sides = (
        tuple(
            TensorSpec(
                name.split()[-1], (name + " ").split()[0] if " " in name else "FP32", (-1, *dims)
            )
            for name, dims in side.items()
        )
        for side in (inputs, outputs)
    )
    return Signature(*sides, batchable=True)


def completed(text: str, file: Signature, **options: Any) -> ModelConfig:
    return complete(parse_config(text, "m"), file, **options)


def names(config: ModelConfig) -> tuple[list[str], list[str]]:
    return [i.spec.name for i in config.input], [o.spec.name for o in config.output]


# --- sequences ----------------------------------------------------------------------------------

SEQUENCE = """sequence_batching {
  control_input { name: "S" control { kind: CONTROL_SEQUENCE_START fp32_false_true: [0, 1] } }
  state { input_name: "i" output_name: "o" data_type: TYPE_INT32 dims: 2 }
}"""
INPUTS = {"x": (3,), "S": (1,), "INT32 i": (2,)}
OUTPUTS = {"y": (), "INT32 o": (2,)}


def test_controls_and_states_are_not_for_requests() -> None:
    config = completed(SEQUENCE, signature(INPUTS, OUTPUTS))
    assert names(config) == (["x"], ["y"])
    assert config.max_batch_size == 4


def test_a_state_may_be_an_output_too() -> None:
    text = SEQUENCE + "output { name: 'o' data_type: TYPE_INT32 dims: 2 }"
    assert names(completed(text, signature(INPUTS, OUTPUTS))) == (["x"], ["o"])


@pytest.mark.parametrize(
    ("inputs", "outputs", "message"),
    [
        ({"x": (3,), "INT32 i": (2,)}, OUTPUTS, "expects an input 'S' FP32, the file has 'x' FP32"),
        ({**INPUTS, "S": (1,), "INT32 S": (1,)}, OUTPUTS, "expects an input 'S' FP32, the file"),
        (
            {"x": (3,), "S": (1,)},
            OUTPUTS,
            "input: the configuration says 'x' FP32 [3], 'i' INT32 [2",
        ),
        ({**INPUTS, "INT32 i": (3,)}, OUTPUTS, "'i' INT32 [2], the file has"),
        (INPUTS, {"y": ()}, "output: the configuration says 'y' FP32 [], 'o' INT32 [2], the file"),
        (INPUTS, {"y": (), "o": (2,)}, "'o' INT32 [2], the file has 'y' FP32 [], 'o' FP32 [2]"),
    ],
)
def test_a_file_without_them(inputs: Any, outputs: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        completed("max_batch_size: 4 " + SEQUENCE, signature(inputs, outputs))
    assert message in str(caught.value)


# --- ragged batches and reshapes ----------------------------------------------------------------

RAGGED = """max_batch_size: 4
input { name: "x" data_type: TYPE_FP32 dims: -1 allow_ragged_batch: true }
output { name: "y" data_type: TYPE_FP32 dims: -1 }
batch_input { kind: BATCH_ELEMENT_COUNT target_name: "n" data_type: TYPE_FP32 source_input: "x" }
batch_output { target_name: "y" kind: BATCH_SCATTER_WITH_INPUT_SHAPE source_input: "x" }"""


def test_a_ragged_input_is_flat_in_the_file() -> None:
    config = completed(RAGGED, signature({"x": (), "n": (1,)}, {"y": ()}))
    assert names(config) == (["x"], ["y"])


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (
            {"x": (4,), "n": (1,)},
            "unable to load model 'm', configuration expects model provides input with shape [-1]"
            " for ragged input 'x', model provides FP32 [-1, 4]",
        ),
        ({"INT8 x": (), "n": (1,)}, "model provides INT8 [-1]; data_type is FP32"),
        ({"x": ()}, "expects an input 'n' FP32, the file has 'x' FP32 []"),
        ({"x": (), "INT32 n": ()}, "expects an input 'n' FP32"),
    ],
)
def test_a_file_that_is_not_ragged(inputs: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        completed(RAGGED, signature(inputs, {"y": ()}))
    assert message in str(caught.value)


def test_the_file_has_the_reshaped_dims() -> None:
    text = """input { name: "x" data_type: TYPE_FP32 dims: [ 1 ] reshape {} }
    output { name: "y" data_type: TYPE_FP32 dims: [ 4 ] reshape { shape: [ 2, 2 ] } }"""
    config = completed(text, signature({"x": ()}, {"y": (2, 2)}))
    assert config.max_batch_size == 4, "the reshaped rank says that there is a batch dim"
    assert config.input[0].spec.dims == (1,)
    with pytest.raises(ConfigError, match=r"the configuration says 'y' FP32 \[2, 2\], the file"):
        completed("max_batch_size: 2 " + text, signature({"x": ()}, {"y": (4,)}))


# --- options ------------------------------------------------------------------------------------

PLAIN = signature({"x": (3,)}, {"y": (2,)})
STATED = """input { name: "x" data_type: TYPE_FP32 dims: 3 }
output { name: "y" data_type: TYPE_FP32 dims: 2 }"""


@pytest.mark.parametrize("limit", [0, 1, 9])
def test_the_default_batch_size(limit: int) -> None:
    assert completed("", PLAIN, default_max_batch_size=limit).max_batch_size == limit
    assert completed("max_batch_size: 3", PLAIN, default_max_batch_size=limit).max_batch_size == 3


def test_without_completion_everything_must_be_stated() -> None:
    config = completed("max_batch_size: 3 " + STATED, PLAIN, auto_complete=False)
    assert (config.max_batch_size, len(config.instance_group)) == (3, 1)
    for text in ("", STATED, "max_batch_size: 3"):
        with pytest.raises(ConfigError, match="the configuration says"):
            completed(text, PLAIN, auto_complete=False)


def test_batching_of_requests_is_added_only_when_asked_for() -> None:
    assert completed("", PLAIN).dynamic_batching is None
    assert completed("", PLAIN, add_dynamic_batching=True).dynamic_batching == DynamicBatching()
    for text in ("max_batch_size: 4", "max_batch_size: 0"):
        assert completed(text, PLAIN, add_dynamic_batching=True).dynamic_batching is None
    for limit in (0, 1):
        config = completed("", PLAIN, add_dynamic_batching=True, default_max_batch_size=limit)
        assert config.dynamic_batching is None
    chosen = completed("sequence_batching {}", PLAIN, add_dynamic_batching=True)
    assert chosen.dynamic_batching is None


def test_a_limit_that_completion_found_is_known() -> None:
    fixed = Signature((TensorSpec("x", "FP32", (1,)),), ())
    with pytest.raises(
        ConfigError, match="preferred size must be <= max batch size for m; max_bat"
    ):
        completed("dynamic_batching { preferred_batch_size: 2 }", fixed)
