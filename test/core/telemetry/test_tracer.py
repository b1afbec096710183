# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which requests are traced: sampling, limits, and settings that change."""

from __future__ import annotations

from typing import Any

import pytest
from trace_checks import BOTH, Clock, Kept, started, tracer

from triton_ros.core.errors import InvalidArgumentError
from triton_ros.core.telemetry.trace_settings import SettingValue, TraceLevel, TraceSettings
from triton_ros.core.telemetry.tracer import CHUNK, Tracer


def sampled(source: Tracer, count: int, model: str = "m") -> list[int]:
    """Which of so many requests were traced; all of them end."""
    found = []
    for number in range(1, count + 1):
        if trace := source.start(model):
            found.append(number)
            trace.end()
    return found


def test_off_is_the_default() -> None:
    source = Tracer(TraceSettings(), Kept(), Clock())
    assert source.start("m") is None
    assert source.settings().as_json() == {
        "trace_level": ["OFF"],
        "trace_rate": "1000",
        "trace_count": "-1",
        "log_frequency": "0",
        "trace_file": "",
        "trace_mode": "triton",
    }


def test_the_rate() -> None:
    assert sampled(tracer(rate=3), 10) == [3, 6, 9]


def test_the_count() -> None:
    source = tracer(rate=2, count=2)
    assert sampled(source, 10) == [2, 4]
    assert not source.enabled, "nothing is left to take"
    assert source.settings().count == 0
    source.update({"trace_count": "1"})
    assert sampled(source, 10) == [2]


def test_a_parent_is_reason_enough() -> None:
    source = tracer(rate=2, count=1)
    assert source.start("m") is None
    parent = started(source)
    assert source.start("step", parent=parent) is not None


def test_log_frequency_rotates() -> None:
    sink = Kept()
    source = tracer(sink, log_frequency=2)
    sampled(source, 5)
    assert [(len(entries), numbered) for _, entries, numbered in sink.saved] == [
        (6, True),
        (6, True),
    ]
    source.close()
    assert len(sink.saved) == 3, "the rest, at close"
    assert sink.saved[2][2], "numbered, too"
    assert sink.closed == 1


@pytest.mark.parametrize(("level", "chunk"), [(TraceLevel.TIMESTAMPS, CHUNK), (BOTH, 1)])
def test_without_log_frequency_memory_is_bounded(level: TraceLevel, chunk: int) -> None:
    sink = Kept()
    source = tracer(sink, level, log_frequency=0)
    sampled(source, chunk)
    assert [(len(entries), numbered) for _, entries, numbered in sink.saved] == [(3 * chunk, False)]
    running = started(source)
    sampled(source, chunk - 1)
    source.close()
    assert len(sink.saved) == (2 if chunk > 1 else 1), "what had ended"
    running.end()


def test_the_last_of_a_count_is_saved_at_once() -> None:
    sink = Kept()
    source = tracer(sink, log_frequency=0, count=2)
    first, second = started(source), started(source)
    second.end()
    assert not sink.saved
    first.end()
    [(_, entries, numbered)] = sink.saved
    assert (len(entries), numbered) == (6, True)


def test_a_closed_tracer_takes_nothing() -> None:
    sink = Kept()
    source = tracer(sink)
    running = started(source)
    source.close()
    running.end()
    assert source.start("m") is None
    assert (sink.saved, sink.closed) == ([], 1)


def test_a_model_has_its_own_settings_and_falls_back() -> None:
    source = tracer(rate=4)
    source.update({"trace_rate": "2"}, "a")
    assert sampled(source, 4, "a") == [2, 4]
    assert sampled(source, 4, "b") == [4]
    source.update({"trace_rate": "3", "log_frequency": "7"})
    assert source.settings("a") == TraceSettings(BOTH, 2, -1, 7, "t.json")
    assert sampled(source, 6, "b") == [3, 6]
    source.update({"trace_rate": None}, "a")
    assert source.settings("a").rate == 3
    source.update({"trace_rate": None, "log_frequency": []})
    assert (source.settings().rate, source.settings().log_frequency) == (4, 1), "as started"


