# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Implicit state: how it begins, what is kept of an answer, and the files it is read from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fake_sequence import SUM, Desk, configuration

from triton_ros.core.config.model_config import ModelConfig, OutputConfig
from triton_ros.core.config.scheduling_config import InitialState, OldestStrategy, SequenceState
from triton_ros.core.errors import ConfigError, InternalError
from triton_ros.core.execution.payload import Item
from triton_ros.core.scheduling.batcher import Wait
from triton_ros.core.scheduling.sequence_state import StateTable, read_initial_states
from triton_ros.core.tensor import Array, TensorSpec

ROW = np.ones((1, 1), np.float32)


def started(desk: Desk, flags: str = "s", sequence: int = 1) -> Item:
    """The request, taken by the instance."""
    item = desk.offer(sequence, flags)
    assert item in desk.batcher.next_batch(desk.now, 0)  # type: ignore[operator]
    return item


def answered(desk: Desk, item: Item, **outputs: Array) -> dict[str, Array]:
    assert item.state
    left = item.state.take(outputs)
    desk.finish([item])
    return left


def state_in(item: Item) -> Array:
    return np.asarray(item.inputs["sum_in"])


def test_a_sequence_begins_with_zeros_and_keeps_what_it_answers() -> None:
    desk = Desk(configuration(state=(SUM,)))
    item = started(desk)
    assert state_in(item).tolist() == [[0.0]]
    assert answered(desk, item, y=ROW, sum_out=5 * ROW).keys() == {"y"}
    item = started(desk, "")
    assert state_in(item).tolist() == [[5.0]]
    answered(desk, item, y=ROW, sum_out=6 * ROW)
    assert state_in(started(desk, "s")).tolist() == [[0.0]], "a further start begins anew"


def test_sequences_do_not_share_a_state() -> None:
    desk = Desk(configuration(state=(SUM,)))
    answered(desk, started(desk), sum_out=5 * ROW)
    assert state_in(started(desk, "s", sequence=2)).tolist() == [[0.0]]


def test_a_failed_request_leaves_the_state() -> None:
    desk = Desk(configuration(state=(SUM,)))
    answered(desk, started(desk), sum_out=5 * ROW)
    failed = started(desk, "")
    desk.finish([failed])
    assert state_in(started(desk, "")).tolist() == [[5.0]]


def test_without_a_batch_dim_a_state_has_its_own_dims() -> None:
    desk = Desk(configuration(max_batch_size=0, state=(SUM,)))
    item = started(desk)
    assert state_in(item).shape == (1,)
    answered(desk, item, sum_out=np.array([3], np.float32))
    assert state_in(started(desk, "")).tolist() == [3.0]


def test_a_state_that_is_an_output_too_stays_in_the_answer_and_is_not_shared() -> None:
    config = configuration(state=(SUM,))
    output = OutputConfig(TensorSpec("sum_out", "FP32", (1,)))
    desk = Desk(config.with_changes(output=(*config.output, output)))
    answer = answered(desk, started(desk), sum_out=5 * ROW)
    answer["sum_out"][...] = 666
    assert state_in(started(desk, "")).tolist() == [[5.0]], "the caller may write what it got"


def test_a_row_of_a_large_batch_does_not_keep_the_batch() -> None:
    table = StateTable(configuration(state=(SUM,)), {})
    batch = np.ones((64, 1), np.float32)
    assert table.checked(SUM, batch[3:4], shared=False).base is None


@pytest.mark.parametrize("wrong", [np.ones((1, 2), np.float32), np.ones((1, 1), np.int32)])
def test_a_wrong_state_is_refused_and_the_old_one_stays(wrong: Array) -> None:
    desk = Desk(configuration(state=(SUM,)))
    item = started(desk)
    assert item.state
    with pytest.raises(InternalError, match=r"state output 'sum_out' must be FP32 \[1\], got"):
        item.state.take({"sum_out": wrong})
    desk.finish([item])
    assert state_in(started(desk, "")).tolist() == [[0.0]]


