# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The scheduling part of config.pbtxt: what is read, and Triton's rules in Triton's words."""

from __future__ import annotations

import pytest

from triton_ros.core.config.config_pbtxt import parse_config
from triton_ros.core.config.model_config import InputConfig, ModelConfig
from triton_ros.core.config.scheduling_config import (
    BatchInput,
    BatchInputKind,
    BatchOutput,
    ControlKind,
    DirectStrategy,
    DynamicBatching,
    EnsembleStep,
    InitialState,
    OldestStrategy,
    QueuePolicy,
    RateLimiterConfig,
    Resource,
    SequenceBatching,
    SequenceControl,
    SequenceState,
    TimeoutAction,
)
from triton_ros.core.errors import ConfigError
from triton_ros.core.tensor import TensorSpec


def read(text: str) -> ModelConfig:
    return parse_config(text, "m")


def parameter(key: str, value: str) -> str:
    return f'\nparameters {{ key: "{key}" value {{ string_value: "{value}" }} }}'


def test_the_whole_dynamic_batching() -> None:
    text = (
        """dynamic_batching {
      preferred_batch_size: [ 2, 4 ] max_queue_delay_microseconds: 100
      priority_levels: 3 default_priority_level: 2
      default_queue_policy { timeout_action: DELAY default_timeout_microseconds: 9 }
      priority_queue_policy { key: 1 value { allow_timeout_override: true max_queue_size: 5 } }
    }"""
        + parameter("queue_when_full", "drop_oldest")
        + parameter("queue_delay", "when_busy")
    )
    assert read(text).dynamic_batching == DynamicBatching(
        (2, 4),
        100,
        priority_levels=3,
        default_priority_level=2,
        default_queue_policy=QueuePolicy(TimeoutAction.DELAY, 9),
        priority_queue_policy={1: QueuePolicy(allow_timeout_override=True, max_queue_size=5)},
        drop_oldest=True,
        delay_when_busy=True,
    )
    ordered = read("dynamic_batching { preserve_ordering: true }").dynamic_batching
    assert ordered == DynamicBatching(preserve_ordering=True)


def test_the_defaults_of_our_parameters() -> None:
    batching = "dynamic_batching { max_queue_delay_microseconds: 1 default_queue_policy {"
    text = batching + " max_queue_size: 1 } }"
    said = text + parameter("queue_when_full", "refuse") + parameter("queue_delay", "always")
    assert read(text).dynamic_batching == read(said).dynamic_batching


def test_the_whole_sequence_batching() -> None:
    text = """max_batch_size: 4 sequence_batching {
      direct { max_queue_delay_microseconds: 7 minimum_slot_utilization: 0.5 }
      max_sequence_idle_microseconds: 8
      control_input { name: "S" control { kind: CONTROL_SEQUENCE_START fp32_false_true: [0, 1] } }
      control_input { name: "R" control { kind: CONTROL_SEQUENCE_READY
        bool_false_true: [false, true] } }
      control_input { name: "C" control { kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_STRING } }
      state { input_name: "i" output_name: "o" data_type: TYPE_INT32 dims: [ -1, 2 ]
        initial_state { name: "n" data_type: TYPE_INT32 dims: [ 3, 2 ] data_file: "f" } }
      state { input_name: "j" output_name: "p" data_type: TYPE_FP32 dims: 1
        use_same_buffer_for_input_output: true
        initial_state { name: "z" data_type: TYPE_FP32 dims: 1 zero_data: true } }
      iterative_sequence: true
    }"""
    assert read(text).sequence_batching == SequenceBatching(
        DirectStrategy(7, 0.5),
        8,
        (
            SequenceControl(ControlKind.START, TensorSpec("S", "FP32", (1,)), (0.0, 1.0)),
            SequenceControl(ControlKind.READY, TensorSpec("R", "BOOL", (1,)), (0.0, 1.0)),
            SequenceControl(ControlKind.CORRID, TensorSpec("C", "BYTES", (1,))),
        ),
        (
            SequenceState(
                "i",
                "o",
                TensorSpec("i", "INT32", (-1, 2)),
                InitialState("n", TensorSpec("i", "INT32", (3, 2)), "f"),
            ),
            SequenceState(
                "j",
                "p",
                TensorSpec("j", "FP32", (1,)),
                InitialState("z", TensorSpec("j", "FP32", (1,))),
            ),
        ),
        iterative_sequence=True,
    )


