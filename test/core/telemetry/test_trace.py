# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Traces: what they hold, when they are saved, and the files."""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from full_disk import full_disk
from trace_checks import Clock, Kept, started, tracer

from triton_ros.core.request import Timing
from triton_ros.core.telemetry.trace_file import Entry, TraceFiles
from triton_ros.core.telemetry.trace_settings import TraceLevel, TraceSettings
from triton_ros.core.telemetry.tracer import Tracer
from triton_ros.core.tensor import Array


def timestamps(entries: list[Entry], trace_id: int = 1) -> dict[str, int]:
    return {
        stamp["name"]: stamp["ns"]
        for entry in entries
        if entry["id"] == trace_id
        for stamp in entry.get("timestamps", ())
    }


def test_the_events_of_a_request() -> None:
    sink = Kept()
    trace = started(tracer(sink), version=3, request_id="r")
    trace.event("HTTP_RECV_START", 0)
    trace.computed(100, Timing(20, 3, 4000, 50, 1))
    trace.end(5000)
    [(file, entries, numbered)] = sink.saved
    assert (file, numbered) == ("t.json", True)
    assert entries[0] == {"id": 1, "model_name": "m", "model_version": 3, "request_id": "r"}
    assert entries[1] == {"id": 1, "timestamps": [{"name": "REQUEST_START", "ns": 1}]}
    assert timestamps(entries) == {
        "REQUEST_START": 1,
        "HTTP_RECV_START": 0,
        "QUEUE_START": 100,
        "COMPUTE_START": 120,
        "COMPUTE_INPUT_END": 123,
        "COMPUTE_OUTPUT_START": 4123,
        "COMPUTE_END": 4173,
        "REQUEST_END": 5000,
    }


def test_the_version_that_answers_is_the_one_that_is_saved() -> None:
    sink = Kept()
    trace = started(tracer(sink))
    trace.model_version = 7
    trace.end()
    assert sink.saved[0][1][0] == {"id": 1, "model_name": "m", "model_version": 7}


def test_a_child_is_saved_with_its_parent() -> None:
    sink = Kept()
    source = tracer(sink)
    parent = started(source, "ensemble", request_id="r")
    child = source.start("step", 2, "r", parent=parent)
    assert child is not None
    inner = child.child("called")
    parent.end()
    inner.end()
    assert not sink.saved, "one is still running"
    child.end()
    [(_, entries, _)] = sink.saved
    heads = [entry for entry in entries if "model_name" in entry]
    assert [(h["id"], h["model_name"], h.get("parent_id")) for h in heads] == [
        (1, "ensemble", None),
        (2, "step", 1),
        (3, "called", 2),
    ]
    assert all(head["request_id"] == "r" for head in heads)


def test_a_frontend_holds_the_trace_until_it_has_sent() -> None:
    sink = Kept()
    trace = started(tracer(sink))
    trace.hold()
    trace.end()
    assert not sink.saved
    trace.event("HTTP_SEND_END", 9)
    trace.release()
    assert timestamps(sink.saved[0][1])["HTTP_SEND_END"] == 9


def test_it_ends_once() -> None:
    sink = Kept()
    source = tracer(sink)
    trace = started(source)
    trace.end(1)
    trace.end(2)
    late = trace.child("late")  # nobody is left to save it
    late.end()
    source.close()
    assert [timestamps(entries)["REQUEST_END"] for _, entries, _ in sink.saved] == [1]


class Source:
    """A tensor that is not made yet."""

    shape = (2, 3)
    dtype = np.dtype(np.uint8)

    def write(self, out: Array) -> None:
        raise AssertionError("tracing must not make tensors")


