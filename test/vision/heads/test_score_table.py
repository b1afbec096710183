# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Candidates are looked for without working out every score; nothing is found otherwise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from triton_ros.vision.heads.base import activate, surer
from triton_ros.vision.heads.score_table import ScoreTable

LOGITS = st.floats(-100, 100, width=32) | st.sampled_from([np.nan, np.inf])
THRESHOLDS = st.floats(0, 1) | st.sampled_from([1e-38, 1 - 1e-12, 0.5, 0.9999999])
ROWS = arrays.arrays(np.float32, st.tuples(st.integers(0, 9), st.integers(1, 4)), elements=LOGITS)


@given(ROWS, THRESHOLDS)
def test_as_if_every_sigmoid_was_worked_out(rows: Any, threshold: float) -> None:
    logits = rows.reshape(-1)
    scores = activate(logits, "sigmoid")
    expected = np.flatnonzero(scores > threshold)
    found, sure = surer(logits, threshold)
    assert found.tolist() == expected.tolist()
    assert sure.tolist() == scores[expected].tolist()


@given(ROWS, THRESHOLDS, st.booleans())
@pytest.mark.parametrize("activation", ["none", "sigmoid", "softmax"])
def test_the_best_class_of_each_row_counts(
    activation: str, rows: Any, threshold: float, classes_first: bool
) -> None:
    if activation == "softmax":
        rows = np.nan_to_num(rows)
    best = activate(rows, activation).max(axis=1)
    expected = np.flatnonzero(best > threshold)
    table = ScoreTable(activation, classes_first=classes_first)
    raw = np.ascontiguousarray(rows.T) if classes_first else rows
    found, scores, classes = table.candidates(raw, threshold)
    assert found.tolist() == expected.tolist()
    assert scores.tolist() == pytest.approx(best[expected].tolist(), rel=1e-6)
    # a sigmoid is worked out of the best only; equal shares of a softmax may be unequal logits
    ordered = activate(rows, activation) if activation == "softmax" else rows
    assert classes.tolist() == ordered[expected].argmax(axis=1).tolist()


@pytest.mark.parametrize("threshold", [0.001, 0.1, 0.5, 0.9, 0.999, 0.9999995])
def test_at_the_edge_of_a_threshold(threshold: float) -> None:
    """However float32 rounds the sigmoid there."""
    edge = np.log(threshold / (1 - threshold))
    logits = np.linspace(edge - 0.5, edge + 0.5, 20_001).astype(np.float32)
    expected = np.flatnonzero(activate(logits, "sigmoid") > threshold)
    assert 0 < len(expected) < len(logits)
    assert surer(logits, threshold)[0].tolist() == expected.tolist()
