# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The demo must fail loudly: every kind of loss has to be seen."""

from __future__ import annotations

from dataclasses import replace

import pytest

from demo.verdict import StreamRun, problems

GOOD = StreamRun(
    name="faces",
    topic="/camera",
    sent=frozenset({10, 20, 30, 40}),
    answers=[10, 30, 40],
    received=4,
    answered=3,
    detections=5,
    dropped={"superseded": 1},
    answered_by={"a": 1, "b": 2},
)


def found(run: StreamRun, **refusals: str) -> str:
    return "\n".join(problems([run], refusals))


def test_a_good_run_has_no_problems() -> None:
    assert not found(GOOD, swap="", reload="")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"received": 3, "dropped": {}}, "1 of 4 frames of /camera never reached the node"),
        ({"dropped": {}}, "1 frames were neither answered nor counted as dropped"),
        ({"dropped": {"model_error": 1}}, "1 frames were dropped: model_error"),
        ({"answers": [10, 30, 30, 40]}, "1 frames were answered twice"),
        ({"answers": [10, 30, 41]}, "1 answers carry a stamp that no frame had"),
        ({"answers": [10, 30]}, "the node published 3 answers, 2 arrived"),
        ({"answers": [30, 10, 40]}, "answers came in another order than their frames"),
        ({"detections": 0}, "nothing was detected"),
        ({"answered_by": {"a": 0, "b": 3}}, "a answered no frame"),
        ({"answered_by": {"a": 2, "b": 2}}, "its models answered 4 frames, the stream 3"),
    ],
)
def test_each_loss_is_a_problem(change: dict[str, object], problem: str) -> None:
    lines = found(replace(GOOD, **change)).splitlines()  # type: ignore[arg-type]
    assert len(lines) == 1
    assert lines[0].startswith(f"faces: {problem}")


def test_a_refused_change_is_a_problem() -> None:
    assert found(GOOD, swap="no such model", reload="") == "swap: no such model"
