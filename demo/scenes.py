# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the demo's two cameras see: photographs from scikit-image, and a camera that moves.

The photographs ship in scikit-image's wheel, so nothing is downloaded.  None of them shows a sign,
so boards with words are painted into some, in perspective and before the camera moves; the page
of text on the brick wall is a real photograph of print.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from skimage import data

Picture: TypeAlias = NDArray[np.uint8]
"""RGB, [height, width, 3]."""
Color: TypeAlias = tuple[int, int, int]

WIDTH, HEIGHT = 640, 480
WHITE, BLACK, GREEN = (250, 250, 246), (22, 22, 24), (0, 112, 66)
YELLOW, BLUE, CARD = (250, 204, 21), (18, 60, 140), (222, 190, 146)


@dataclass(frozen=True, slots=True)
class View:
    """What the camera looks at: centre and height, as shares of the photograph."""

    x: float
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Board:
    """A sign in a photograph: its words and the corners (TL, TR, BR, BL) in pixels."""

    words: str
    corners: tuple[tuple[int, int], ...]
    paper: Color
    ink: Color


@dataclass(frozen=True, slots=True)
class Scene:
    """One photograph; the camera moves over it from one view to another."""

    name: str
    photograph: Callable[[], Picture]
    start: View
    end: View
    boards: tuple[Board, ...] = ()

    def paint(self) -> Picture:
        """The photograph with its boards."""
        picture = self.photograph().copy()
        for board in self.boards:
            hang(picture, render_board(board), board.corners)
        return picture


def look(picture: Picture, scene: Scene, share: float) -> Picture:
    """The frame [480, 640, 3] at a share 0..1 of the scene's time."""
    eased = share * share * (3 - 2 * share)
    x, y, height = (
        (1 - eased) * a + eased * b
        for a, b in (
            (scene.start.x, scene.end.x),
            (scene.start.y, scene.end.y),
            (scene.start.height, scene.end.height),
        )
    )
    rows, columns = picture.shape[:2]
    zoom = HEIGHT / (height * rows)
    move = np.array(
        [[zoom, 0, WIDTH / 2 - zoom * x * columns], [0, zoom, HEIGHT / 2 - zoom * y * rows]]
    )
    frame = cv2.warpAffine(
        picture, move, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
    )
    return np.asarray(frame, np.uint8)


def render_board(board: Board) -> Picture:
    """The sign seen from the front, as large as its words need."""
    font = ImageFont.load_default(44)
    # Wide gaps: the recognition model was trained on Chinese, which has none.
    words = board.words.replace(" ", "   ")
    left, top, right, bottom = font.getbbox(words)
    size = round(right - left) + 56, round(bottom - top) + 48
    image = Image.new("RGB", size, board.paper)
    pen = ImageDraw.Draw(image)
    pen.rectangle((5, 5, size[0] - 6, size[1] - 6), outline=board.ink, width=3)
    pen.text((28 - left, 24 - top), words, board.ink, font, stroke_width=1)
    return np.asarray(image)


def hang(picture: Picture, board: Picture, corners: tuple[tuple[int, int], ...]) -> None:
    """Paint a board into a picture so that its corners come where they belong."""
    height, width = board.shape[:2]
    flat = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    there = cv2.getPerspectiveTransform(flat, np.array(corners, np.float32))
    size = picture.shape[1], picture.shape[0]
    cover = np.ones((height, width), np.float32)
    seen = cv2.warpPerspective(cover, there, size, flags=cv2.INTER_LINEAR)[..., None]
    painted: NDArray[Any] = cv2.warpPerspective(board, there, size, flags=cv2.INTER_LINEAR)
    picture[:] = np.where(seen > 0, picture * (1 - seen) + painted * seen, picture)


def photograph(name: str) -> Picture:
    """One of scikit-image's by its name there; gray ones in three equal channels."""
    picture = np.asarray(getattr(data, name)(), np.uint8)
    return picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)


def _motorcycle() -> Picture:
    left, _, _ = data.stereo_motorcycle()  # type: ignore[no-untyped-call]
    return np.asarray(left, np.uint8)


def _brick_wall() -> Picture:
    """Bricks, and the photographed page hung on them."""
    wall = np.asarray(cv2.resize(photograph("brick")[:384], (1024, 768)), np.uint8)
    hang(wall, photograph("page"), ((206, 216), (838, 196), (850, 536), (198, 536)))
    return wall


FRONT_SCENES = (
    Scene("coffee", partial(photograph, "coffee"), View(0.43, 0.50, 0.96), View(0.38, 0.46, 0.84)),
    Scene(
        "astronaut",
        partial(photograph, "astronaut"),
        View(0.50, 0.38, 0.74),
        View(0.47, 0.32, 0.58),
    ),
    Scene("cat", partial(photograph, "cat"), View(0.46, 0.50, 0.98), View(0.56, 0.48, 0.84)),
    Scene("camera", partial(photograph, "camera"), View(0.50, 0.40, 0.74), View(0.42, 0.36, 0.60)),
    Scene("motorcycle", _motorcycle, View(0.46, 0.50, 0.96), View(0.58, 0.55, 0.82)),
)
SIDE_SCENES = (
    Scene(
        "garage",
        _motorcycle,
        View(0.46, 0.46, 0.92),
        View(0.54, 0.44, 0.84),
        (
            Board("WORKSHOP", ((215, 22), (375, 26), (375, 72), (215, 72)), BLUE, WHITE),
            Board("BAY 07", ((548, 150), (650, 154), (650, 198), (548, 192)), YELLOW, BLACK),
            # On its head: the second model of the ensemble is there to notice.
            Board("THIS SIDE UP", ((442, 420), (252, 412), (256, 368), (446, 374)), CARD, BLACK),
        ),
    ),
    Scene("wall", _brick_wall, View(0.50, 0.50, 0.76), View(0.52, 0.48, 0.68)),
    Scene(
        "coffee",
        partial(photograph, "coffee"),
        View(0.50, 0.50, 0.96),
        View(0.45, 0.52, 0.88),
        (
            Board("ESPRESSO 2.40", ((52, 22), (206, 34), (200, 84), (44, 72)), WHITE, BLACK),
            Board("TABLE 11", ((412, 318), (520, 338), (512, 384), (402, 362)), BLUE, WHITE),
        ),
    ),
    Scene(
        "rocket",
        partial(photograph, "rocket"),
        View(0.46, 0.55, 0.90),
        View(0.54, 0.55, 0.84),
        (
            Board("LAUNCH AREA", ((110, 210), (290, 214), (290, 260), (110, 264)), WHITE, BLACK),
            Board("EXIT", ((400, 150), (496, 146), (496, 196), (400, 194)), GREEN, WHITE),
            Board("KEEP CLEAR", ((362, 362), (518, 371), (514, 409), (360, 399)), YELLOW, BLACK),
        ),
    ),
)