def test_oldest_and_the_defaults_of_sequences() -> None:
    oldest = """max_batch_size: 4 sequence_batching { oldest {
      max_candidate_sequences: 9 preferred_batch_size: 4 max_queue_delay_microseconds: 5
      preserve_ordering: true } }"""
    assert read(oldest).sequence_batching == SequenceBatching(OldestStrategy(9, (4,), 5, True))
    assert read("sequence_batching {}").sequence_batching == SequenceBatching()


def test_ragged_batches() -> None:
    config = read("""max_batch_size: 4
    input { name: "x" data_type: TYPE_FP32 dims: -1 allow_ragged_batch: true }
    output { name: "y" data_type: TYPE_FP32 dims: -1 }
    batch_input { kind: BATCH_ACCUMULATED_ELEMENT_COUNT target_name: "i" data_type: TYPE_FP32
      source_input: "x" }
    batch_output { target_name: "y" kind: BATCH_SCATTER_WITH_INPUT_SHAPE source_input: "x" }""")
    assert config.input == (InputConfig(TensorSpec("x", "FP32", (-1,)), allow_ragged_batch=True),)
    kind = BatchInputKind.BATCH_ACCUMULATED_ELEMENT_COUNT
    assert config.batch_input == (BatchInput(kind, ("i",), "FP32", ("x",)),)
    assert config.batch_output == (BatchOutput(("y",), ("x",)),)


def test_groups_policies_and_switches() -> None:
    config = read("""instance_group { passive: true host_policy: "p" rate_limiter { priority: 3
      resources [ { name: "R" count: 2 }, { name: "G" global: true count: 1 } ] } }
    response_cache { enable: true }
    optimization { input_pinned_memory { enable: true } }""")
    (group,) = config.instance_group
    assert (group.passive, group.host_policy) == (True, "p")
    resources = (Resource("R", 2), Resource("G", 1, is_global=True))
    assert group.rate_limiter == RateLimiterConfig(resources, 3)
    assert config.response_cache
    assert read("model_transaction_policy { decoupled: true }").decoupled


ENSEMBLE = """platform: "ensemble" input { name: "X" data_type: TYPE_FP32 dims: 1 }
ensemble_scheduling { max_inflight_requests: 6
  step { model_name: "a" input_map { key: "x" value: "X" } output_map { key: "y" value: "M" } }
  step { model_name: "b" input_map { key: "x" value: "M" } output_map { key: "y" value: "Y" } }
}"""


def test_an_ensemble_with_a_condition() -> None:
    config = read(ENSEMBLE + parameter("run_if", "b: M, a:X"))
    assert config.max_inflight_requests == 6
    assert config.ensemble == (
        EnsembleStep("a", -1, {"x": "X"}, {"y": "M"}, run_if="X"),
        EnsembleStep("b", -1, {"x": "M"}, {"y": "Y"}, run_if="M"),
    )


FULL = "dynamic_batching { default_queue_policy { max_queue_size: 1 } }"
SEQUENCE = "max_batch_size: 4\nsequence_batching {\n"
START = "control { kind: CONTROL_SEQUENCE_START int32_false_true: [0, 1] }"
STATE = "state { input_name: 'i' output_name: 'o' data_type: TYPE_INT32 dims: [ 2 ]\n"
RAGGED = "max_batch_size: 4\ninput { name: 'x' data_type: TYPE_FP32 dims: -1 }\n"
X = "input { name: 'x' data_type: TYPE_FP32\n dims: [ 2, -1, 6 ]\n"

