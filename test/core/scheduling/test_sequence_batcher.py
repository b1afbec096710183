# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Sequences: what begins and ends one, who has a slot, and what is refused; no thread."""

from __future__ import annotations

import pytest
from fake_sequence import FLAGS, SECOND, Desk, configuration, controls, corrid

from triton_ros.core.config.scheduling_config import OldestStrategy
from triton_ros.core.errors import ConfigError, InvalidArgumentError
from triton_ros.core.execution.payload import Item
from triton_ros.core.scheduling.batcher import Wait


def test_a_sequence_runs_in_order_one_at_a_time() -> None:
    desk = Desk(configuration())
    a, b, c = desk.offer(7, "s"), desk.offer(7), desk.offer(7, "e")
    batch = desk.next()
    assert batch == [a]
    assert desk.next() == Wait(), "b must wait until a is answered"
    desk.finish([a])
    assert [desk.run(), desk.run()] == [[b], [c]]
    assert desk.next() == Wait()
    assert not len(desk.batcher)


def test_a_sequence_stays_on_its_instance() -> None:
    desk = Desk(configuration(), instances=2)
    a, b = desk.offer(1, "s"), desk.offer(2, "s")
    assert desk.run(0) == [a]
    assert desk.run(1) == [b], "both instances have a first slot"
    more = desk.offer(1)
    assert desk.next(1) == Wait()
    assert desk.run(0) == [more]


def test_an_unknown_sequence_must_start() -> None:
    desk = Desk(configuration())
    error = desk.refused[desk.offer(7)]
    assert isinstance(error, InvalidArgumentError)
    assert str(error) == (
        "inference request for sequence 7 to model 'M' must specify the START flag on the first"
        " request of the sequence"
    )


def test_after_the_end_it_must_start_again() -> None:
    desk = Desk(configuration())
    desk.offer(7, "s")
    desk.offer(7, "e")
    assert desk.offer(7) in desk.refused, "END closes the sequence when it is queued"
    assert desk.offer(7, "s") not in desk.refused


@pytest.mark.parametrize("none", [0, ""])
def test_an_id_is_needed(none: int | str) -> None:
    desk = Desk(configuration())
    assert str(desk.refused[desk.offer(none, "s")]) == (
        "inference request to model 'M' must specify a non-zero or non-empty correlation ID"
    )


def test_one_row_only() -> None:
    desk = Desk(configuration())
    item = Item({}, lambda outcome, timing: None, rows=2)
    ((refused, error),) = desk.batcher.offer(item, 0)
    assert refused is item
    assert str(error) == (
        "inference request to model 'M' must specify batch-size 1 due to requirements of sequence"
        " batcher"
    )


@pytest.mark.parametrize(
    ("datatype", "sequence", "said"),
    [
        ("INT32", "seven", "'CORRID' data-type is 'BYTES', but model 'M' expects 'INT32'"),
        ("BYTES", 7, "'CORRID' data-type is 'UINT64', but model 'M' expects 'BYTES'"),
        ("INT32", 2**31, "has correlation ID 2147483648; accepted are 1 to 2147483647"),
        ("UINT64", -1, "has correlation ID -1; accepted are 1 to 18446744073709551615"),
    ],
)
def test_an_id_that_the_model_cannot_be_told(datatype: str, sequence: int | str, said: str) -> None:
    desk = Desk(configuration(control_input=(corrid(datatype),)))
    assert said in str(desk.refused[desk.offer(sequence, "s")])


def test_a_corrid_must_be_an_id() -> None:
    with pytest.raises(ConfigError, match=r"Allowed data types are TYPE_UINT64.*got TYPE_FP32"):
        Desk(configuration(control_input=(corrid("FP32"),)))


@pytest.mark.parametrize(
    ("datatype", "sequence", "told"), [("UINT32", 7, 7), ("INT64", 7, 7), ("BYTES", "cam", b"cam")]
)
def test_controls_say_what_the_request_is(
    datatype: str, sequence: int | str, told: int | bytes
) -> None:
    desk = Desk(configuration(control_input=(*FLAGS, corrid(datatype))))
    for flags in ("s", "", "e"):
        item = desk.offer(sequence, flags)
        desk.run()
        assert controls(item) == {
            "START": flags == "s",
            "END": flags == "e",
            "READY": True,
            "CORRID": told,
        }
        assert item.inputs["START"].shape == (1, 1)