def test_a_model_may_be_the_only_one_that_is_traced() -> None:
    source = Tracer(TraceSettings(), Kept(), Clock())
    source.update({"trace_level": ["TIMESTAMPS"], "trace_rate": 1, "trace_file": "x"}, "a")
    assert sampled(source, 2, "a") == [1, 2]
    assert sampled(source, 2, "b") == []
    source.update({"trace_level": "OFF"}, "a")
    assert not source.enabled
    source.update({"trace_level": None, "trace_rate": None, "trace_file": None}, "a")
    assert source.settings("a") == TraceSettings()


def test_what_was_taken_stays_taken() -> None:
    source = tracer(count=5)
    source.update({"trace_count": "3"}, "a")
    sampled(source, 1, "a")
    source.update({"trace_rate": "1"}, "a")
    assert source.settings("a").count == 2
    sampled(source, 4)
    source.update({"trace_level": "TENSORS"}, "b")
    assert source.settings("b").count == 1


def test_running_traces_keep_the_settings_they_started_with() -> None:
    sink = Kept()
    source = tracer(sink, log_frequency=10)
    trace = started(source)
    source.update({"trace_level": "OFF"})
    assert source.start("m") is None
    assert not sink.saved
    trace.end()
    assert len(sink.saved) == 1, "nobody else will save it"
    source.close()
    assert len(sink.saved) == 1


def test_changed_settings_save_what_was_collected() -> None:
    sink = Kept()
    source = tracer(sink, log_frequency=10)
    sampled(source, 1)
    source.update({"log_frequency": "20"})
    assert len(sink.saved) == 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"trace_rate": "x"}, "Unable to parse 'trace_rate', got: x; accepted: a whole number"),
        (
            {"trace_rate": "-1"},
            "Unable to parse 'trace_rate', value is out of range [ 0, 4294967295 ], got: -1",
        ),
        (
            {"log_frequency": 2**32},
            "Unable to parse 'log_frequency', value is out of range"
            " [ 0, 4294967295 ], got: 4294967296",
        ),
        ({"trace_count": "-2"}, "Unable to parse 'trace_count'. Expecting value >= -1, got: -2"),
        (
            {"trace_rate": ["1", "2"]},
            "Unable to parse 'trace_rate', got: 1, 2; accepted: one value",
        ),
        (
            {"trace_level": ["OFF", "TENSORS"]},
            "Expect only one trace level 'OFF' is specified, got: OFF, TENSORS; accepted for"
            " trace_level: OFF alone, or TIMESTAMPS, TENSORS",
        ),
        (
            {"trace_level": ["MAX"]},
            "Unable to parse 'trace_level', got: MAX; accepted: OFF, TIMESTAMPS, TENSORS",
        ),
        (
            {"trace_speed": "1"},
            "unknown trace setting 'trace_speed'; accepted: trace_level, trace_rate, trace_count,"
            " log_frequency, trace_file",
        ),
        (
            {"trace_rate": "0"},
            "Attempting to set invalid trace setting :sample rate must be non-zero; trace_rate is"
            " 0, accepted: 1 or more",
        ),
        (
            {"trace_file": ""},
            "Attempting to set invalid trace setting :trace file name is not given; trace_file is"
            " '', accepted: a path",
        ),
    ],
)
def test_bad_settings_change_nothing(values: dict[str, SettingValue], message: str) -> None:
    source = tracer()
    before = source.settings()
    for model in ("", "a"):
        with pytest.raises(InvalidArgumentError) as caught:
            source.update({"trace_count": "5"} | values, model)
        assert str(caught.value).endswith(message)
        assert source.settings(model) == before


def test_a_global_change_that_breaks_a_model_names_it() -> None:
    source = tracer()
    source.update({"trace_level": "TENSORS"}, "a")
    changes: dict[str, Any] = {"trace_level": "OFF", "trace_rate": "0"}
    with pytest.raises(InvalidArgumentError, match="trace settings of model 'a', Attempting"):
        source.update(changes)
    assert source.settings().level is not TraceLevel.OFF


def test_an_empty_change_only_reads() -> None:
    source = tracer(rate=2)
    assert source.start("m") is None
    assert source.update({}) == source.settings()
    assert source.start("m") is not None, "the second request of the same settings"


def test_settings_that_cannot_be_followed_are_refused_at_start() -> None:
    with pytest.raises(InvalidArgumentError, match="trace file name is not given"):
        TraceSettings(TraceLevel.TIMESTAMPS)
