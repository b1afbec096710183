# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What is drawn, and that nothing can break it."""

from __future__ import annotations

import numpy as np
import pytest

from triton_ros.core.tensor import Array
from triton_ros.vision.draw import annotate


def texts(*items: str) -> Array:
    return np.array(items, np.object_)


def boxes_answer(count: int = 2) -> dict[str, Array]:
    boxes = np.array([[20, 40, 80, 90], [100, 50, 150, 110]], np.float32)[:count]
    return {
        "BOXES": boxes,
        "SCORES": np.array([0.91, 0.5], np.float32)[:count],
        "CLASS_IDS": np.array([0, 3], np.int32)[:count],
        "LABELS": texts("cat", "dog")[:count],
    }


@pytest.fixture
def blank() -> Array:
    return np.full((160, 200, 3), 128, np.uint8)


def changed(before: Array, after: Array) -> Array:
    return (before != after).any(axis=-1)


def test_a_copy_is_drawn_on(blank: Array) -> None:
    before = blank.copy()
    drawn = annotate(blank, boxes_answer())
    assert np.array_equal(blank, before)
    assert drawn.shape == blank.shape
    mask = changed(blank, drawn)
    assert mask[40:90, 20].all()
    assert mask[90, 20:80].all()
    assert mask[24:40, 22:40].any(), "the caption stands above the box"
    assert not mask[60:80, 30:70].any(), "the inside stays free"


def test_classes_have_colours(blank: Array) -> None:
    drawn = annotate(blank, boxes_answer())
    assert drawn[70, 20].tolist() != drawn[100, 100].tolist()


def test_nothing_found_draws_nothing(blank: Array) -> None:
    assert np.array_equal(annotate(blank, boxes_answer(0)), blank)
    assert np.array_equal(annotate(blank, {}), blank)


def test_quads_and_keypoints(blank: Array) -> None:
    quad = np.array([[[50, 50], [120, 80], [110, 110], [40, 80]]], np.float32)
    drawn = annotate(blank, {"REGIONS": quad, "LABELS": texts("EXIT"), "SCORES": np.ones(1)})
    assert changed(blank, drawn)[64:67, 84:87].any()
    face = {**boxes_answer(1), "KEYPOINTS": np.array([[[30, 60], [60, 70]]], np.float32)}
    mask = changed(blank, annotate(blank, face))
    assert mask[60, 30]
    assert mask[70, 60]


def test_a_classification_is_written_in_the_corner(blank: Array) -> None:
    answer = {"LABELS": texts("cat", "dog"), "SCORES": np.array([0.9, 0.1])}
    rows = np.flatnonzero(changed(blank, annotate(blank, answer)).any(axis=1))
    assert rows.min() <= 1
    one = {name: value[:1] for name, value in answer.items()}
    assert rows.max() > np.flatnonzero(changed(blank, annotate(blank, one)).any(axis=1)).max()


def test_captions_stay_on_the_canvas(blank: Array) -> None:
    answer = boxes_answer(1)
    answer["BOXES"] = np.array([[190, 0, 200, 160]], np.float32)
    answer["LABELS"] = texts("a rather long caption")
    mask = changed(blank, annotate(blank, answer))
    assert mask[:16, 20:180].any()


@pytest.mark.parametrize("label", ["禁煙", "naïve\n\x00", ""])
def test_any_text(blank: Array, label: str) -> None:
    drawn = annotate(blank, {**boxes_answer(1), "LABELS": texts(label)})
    assert changed(blank, drawn).any()


@pytest.mark.parametrize("shape", [(1, 1, 3), (24, 32, 3), (1080, 1920, 3)])
def test_any_size_with_boxes_far_outside(shape: tuple[int, ...]) -> None:
    answer = boxes_answer(1)
    answer["BOXES"] = np.array([[-1e9, -5, 1e9, 5000]], np.float32)
    assert annotate(np.zeros(shape, np.uint8), answer).shape == shape


def test_letters_grow_with_the_frame() -> None:
    heights = []
    for scale in (1, 3):
        frame = np.zeros((480 * scale, 640 * scale, 3), np.uint8)
        mask = changed(frame, annotate(frame, {"LABELS": texts("x")}))
        heights.append(mask.any(axis=1).sum())
    assert heights[0] >= 12
    assert heights[1] > 2 * heights[0]


def test_read_only_and_strided_frames(blank: Array) -> None:
    view = np.frombuffer(blank.tobytes(), np.uint8).reshape(blank.shape)[:, ::-1]
    assert changed(view, annotate(view, boxes_answer())).any()


def test_maps_are_veils_over_the_frame() -> None:
    frame = np.full((40, 60, 3), 90, np.uint8)
    ids = np.zeros((40, 60), np.uint8)
    ids[:, 30:] = 3
    found = annotate(frame, {"CLASS_MAP": ids})
    assert (found[:, :30] == 90).all()
    assert (found[:, 30:] != 90).any(axis=2).all()
    assert len(np.unique(found[:, 30:].reshape(-1, 3), axis=0)) == 1
    instances = np.where(ids, 2, 1).astype(np.uint16)
    two = annotate(frame, {"BOXES": np.zeros((2, 4), np.float32), "INSTANCE_MAP": instances})
    assert not np.array_equal(two[30, 10], two[30, 50])


def test_depth_takes_the_place_of_the_frame() -> None:
    depth = np.full((40, 60), 2.0, np.float32)
    depth[:, 30:] = 8.0
    depth[:10] = np.nan
    found = annotate(np.full((40, 60, 3), 90, np.uint8), {"DEPTH": depth})
    near, far, none = found[20, 10], found[20, 50], found[2, 2]
    assert near[2] > near[0]
    assert far[0] > far[2]
    assert not none.any()
    assert not annotate(found, {"DEPTH": np.full((40, 60), np.nan, np.float32)}).any()


def test_captions_tell_tracks_and_attributes() -> None:
    frame = np.zeros((200, 400, 3), np.uint8)
    boxes = np.float32([[50, 100, 150, 150]])
    plain = {"BOXES": boxes, "LABELS": np.array(["car"], object)}
    told = plain | {"TRACK_IDS": np.int32([7]), "LABELS_COLOR": np.array(["red"], object)}
    assert (annotate(frame, told)[70:100] > 0).sum() > (annotate(frame, plain)[70:100] > 0).sum()


def test_poses_have_bones_and_unsure_points_do_not_show() -> None:
    frame = np.zeros((200, 200, 3), np.uint8)
    points = np.random.default_rng(1).uniform(20, 180, (1, 17, 2)).astype(np.float32)
    sure = {"KEYPOINTS": points, "KEYPOINT_SCORES": np.ones((1, 17), np.float32)}
    unsure = {"KEYPOINTS": points, "KEYPOINT_SCORES": np.zeros((1, 17), np.float32)}
    dots = {"KEYPOINTS": points[:, :16]}
    assert (annotate(frame, sure) > 0).sum() > 1.5 * (annotate(frame, dots) > 0).sum()
    assert not annotate(frame, unsure).any()


def test_a_point_that_is_nowhere_is_not_drawn() -> None:
    frame = np.zeros((200, 200, 3), np.uint8)
    points = np.full((1, 17, 2), 100, np.float32)
    points[0, 5:] = np.nan
    points[0, 9:] = np.inf
    assert annotate(frame, {"KEYPOINTS": points}).any()
