# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Answers drawn on a copy of the frame, for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

from triton_ros.core.tensor import Array
from triton_ros.vision.colors import Color, color
from triton_ros.vision.draw_maps import draw_maps
from triton_ros.vision.geometry import box_quads

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_LEAST_SCORE = 0.3
"""Points that are less sure than this are not drawn."""
_MANY = 40
"""So many points of one thing are drawn small."""
# COCO's 17 points of a person, as every pose model of that set has them.
_PERSON = (
    *((5, 7), (7, 9), (6, 8), (8, 10), (5, 6), (5, 11), (6, 12), (11, 12)),
    *((11, 13), (13, 15), (12, 14), (14, 16), (0, 1), (0, 2), (1, 3), (2, 4)),
)


def annotate(bgr: Array, outputs: Mapping[str, Array]) -> Array:
    """A copy of a BGR uint8 frame [h, w, 3] with a processor's outputs drawn on it.

    Draws maps, quads (REGIONS) or else boxes (BOXES) with label, score, track and attributes, and
    KEYPOINTS; the answer of a classifier is written in the corner.  Characters that OpenCV's font
    lacks become '?'.
    """
    canvas = np.ascontiguousarray(bgr).copy()
    pen = _Pen(canvas)
    quads = _quads(outputs)
    captions = _captions(outputs, len(quads))
    keys = _color_keys(outputs, len(quads))
    draw_maps(canvas, outputs, keys)
    inks = [color(key) for key in keys]
    for quad, ink in zip(quads, inks, strict=True):
        pen.outline(quad, ink)
    _draw_points(pen, outputs, inks)
    # Captions last: no outline may run through a text; the best (first) on top of the others.
    for quad, caption, ink in reversed(list(zip(quads, captions, inks, strict=False))):
        pen.caption(caption, quad, ink)
    if "BOXES" not in outputs and "REGIONS" not in outputs:
        pen.lines(captions)
    return canvas


def _draw_points(pen: _Pen, outputs: Mapping[str, Array], inks: list[Color]) -> None:
    sets = outputs.get("KEYPOINTS", np.zeros((0, 0, 2), np.float32))
    scores = outputs.get("KEYPOINT_SCORES", np.ones(sets.shape[:2], np.float32))
    # A broken model's NaN is no place.
    drawn = (scores >= _LEAST_SCORE) & np.isfinite(sets).all(axis=2)
    for index, (points, sure) in enumerate(zip(sets, drawn, strict=True)):
        ink = inks[index] if index < len(inks) else color(index)
        if len(points) == 17:
            for one, other in _PERSON:
                if sure[one] and sure[other]:
                    pen.line(points[one], points[other], ink)
        pen.dots(points[sure], ink, small=len(points) > _MANY)


class _Pen:
    """Draws on one canvas with strokes and letters that suit its size."""

    def __init__(self, canvas: Array) -> None:
        self._canvas = canvas
        side = min(canvas.shape[:2])
        self._stroke = max(1, round(side / 240))
        self._scale = max(0.4, side / 800)
        self._bold = max(1, round(self._scale * 1.6))

    def outline(self, quad: Array, color: Color) -> None:
        points = np.rint(np.clip(quad, -32768, 32767)).astype(np.int32)
        cv2.polylines(self._canvas, [points], True, color, self._stroke, cv2.LINE_AA)

    def line(self, one: Array, other: Array, color: Color) -> None:
        ends = np.rint(np.clip([one, other], -32768, 32767)).astype(int).tolist()
        cv2.line(self._canvas, ends[0], ends[1], color, self._stroke, cv2.LINE_AA)

    def dots(self, points: Array, color: Color, small: bool = False) -> None:
        for x, y in np.rint(np.clip(points, -32768, 32767)).astype(int).tolist():
            if small:
                cv2.circle(self._canvas, (x, y), 1, color, -1)
                continue
            cv2.circle(self._canvas, (x, y), self._stroke + 1, (255, 255, 255), -1, cv2.LINE_AA)
            cv2.circle(self._canvas, (x, y), self._stroke, color, -1, cv2.LINE_AA)

    def caption(self, text: str, quad: Array, color: Color) -> None:
        """Above the quad, or as high as the canvas goes."""
        if not text:
            return
        left, top = np.floor(np.clip(quad.min(axis=0), 0, 32767)).astype(int).tolist()
        width, height = self._size(text)
        self._label(text, left, top - height, width, height, color)

    def lines(self, texts: list[str]) -> None:
        for index, text in enumerate(texts):
            width, height = self._size(text)
            self._label(text, 0, index * height, width, height, (40, 40, 40))

    def _size(self, text: str) -> tuple[int, int]:
        (width, height), base = cv2.getTextSize(text, _FONT, self._scale, self._bold)
        return width + 4, height + base + 2

    def _label(self, text: str, x: int, y: int, width: int, height: int, color: Color) -> None:
        x = max(0, min(x, self._canvas.shape[1] - width))
        y = max(0, min(y, self._canvas.shape[0] - height))
        cv2.rectangle(self._canvas, (x, y), (x + width, y + height), color, -1)
        (_, base) = cv2.getTextSize(text, _FONT, self._scale, self._bold)
        bright = sum(color) > 380
        ink = (0, 0, 0) if bright else (255, 255, 255)
        at = (x + 2, y + height - base)
        cv2.putText(self._canvas, text, at, _FONT, self._scale, ink, self._bold, cv2.LINE_AA)


def _quads(outputs: Mapping[str, Array]) -> Array:
    """[n, 4, 2] of whatever the answer has."""
    if "REGIONS" in outputs:
        return outputs["REGIONS"]
    boxes = outputs.get("BOXES", np.zeros((0, 4), np.float32))
    return box_quads(boxes)


def _captions(outputs: Mapping[str, Array], quads: int) -> list[str]:
    labels = [_plain(label) for label in outputs.get("LABELS", ())]
    scores = [f"{score:.2f}" for score in outputs.get("SCORES", ())]
    tracks = [f"#{track}" if track else "" for track in outputs.get("TRACK_IDS", ())]
    names = sorted(name for name in outputs if name.startswith("LABELS_"))
    rows = [tracks, labels, scores, *([_plain(label) for label in outputs[n]] for n in names)]
    count = max(quads, *map(len, rows))
    filled = [row + [""] * (count - len(row)) for row in rows]
    return [" ".join(filter(None, parts)) for parts in zip(*filled, strict=True)]


def _plain(label: Any) -> str:
    text = label.decode("utf-8", "replace") if isinstance(label, bytes) else str(label)
    return "".join(c if " " <= c <= "~" else "?" for c in text)


def _color_keys(outputs: Mapping[str, Array], count: int) -> list[int]:
    """One colour a track or else a class; one an item where there is neither."""
    if "INSTANCE_MAP" in outputs:
        return list(range(count))
    ids = outputs.get("TRACK_IDS", outputs.get("CLASS_IDS"))
    if ids is None or len(ids) != count:
        return list(range(count))
    return [int(i) for i in ids]
