# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the demo prints: a progress bar and two tables, plain text."""

from __future__ import annotations

import sys
import time
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import TextIO, TypeAlias

from demo.verdict import StreamRun

Statuses: TypeAlias = Mapping[str, Mapping[str, str]]

BAR = 30
REDRAW_S = 0.1
STEPS = 4
"""Lines that a progress bar becomes where its output is not a terminal."""


class Progress:
    """One line that is redrawn; a few lines in a log."""

    def __init__(self, title: str, out: TextIO = sys.stdout) -> None:
        self._title, self._out = title, out
        self._live = out.isatty()
        self._step, self._next = 1, 0.0
        """The next line of a log, and when a terminal's line is drawn again."""

    def show(self, share: float, note: str) -> None:
        """How far it is, 0..1, and a word about it."""
        if self._live:
            if time.monotonic() >= self._next or share >= 1:
                self._next = time.monotonic() + REDRAW_S
                self._out.write(f"\r{self._line(share, note)}\x1b[K")
        elif share * STEPS >= self._step:
            self._step = int(share * STEPS) + 1
            self._out.write(f"{self._line(share, note)}\n")
        self._out.flush()

    def end(self) -> None:
        if self._live:
            self._out.write("\n")

    def _line(self, share: float, note: str) -> str:
        done = round(min(share, 1.0) * BAR)
        return f"{self._title}[{'#' * done}{'.' * (BAR - done)}] {share:4.0%}  {note}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], words: Container[str]) -> str:
    """Columns under each other, those named in `words` from the left and numbers from the right."""
    lines = [header, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width for width in widths])
    left = [name in words for name in header]
    return "\n".join(_line(line, widths, left) for line in lines)


def _line(cells: Sequence[str], widths: Sequence[int], left: Sequence[bool]) -> str:
    padded = [
        cell.ljust(width) if is_left else cell.rjust(width)
        for cell, width, is_left in zip(cells, widths, left, strict=True)
    ]
    return "  ".join(padded).rstrip()


def streams_table(runs: Iterable[StreamRun], statuses: Statuses) -> str:
    """Frames and times of every stream, from reception to publication."""
    header = ["stream", "topic", "frames in", "answered", "dropped", "detections"]
    header += ["p50 ms", "p95 ms"]
    rows = []
    for run in runs:
        values = statuses.get(f"stream {run.name}", {})
        times = [f"{float(values.get(f'latency_{p}_ms', 0)):.1f}" for p in ("p50", "p95")]
        frames = [str(run.received), str(run.answered), _counts(run.dropped)]
        rows.append([run.name, run.topic, *frames, str(run.detections), *times])
    return table(header, rows, {"stream", "topic"})


def models_table(statuses: Statuses) -> str:
    """Runs of every model since it was loaded; a batch of n are n frames or regions in one run."""
    header = ["model", "inferences", "executions", "infer ms", "batch sizes"]
    rows = []
    for name, values in statuses.items():
        if name.startswith("model ") and values.get("state") == "READY":
            numbers = [values.get(key, "-") for key in ("inferences", "executions")]
            time_ms = f"{float(values.get('compute_infer_ms', 0)):.1f}"
            rows.append([name.removeprefix("model "), *numbers, time_ms, _batches(values)])
    return table(header, rows, {"model", "batch sizes"})


def numbered(values: Mapping[str, str], prefix: str) -> dict[str, int]:
    """Those of a status whose keys start like this, without the prefix."""
    return {
        key.removeprefix(prefix): int(value)
        for key, value in values.items()
        if key.startswith(prefix)
    }


def _counts(values: Mapping[str, int]) -> str:
    """`superseded 3, undecodable 1`; 0 for none."""
    return ", ".join(f"{name} {count}" for name, count in values.items() if count) or "0"


def _batches(values: Mapping[str, str]) -> str:
    """`1 x80, 3 x12`: batches of one, eighty times."""
    sizes = sorted((int(size), n) for size, n in numbered(values, "batches_of_").items())
    return ", ".join(f"{size} x{n}" for size, n in sizes) or "-"