REFUSED = [
    # ours
    (
        FULL + parameter("queue_when_full", "newest"),
        2,
        "'newest' is not one of refuse, drop_oldest",
    ),
    (parameter("queue_when_full", "refuse"), 2, "has no effect: the model has no dynamic_batching"),
    (
        "dynamic_batching {}" + parameter("queue_when_full", "drop_oldest"),
        2,
        "has no effect: no queue policy has a max_queue_size",
    ),
    (FULL + parameter("queue_delay", "when_busy"), 2, "max_queue_delay_microseconds is 0"),
    (parameter("run_if", "b:M"), 2, "names 'b', which is no step of this ensemble for m; its"),
    (ENSEMBLE + parameter("run_if", "b:Q"), 6, "has 'b:Q' for m; accepted is one <step's model>"),
    (ENSEMBLE + parameter("run_if", "b"), 6, "where the tensors are X, M, Y"),
    (ENSEMBLE + parameter("run_if", "b:M,b:X"), 6, "has two tensors for 'b'"),
    (ENSEMBLE + parameter("fan_out", ","), 6, "parameters.fan_out names no step"),
    # dynamic batching
    (
        "dynamic_batching {\n priority_levels: 2\n default_priority_level: 3 }",
        3,
        "default priority level must be in range [1, 2] for m; got 3",
    ),
    (
        "dynamic_batching { priority_levels: 1 default_priority_level: 1\n"
        " priority_queue_policy { key: 2 value {} } }",
        2,
        "priority queue policy must have priority level in range [1, 1] for m; got 2",
    ),
    (
        "dynamic_batching { priority_levels: 2 default_priority_level: 1\npreserve_ordering: true}",
        2,
        "Only one priority level is allowed when 'preserve_ordering' is true for m",
    ),
    (
        "dynamic_batching { preserve_ordering: true\n default_queue_policy {"
        " default_timeout_microseconds: 1\n timeout_action: DELAY } }",
        3,
        "Queue policy can not have DELAY as timeout action when 'preserve_ordering' is true for m",
    ),
    ("dynamic_batching {\n preferred_batch_size: 0 }", 2, "preferred size must be positive for m"),
    (FULL + "\nsequence_batching {}", 2, "dynamic_batching"),
    # sequences
    (
        SEQUENCE + "control_input { name: 'a' control { kind: CONTROL_SEQUENCE_START } } }",
        3,
        "sequence batching must specify either 'int32_false_true', 'fp32_false_true' or"
        " 'bool_false_true' for CONTROL_SEQUENCE_START for m",
    ),
    (
        SEQUENCE + "control_input { name: 'a' control { int32_false_true: [0, 1]"
        " fp32_false_true: [0, 1] } } }",
        3,
        "sequence batching specifies more than one from 'int32_false_true', 'fp32_false_true' and"
        " 'bool_false_true' for CONTROL_SEQUENCE_START for m",
    ),
    (
        SEQUENCE + "control_input { name: 'a' control {\n int32_false_true: [0, 1, 2] } } }",
        4,
        "sequence batching control 'int32_false_true' must have exactly 2 entries for"
        " CONTROL_SEQUENCE_START for m; got 3",
    ),
    (
        SEQUENCE + "control_input { name: 'a' control { kind: CONTROL_SEQUENCE_CORRID\n"
        " data_type: TYPE_FP32 } } }",
        4,
        "unexpected data type for control CONTROL_SEQUENCE_CORRID for m; Allowed data types are"
        " TYPE_UINT64, TYPE_INT64, TYPE_UINT32, TYPE_INT32 and TYPE_STRING, got TYPE_FP32",
    ),
    (
        SEQUENCE
        + f"control_input {{ name: 'a' {START} }}\n control_input {{ name: 'b' {START} }} }}",
        3,
        "sequence batching specifies multiple CONTROL_SEQUENCE_START tensors for m",
    ),
    (
        SEQUENCE + f"control_input {{ name: 'a' {START} control {{ kind: CONTROL_SEQUENCE_END"
        " int32_false_true: [0, 1] } } }",
        3,
        "control tensor 'a' is specified for multiple control kinds for m",
    ),
    (SEQUENCE + f"control_input {{ {START} }} }}", 3, "control tensor must have a name for m"),
    (
        SEQUENCE + f"control_input {{ name: 'x' {START} }} }}\n" + X + "}",
        4,
        "input 'x' is a control or a state of sequence_batching, too for m",
    ),
    (SEQUENCE + STATE + "dims: -3 } }", 3, "sequence_batching.state 'i' dimension must be integer"),
    (SEQUENCE + STATE + "}\n" + STATE + "} }", 5, "state input 'i' is given twice"),
    (
        SEQUENCE + f"control_input {{ name: 'i' {START} }}\n" + STATE + "} }",
        4,
        "state input 'i' is a control tensor, too",
    ),
    (
        SEQUENCE + STATE + "initial_state { data_type: TYPE_INT32 dims: 2 zero_data: true } } }",
        4,
        "Field 'name' must be set when using initial_state for state input 'i'. (model 'm')",
    ),
    (
        SEQUENCE + STATE + "initial_state { name: 'n' data_type: TYPE_INT32 dims: 2 } } }",
        4,
        "initial_state setting expects state 'i' to have state_data set",
    ),
    (
        SEQUENCE + STATE + "initial_state { name: 'n' data_type: TYPE_FP32 dims: 2"
        " zero_data: true } } }",
        4,
        "The data type used for 'initial_state' field of state 'i' does not match the state data",
    ),
    (
        SEQUENCE + STATE + "initial_state { name: 'n' data_type: TYPE_INT32 dims: 3"
        " zero_data: true } } }",
        4,
        "'initial_state' dim for input name 'i' doesn't match 'state' dim description. 3 != 2",
    ),
    (
        SEQUENCE + "oldest {\n preferred_batch_size: 8 } }",
        4,
        "sequence batching preferred batch size must be <= max batch size for m; max_batch_size is",
    ),
    (
        SEQUENCE + "direct {\n minimum_slot_utilization: 2 } }",
        4,
        "sequence batching minimum slot utilization must be in range (0.0, 1.0] for m; got 2.0",
    ),
    (
        SEQUENCE + "}\nresponse_cache { enable: true }",
        4,
        "Response Cache does not currently support model m with sequence batching scheduler."
        " Please disable the response cache.",
    ),
    (
        "model_transaction_policy { decoupled: true }\nresponse_cache { enable: true }",
        2,
        "Response Cache does not currently support model m with 'decoupled' transaction policy.",
    ),
    # ensembles
    (
        ENSEMBLE + "\ninstance_group {}",
        6,
        "instance group should not be specified for ensemble 'm'",
    ),
    (ENSEMBLE + "\nmodel_warmup {}", 6, "model_warmup can not be specified for ensemble 'm'"),
    (
        ENSEMBLE + "\noptimization { input_pinned_memory {} }",
        6,
        "optimization should not be specified for ensemble 'm'",
    ),
    (
        ENSEMBLE.replace('platform: "ensemble"', ""),
        1,
        "ensemble scheduling cannot be set for model 'm' whose platform is not ensemble",
    ),
    (
        "platform: 'ensemble'\n dynamic_batching {}",
        1,
        "ensemble scheduling must be set for ensemble m whose platform is ensemble",
    ),
    (ENSEMBLE + "\nbackend: 'b'", 6, "Ensemble model 'm' must have platform type 'ensemble' and"),
    # tensors
    (X + "reshape {\n shape: [ 2, 6 ] } }", 3, "'x' has different number of variable-size dimen"),
    (X + "reshape { shape: [ 2, -1, 5 ] } }", 3, "'x' has different size for dims and reshape for"),
    (X + "reshape { shape: [ 0 ] } }", 3, "'x' reshape dimensions must be integer >= 1, or -1"),
    (
        "max_batch_size: 0\n input { name: 'x' data_type: TYPE_FP32 dims: 1\n reshape {} }",
        3,
        "model input 'x' cannot have empty reshape for non-batching model as scalar tensors are not"
        " supported for m",
    ),
    (X + "allow_ragged_batch: true\n optional: true }", 3, "ragged input 'x' cannot be optional"),
    (
        "max_batch_size: 0\n" + X + "allow_ragged_batch: true }",
        4,
        "input 'x' with allow_ragged_batch needs batches for m; max_batch_size must be 1 or more",
    ),
    ("input {\n name: 'x' data_type: TYPE_FP32 }", 1, "model input 'x' must specify 'dims' for m"),
    (
        RAGGED + "batch_input {\n target_name: 'i' data_type: TYPE_FP32 source_input: 'z' }",
        4,
        "unknown source input name 'z' for m; batch_input accepts x",
    ),
    (
        RAGGED + "batch_input { target_name: 'i' data_type: TYPE_INT8 source_input: 'x' }",
        3,
        "batch input data type must be TYPE_INT32 or TYPE_FP32 for m; batch_input 'i'",
    ),
    (
        RAGGED + "batch_input { target_name: 'i' data_type: TYPE_INT32 source_input: ['x', 'x'] }",
        3,
        "batch input kind 'BATCH_ELEMENT_COUNT' expects 1 source input, got 2 for m",
    ),
    (
        RAGGED + "batch_output { target_name: 'y' source_input: 'x' }",
        3,
        "unknown target output name 'y' for m",
    ),
    # groups
    (
        "instance_group { rate_limiter { resources { name: 'R' count: 1 } } }\n"
        "instance_group {\n rate_limiter { resources { name: 'R' global: true count: 1 } } }",
        3,
        'Resource "R" is present as both global and device-specific resource in the model conf',
    ),
]


@pytest.mark.parametrize(("text", "line", "message"), REFUSED)
def test_refused_with_its_line(text: str, line: int, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"config.pbtxt:{line}:"), caught.value