def test_without_a_batch_dim_there_is_one_slot_and_controls_have_one_value() -> None:
    desk = Desk(configuration(max_batch_size=0, control_input=FLAGS))
    first, other = desk.offer(1, "se"), desk.offer(2, "s")
    assert desk.run() == [first]
    assert first.inputs["END"].shape == (1,)
    assert desk.run() == [other]


def test_a_backlog_is_first_come_first_served() -> None:
    desk = Desk(configuration(max_batch_size=1))
    first = desk.offer(1, "s")
    waiting = [desk.offer(2, "s"), desk.offer(3, "se"), desk.offer(2, "e")]
    assert desk.run() == [first]
    assert desk.next() == Wait(), "sequence 1 keeps its slot"
    last = desk.offer(1, "e")
    assert desk.run() == [last]
    assert [desk.run(), desk.run(), desk.run()] == [[waiting[0]], [waiting[2]], [waiting[1]]]


def test_oldest_has_as_many_slots_as_candidates() -> None:
    desk = Desk(configuration(OldestStrategy(max_candidate_sequences=2), max_batch_size=1))
    items = [desk.offer(n, "s") for n in (1, 2, 3)]
    assert [desk.run(), desk.run(), desk.run()] == [[items[0]], [items[1]], []]
    last = desk.offer(2, "e")
    assert [desk.run(), desk.run()] == [[last], [items[2]]]


def test_candidates_default_to_the_batch_size() -> None:
    desk = Desk(configuration(OldestStrategy(), max_batch_size=2))
    items = [desk.offer(n, "s") for n in (1, 2, 3)]
    assert desk.run() == items[:2]
    assert desk.run() == []


def test_a_repeated_start_ends_the_old_one_early(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk(configuration(control_input=FLAGS))
    a, b, again = desk.offer(7, "s"), desk.offer(7), desk.offer(7, "s")
    assert [desk.run(), desk.run(), desk.run()] == [[a], [b], [again]]
    assert controls(again)["START"]
    assert "Previous sequence will be terminated early" in caplog.text


def test_an_idle_sequence_frees_its_slot_exactly_when_due() -> None:
    desk = Desk(configuration(max_batch_size=1, max_sequence_idle_microseconds=1_000_000))
    desk.offer(1, "s")
    waiting = desk.offer(2, "s")
    desk.now = 5
    desk.run()
    assert desk.batcher.next_due() == SECOND + 5
    desk.expire(SECOND + 4)
    assert desk.next() == Wait()
    assert desk.offer(1) not in desk.refused, "not idle yet; and now it begins anew"
    desk.run()
    desk.expire(2 * SECOND + 4)
    assert desk.next() == [waiting]
    assert desk.offer(1) in desk.refused


def test_it_is_idle_for_those_who_ask_when_it_is_due() -> None:
    desk = Desk(configuration())
    desk.offer(1, "s")
    desk.run()
    desk.now = SECOND
    assert desk.offer(1) in desk.refused, "the timer need not have come before the request"


def test_what_waits_or_runs_is_not_idle() -> None:
    desk = Desk(configuration())
    item = desk.offer(1, "s")
    desk.expire(10 * SECOND)
    assert desk.next() == [item]
    desk.expire(20 * SECOND)
    assert desk.batcher.next_due() is None
    desk.finish([item])
    assert desk.batcher.next_due() == 21 * SECOND
    assert desk.offer(1) not in desk.refused


def test_drain_gives_back_what_waits() -> None:
    desk = Desk(configuration(max_batch_size=1))
    running, waiting = desk.offer(1, "s"), [desk.offer(1), desk.offer(2, "s"), desk.offer(2)]
    assert desk.next() == [running]
    assert desk.batcher.drain() == waiting
    assert not len(desk.batcher)
    desk.finish([running])
    assert desk.next() == Wait()
    assert desk.offer(1) in desk.refused
    assert desk.offer(3, "s") not in desk.refused, "its slot is free again"


def test_it_never_runs_inline() -> None:
    desk = Desk(configuration())
    assert not desk.batcher.immediate
    assert desk.batcher.per_instance