@pytest.mark.parametrize(
    ("array", "data", "shape", "dtype"),
    [
        (np.array([[0.1, 2]], np.float32), "0.1,2.0", "1,2", "FP32"),
        (np.array([0.5], np.float16), "0.5", "1", "FP16"),
        (np.array([200, 1], np.uint8), "200,1", "2", "UINT8"),
        (np.array([True, False]), "1,0", "2", "BOOL"),
        (np.array([b"a", 'q"', "ä"], object), '"a","q""","ä"', "3", "BYTES"),
        (np.array([b"\xff"], object), '"\\xff"', "1", "BYTES"),
        (np.zeros((0, 2), np.int64), "", "0,2", "INT64"),
        (np.array([1j]), "1j", "1", "complex128"),
        (Source(), "", "2,3", "UINT8"),
    ],
)
def test_tensors(array: Any, data: str, shape: str, dtype: str) -> None:
    sink = Kept()
    trace = started(tracer(sink))
    assert trace.wants_tensors
    trace.tensors("TENSOR_QUEUE_INPUT", {"x": array})
    if isinstance(array, np.ndarray) and array.dtype.kind != "O":
        array[...] = 0  # the trace has its own
    trace.end()
    [found] = [entry for entry in sink.saved[0][1] if "tensor" in entry]
    assert found == {
        "id": 1,
        "activity": "TENSOR_QUEUE_INPUT",
        "tensor": {"name": "x", "data": data, "shape": shape, "dtype": dtype},
    }


@pytest.mark.parametrize("level", [TraceLevel.TIMESTAMPS, TraceLevel.TENSORS])
def test_a_level_keeps_only_its_own(level: TraceLevel) -> None:
    sink = Kept()
    trace = started(tracer(sink, level))
    assert trace.wants_tensors == (level is TraceLevel.TENSORS)
    trace.tensors("TENSOR_BACKEND_OUTPUT", {"y": np.zeros(1)})
    trace.event("X", 1)
    trace.end()
    entries = sink.saved[0][1]
    assert [entry for entry in entries if "model_name" in entry], "the trace itself is always there"
    assert bool(timestamps(entries)) == (level is TraceLevel.TIMESTAMPS)
    assert any("tensor" in entry for entry in entries) == (level is TraceLevel.TENSORS)


def test_files_are_json_after_every_write(tmp_path: Path) -> None:
    files = TraceFiles()
    path = tmp_path / "t.json"
    for count in (1, 2, 3):
        files.save(str(path), [{"id": count}], numbered=False)
        assert json.loads(path.read_text()) == [{"id": n} for n in range(1, count + 1)]
    files.save(str(path), [{"id": 8}, {"id": 9}], numbered=True)
    files.save(str(path), [{"id": 10}], numbered=True)
    files.close()
    assert json.loads(Path(f"{path}.0").read_text()) == [{"id": 8}, {"id": 9}]
    assert json.loads(Path(f"{path}.1").read_text()) == [{"id": 10}]
    assert json.loads(path.read_text()) == [{"id": 1}, {"id": 2}, {"id": 3}]


def test_a_file_that_cannot_be_written_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = TraceFiles()
    missing = str(tmp_path / "no" / "t.json")
    with caplog.at_level(logging.ERROR):
        for numbered in (True, False, True):
            files.save(missing, [{"id": 1}], numbered)
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        f"failed creating trace file '{missing}'"
    ]
    files.close()


@pytest.mark.parametrize("size", [100, 9000])
def test_a_disk_that_was_full_costs_what_was_written_then(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, size: int
) -> None:
    files = TraceFiles()
    path = tmp_path / "t.json"
    files.save(str(path), [{"id": 1}], numbered=False)
    with full_disk(left=64):
        for _ in range(2):
            files.save(str(path), [{"text": "x" * size}], numbered=False)
    assert len(caplog.records) == 1
    assert json.loads(path.read_text()) == [{"id": 1}]
    files.save(str(path), [{"id": 2}], numbered=False)
    files.close()
    assert json.loads(path.read_text()) == [{"id": 1}, {"id": 2}]


def test_traces_of_many_threads_are_all_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    settings = TraceSettings(TraceLevel.TIMESTAMPS, rate=1, file=str(path))
    source = Tracer(settings, TraceFiles(), Clock())

    def request() -> None:
        for _ in range(60):
            trace = started(source)
            trace.computed(1, Timing(1, 1, 1, 1, 1))
            trace.child("c").end()
            trace.end()

    threads = [threading.Thread(target=request) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    source.close()
    entries = json.loads(path.read_text())
    heads = [entry["id"] for entry in entries if "model_name" in entry]
    assert sorted(heads) == list(range(1, 481))
    ends = [e for e in entries if e.get("timestamps", [{}])[0].get("name") == "REQUEST_END"]
    assert len(ends) == 480