def test_states_of_variable_dims_grow_and_batch_with_their_like() -> None:
    state = SequenceState("sum_in", "sum_out", TensorSpec("sum_in", "FP32", (-1,)))
    desk = Desk(configuration(OldestStrategy(), state=(state,)))
    a, b = desk.offer(1, "s"), desk.offer(2, "s")
    assert desk.next() == [a, b]
    assert state_in(a).shape == (1, 1), "a variable dim begins as 1"
    assert a.state
    a.state.take({"sum_out": np.zeros((1, 3), np.float32)})
    desk.finish([a, b])
    a, b, c = desk.offer(1), desk.offer(2), desk.offer(3, "s")
    assert desk.run() == [a]
    assert state_in(a).shape == (1, 3)
    assert desk.run() == [b, c]
    assert desk.next() == Wait()


def test_state_is_dropped_at_the_end() -> None:
    desk = Desk(configuration(state=(SUM,)))
    answered(desk, started(desk), sum_out=5 * ROW)
    answered(desk, started(desk, "e"), sum_out=6 * ROW)
    assert state_in(started(desk)).tolist() == [[0.0]]


# --- files ---------------------------------------------------------------------------------------


def with_file(file: str, datatype: str = "FP32") -> ModelConfig:
    initial = InitialState("begin", TensorSpec("begin", datatype, (2,)), file)
    spec = TensorSpec("sum_in", datatype, (-1,))
    return configuration(state=(SequenceState("sum_in", "sum_out", spec, initial),))


def write(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "initial_state").mkdir()
    (tmp_path / "initial_state" / "begin.bin").write_bytes(data)


def test_a_state_begins_with_its_file(tmp_path: Path) -> None:
    write(tmp_path, np.array([1, 2], "<f4").tobytes())
    config = with_file("begin.bin")
    desk = Desk(config, initial=read_initial_states(config, tmp_path))
    assert state_in(started(desk)).tolist() == [[1.0, 2.0]]
    other = started(desk, "s", sequence=2)
    state_in(other)[...] = 9
    desk.finish([other])
    assert state_in(started(desk, "s", sequence=2)).tolist() == [[1.0, 2.0]], "each has its own"


def test_texts_are_behind_their_lengths(tmp_path: Path) -> None:
    write(tmp_path, b"\x02\0\0\0ab\0\0\0\0")
    found = read_initial_states(with_file("begin.bin", "BYTES"), tmp_path)
    assert found["sum_in"].tolist() == [b"ab", b""]


def test_zero_data_has_the_given_dims(tmp_path: Path) -> None:
    assert read_initial_states(with_file(""), tmp_path)["sum_in"].tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("config", "data", "said"),
    [
        (with_file("begin.bin"), b"\0" * 7, r"FP32 \[2\] expects 8 bytes, but the file has 7"),
        (with_file("begin.bin", "BYTES"), b"\x09\0\0\0ab", "must be exactly 2 strings"),
        (with_file("absent.bin"), b"", "data_file 'absent.bin': No such file"),
        (with_file("../secret"), b"", "must be a file inside"),
        (with_file("/etc/hostname"), b"", "must be a file inside"),
    ],
)
def test_a_file_that_does_not_fit(
    tmp_path: Path, config: ModelConfig, data: bytes, said: str
) -> None:
    write(tmp_path, data)
    (tmp_path / "secret").write_bytes(b"\0" * 8)
    with pytest.raises(ConfigError, match=f"model 'M', state 'sum_in', initial_state.*{said}"):
        read_initial_states(config, tmp_path)


def test_a_link_does_not_lead_out(tmp_path: Path) -> None:
    write(tmp_path, b"")
    (tmp_path / "secret").write_bytes(b"\0" * 8)
    (tmp_path / "initial_state" / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(ConfigError, match="must be a file inside"):
        read_initial_states(with_file("link"), tmp_path)
