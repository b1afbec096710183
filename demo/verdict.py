# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What must be true after the demo: every frame accounted for, something found, nothing twice.

Numbers come from both ends, the node's own counters and what arrived here, and have to agree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class StreamRun:
    """One stream: what was sent to it, what the node counted, what came back."""

    name: str
    topic: str
    sent: frozenset[int]
    """Stamps of the frames that were published."""
    answers: Sequence[int]
    """Stamps of the answers that arrived here, in their order."""
    received: int
    answered: int
    detections: int
    dropped: Mapping[str, int] = field(default_factory=dict)
    answered_by: Mapping[str, int] = field(default_factory=dict)
    """Frames by model, for the stream whose model was swapped."""


def problems(runs: Sequence[StreamRun], refusals: Mapping[str, str]) -> Iterator[str]:
    """Everything that is wrong; `refusals`: each change and why it was refused, or ''."""
    for change, refusal in refusals.items():
        if refusal:
            yield f"{change}: {refusal}"
    for run in runs:
        for check in (_frames, _answers, _models):
            yield from (f"{run.name}: {text}" for text in check(run))


def _frames(run: StreamRun) -> Iterator[str]:
    lost = len(run.sent) - run.received
    if lost:
        yield f"{lost} of {len(run.sent)} frames of {run.topic} never reached the node"
    waiting = run.received - run.answered - sum(run.dropped.values())
    if waiting:
        yield f"{waiting} frames were neither answered nor counted as dropped"
    for reason, count in run.dropped.items():
        # The newest frame wins over older ones: by design on a machine that cannot keep up.
        if count and reason != "superseded":
            yield f"{count} frames were dropped: {reason}"


def _answers(run: StreamRun) -> Iterator[str]:
    different = set(run.answers)
    if len(different) != len(run.answers):
        yield f"{len(run.answers) - len(different)} frames were answered twice"
    if different - run.sent:
        yield f"{len(different - run.sent)} answers carry a stamp that no frame had"
    if len(different) != run.answered:
        yield f"the node published {run.answered} answers, {len(different)} arrived"
    if list(run.answers) != sorted(run.answers):
        yield "answers came in another order than their frames"
    if not run.detections:
        yield "nothing was detected"


def _models(run: StreamRun) -> Iterator[str]:
    idle = [model for model, count in run.answered_by.items() if not count]
    if idle:
        yield f"{', '.join(idle)} answered no frame, so the swap was not seen"
    total = sum(run.answered_by.values())
    if run.answered_by and total != run.answered:
        yield f"its models answered {total} frames, the stream {run.answered}"
