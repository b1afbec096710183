# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Warm-up: every instance, every sample, and whose failure fails the load."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_backend import TIMEOUT, FakeBackend, fake, loaded, serving
from fake_requests import FakeRequestInstance, Late, calling, echo, failing

from triton_ros.core.config.config_pbtxt import parse_config
from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.errors import ConfigError, InternalError
from triton_ros.core.execution.warmup import warm_up

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
        (sample("data_type: TYPE_INT32 dims: 4 zero_data: true"), "data-type is 'INT32', but"),
        (sample("data_type: TYPE_FP32 dims: 5 zero_data: true"), "Expected [4], got [5]"),
        ("max_batch_size: 1 " + sample(FP32 + "zero_data: true"), "batch_size must be <= 1"),
    ],
)
def test_samples_that_cannot_be(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        warm_up(config(INPUT + text), [Recorder()])
    assert message in str(caught.value)


def test_a_sample_of_batch_size_0_is_skipped() -> None:
    instance = Recorder()
    warm_up(config(INPUT + sample(FP32 + "zero_data: true", "batch_size: 0")), [instance])
    assert not instance.seen


def test_batch_inputs_are_made_as_for_requests() -> None:
    instance = Recorder()
    text = (
        "max_batch_size: 4 input { name: 'x' data_type: TYPE_FP32 dims: 4 allow_ragged_batch: true"
        " } batch_input { kind: BATCH_ELEMENT_COUNT target_name: 'count'"
        " data_type: TYPE_INT32 source_input: 'x' } "
    )
    warm_up(config(text + sample(FP32 + "zero_data: true")), [instance])
    (inputs,) = instance.seen
    assert inputs["x"].shape == (8,)
    assert inputs["count"].tolist() == [4, 4]


# files -----------------------------------------------------------------------------------------


def from_file(data: bytes, spec: str, directory: Path, file: str = "w.bin") -> Recorder:
    (directory / "warmup").mkdir()
    (directory / "warmup" / "w.bin").write_bytes(data)
    (directory / "secret").write_bytes(bytes(16))
    (directory / "warmup" / "link").symlink_to(directory / "secret")
    instance = Recorder()
    text = f"input {{ name: 'x' {spec} }} " + sample(f"{spec} input_data_file: '{file}'")
    warm_up(config(text), [instance], directory)
    return instance


@pytest.mark.parametrize("tail", [b"", b"more"])
def test_values_from_a_file(tail: bytes, tmp_path: Path) -> None:
    data = np.arange(4, dtype="<f4").tobytes() + tail
    (inputs,) = from_file(data, FP32, tmp_path).seen
    np.testing.assert_array_equal(inputs["x"], np.float32([0, 1, 2, 3]))
    assert inputs["x"].flags.writeable


def test_texts_from_a_file(tmp_path: Path) -> None:
    data = b"\x02\0\0\0hi\0\0\0\0"
    (inputs,) = from_file(data, "data_type: TYPE_STRING dims: [1, 2]", tmp_path).seen
    assert inputs["x"].tolist() == [[b"hi", b""]]


@pytest.mark.parametrize(
    ("data", "spec", "file", "message"),
    [
        (bytes(15), FP32, "w.bin", "expects 16 bytes, but the file has 15 bytes"),
        (bytes(16), FP32, "link", "must be a file inside"),
        (bytes(16), FP32, "none.bin", "No such file"),
        (b"\x02\0\0\0hi", "data_type: TYPE_STRING dims: 2", "w.bin", "exactly 2 strings"),
        (b"\x09\0\0\0hi", "data_type: TYPE_STRING dims: 1", "w.bin", "exactly 1 strings"),
    ],
)
def test_files_that_cannot_be_used(
    data: bytes, spec: str, file: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        from_file(data, spec, tmp_path, file)
    assert message in str(caught.value)
    assert "model_warmup 'w', input 'x', input_data_file" in str(caught.value)


def test_a_file_needs_a_model_directory() -> None:
    with pytest.raises(ConfigError, match="there is no model directory"):
        warm_up(config(INPUT + sample(FP32 + "input_data_file: 'a'")), [Recorder()])


# sequences -------------------------------------------------------------------------------------

SEQUENCE = (
    "max_batch_size: 4 "
    + INPUT
    + """
    sequence_batching {
      control_input { name: 'start' control {
        kind: CONTROL_SEQUENCE_START int32_false_true: [0, 1] } }
      control_input { name: 'end' control {
        kind: CONTROL_SEQUENCE_END int32_false_true: [5, 6] } }
      control_input { name: 'id' control {
        kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_UINT64 } }
      state { input_name: 's_in' output_name: 's_out' data_type: TYPE_FP32 dims: [-1, 2] }
    } """
)


@pytest.mark.parametrize("samples", ["", sample(FP32 + "zero_data: true", "batch_size: 1")])
def test_a_sequence_model_sees_a_sequences_first_request(samples: str) -> None:
    instance = Recorder()
    warm_up(config(SEQUENCE + samples), [instance])
    (inputs,) = instance.seen
    assert inputs["start"].tolist() == [[1]]
    assert inputs["end"].tolist() == [[5]]
    assert inputs["id"].tolist() == [[1]]
    assert inputs["s_in"].shape == (1, 1, 2)


def test_a_sample_may_say_what_controls_and_states_are() -> None:
    text = f"""model_warmup {{ name: 'w' batch_size: 2
        inputs {{ key: 'x' value {{ {FP32} zero_data: true }} }}
        inputs {{ key: 'start' value {{ data_type: TYPE_INT32 dims: 1 zero_data: true }} }}
        inputs {{ key: 's_in' value {{ data_type: TYPE_FP32 dims: [3, 2] random_data: true }} }} }}
    """
    instance = Recorder()
    warm_up(config(SEQUENCE + text), [instance])
    (inputs,) = instance.seen
    assert inputs["start"].tolist() == [[0], [0]]
    assert inputs["s_in"].shape == (2, 3, 2)
    assert inputs["s_in"].any()


# instances that answer themselves ----------------------------------------------------------------


def test_request_instances_get_as_many_requests_as_rows_and_nothing_unasked() -> None:
    instance = FakeRequestInstance(echo)
    batched = INPUT + "max_batch_size: 8 "
    warm_up(config(batched), [instance])
    assert instance.sizes == []
    warm_up(config(batched + sample(FP32 + "zero_data: true", "batch_size: 3")), [instance])
    assert instance.sizes == [3]


def test_a_request_instance_that_fails_a_sample_fails_the_load() -> None:
    text = INPUT + "max_batch_size: 8 " + sample(FP32 + "zero_data: true")
    with pytest.raises(InternalError, match="sample 'w' of model 'm': the model broke"):
        warm_up(config(text), [FakeRequestInstance(failing)])


def test_a_decoupled_model_is_warm_when_its_last_answer_came() -> None:
    late, warm = Late(), threading.Event()
    text = INPUT + sample(FP32 + "zero_data: true")
    decoupled = text + "model_transaction_policy { decoupled: true }"

    def load() -> None:
        warm_up(config(decoupled), [FakeRequestInstance(late)])
        warm.set()

    thread = threading.Thread(target=load)
    thread.start()
    assert late.came.acquire(timeout=TIMEOUT)
    assert not warm.is_set()
    late.came.release()
    late.answer(1, 2)
    thread.join(TIMEOUT)
    assert warm.is_set()


def test_a_model_cannot_call_models_while_it_warms_up() -> None:
    text = INPUT + sample(FP32 + "zero_data: true")
    with pytest.raises(InternalError, match="cannot call other models while it warms up"):
        warm_up(config(text), [FakeRequestInstance(calling("other"))])


def test_a_sample_s_file_is_found_when_a_model_is_loaded(tmp_path: Path) -> None:
    backend = FakeBackend()
    seen: list[float] = []
    backend.on_execute = lambda model, inputs: seen.append(float(inputs["x"][0, 0]))
    sample = (
        'max_batch_size: 4 model_warmup { name: "w" batch_size: 1 inputs { key: "x" value {'
        ' data_type: TYPE_FP32 dims: 4 input_data_file: "x.bin" } } }'
    )
    toy = fake(1, sample, extra={"warmup/x.bin": np.full(4, 7, np.float32).tobytes()})
    with serving(tmp_path / "models", backend, {"m": toy}) as server:
        loaded(server, "m")
    assert seen
    assert set(seen) == {7.0}
