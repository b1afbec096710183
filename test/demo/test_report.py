# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the demo prints and draws."""

from __future__ import annotations

import io

import numpy as np
import pytest

pytest.importorskip("rclpy")

from demo.client import Answer, Found, Results
from demo.contact_sheet import COLUMNS, Row, draw_sheet, pick
from demo.report import Progress, models_table, streams_table, table
from demo.verdict import StreamRun


def test_words_stand_left_and_numbers_right() -> None:
    lines = table(["name", "n"], [["a", "5"], ["long name", "12"]], {"name"}).splitlines()
    assert lines == ["name        n", "---------  --", "a           5", "long name  12"]


def test_a_log_gets_a_few_lines_of_progress() -> None:
    out = io.StringIO()
    progress = Progress("play  ", out)
    for step in range(1001):
        progress.show(step / 1000, "frames 7")
    progress.end()
    lines = out.getvalue().splitlines()
    assert len(lines) == 4
    assert lines[1] == f"play  [{'#' * 15}{'.' * 15}]  50%  frames 7"


def test_tables_show_the_nodes_numbers() -> None:
    run = StreamRun("faces", "/cam", frozenset({1}), [1], 9, 6, 4, {"superseded": 3})
    statuses = {
        "stream faces": {"latency_p50_ms": "12.34", "latency_p95_ms": "56.0"},
        "model m": {
            **{"state": "READY", "inferences": "9", "executions": "5"},
            **{"compute_infer_ms": "1.25", "batches_of_1": "1", "batches_of_2": "4"},
        },
        "model gone": {"state": "UNAVAILABLE"},
    }
    row = streams_table([run], statuses).splitlines()[-1]
    assert row.split() == ["faces", "/cam", "9", "6", "superseded", "3", "4", "12.3", "56.0"]
    rows = models_table(statuses).splitlines()[2:]
    assert [line.split() for line in rows] == [["m", "9", "5", "1.2", "1", "x1,", "2", "x4"]]


def answers(*labels: str) -> Results:
    """One answer a label, 0, 1, 2 ... ns; '' for one without detections; all with pictures."""
    results = Results()
    for stamp, label in enumerate(labels):
        box = (0.0, 0.0, 1.0, 1.0, 0.0)
        found = (Found(label, 0.9, box, "f", stamp),) if label else ()
        results.answers.append(Answer(stamp, "f", found))
        results.pictures[stamp] = np.zeros((480, 640, 3), np.uint8)
    return results


def test_the_sheet_shows_variety_before_repetition() -> None:
    results = answers("cat", "cat", "cat", "", "cup", "cup", "dog", "dog", "rare", "man", "man")
    labels = [answer.found[0].class_id for answer in pick(results)]
    assert labels == ["cat", "cup", "dog", "man"]


def test_one_subject_is_shown_from_all_of_its_time() -> None:
    assert [answer.stamp for answer in pick(answers(*["face"] * 16))] == [2, 6, 10, 14]
    assert [answer.stamp for answer in pick(answers("face", "face"))] == [0, 1]
    assert pick(answers("", "")) == []


def test_the_sheet_has_every_row_and_survives_long_captions() -> None:
    tile = np.full((480, 640, 3), 90, np.uint8)
    rows = [Row("signs", "a model", [(tile, "word " * 60)] * COLUMNS), Row("empty", "", [])]
    one, two = draw_sheet(rows[:1]), draw_sheet(rows)
    assert two.height > one.height
    assert (np.asarray(one) == 90).all(axis=2).sum() > COLUMNS * 400 * 290
