# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What was found in a frame, as lines for people and as JSON for programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from triton_ros.core.tensor import Array


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Columns, numbers to the right."""
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *texts, strict=True)]
    numeric = [bool(texts) and all(_is_number(row[at]) for row in texts) for at in range(len(head))]
    lines = [
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ).rstrip()
        for row in [list(head), *texts]
    ]
    return "\n".join(lines)


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).replace("-", "", 1).isdigit() or text == "-"


def found_in(outputs: Mapping[str, Array]) -> list[dict[str, Any]]:
    """One mapping a thing that was found: class, score, box [x0, y0, x1, y1] or corners, points.

    Of a model of maps or raw tensors: their shapes.
    """
    counts = [
        len(outputs[name])
        for name in ("BOXES", "REGIONS", "LABELS", "KEYPOINTS")
        if name in outputs
    ]
    if not counts:
        return [{"output": name, "shape": list(value.shape)} for name, value in outputs.items()]
    return [_row(outputs, index) for index in range(counts[0])]


_FIELDS = (
    ("LABELS", "class"),
    ("SCORES", "score"),
    ("BOXES", "box"),
    ("KEYPOINTS", "keypoints"),
    ("KEYPOINT_SCORES", "keypoint_scores"),
    ("TRACK_IDS", "track"),
)


def _row(outputs: Mapping[str, Array], index: int) -> dict[str, Any]:
    row = {field: _plain(outputs[name][index]) for name, field in _FIELDS if name in outputs}
    if "BOXES" not in outputs and "REGIONS" in outputs:
        row["corners"] = _plain(outputs["REGIONS"][index])
    for name in outputs:
        if name.startswith(("LABELS_", "SCORES_")):
            row[name.lower()] = _plain(outputs[name][index])
    return row


def _plain(value: Any) -> Any:
    """A number, text or nested list that JSON has; numbers with what is worth of them."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, str):
        return value
    plain = value.tolist()
    return _rounded(plain)


def _rounded(value: Any) -> Any:
    if isinstance(value, list):
        return [_rounded(entry) for entry in value]
    return round(value, 4) if isinstance(value, float) else value
