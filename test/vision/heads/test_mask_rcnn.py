# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Masks over boxes and over the input, painted into one map of the frame."""

from __future__ import annotations

import numpy as np
import pytest
from letterboxed import BOXED, BOXES, INPUT, finish, to_input

from triton_ros.core.tensor import Array
from triton_ros.vision.heads.mask_rcnn import paint


def masked(over: str, boxes: Array = BOXES) -> dict[str, Array]:
    """What a Mask R-CNN answers: a full mask, and one of the right half of its box."""
    inside = to_input(boxes.reshape(-1, 2, 2)).reshape(-1, 4).astype(np.float32)
    if over == "boxes":
        masks = np.zeros((2, 1, 28, 28), np.float32)
        masks[0], masks[1, :, :, 14:] = 1.0, 1.0
    else:
        masks = np.zeros((2, 1, 64, 64), np.float32)
        masks[0], masks[1, :, :, 40:] = 1.0, 1.0  # from x = 75 of the frame
    scores, labels = np.float32([0.7, 0.9]), np.int64([2, 1])
    return {"boxes": inside, "scores": scores, "labels": labels, "masks": masks}


def mask_rcnn(make_processor, row: dict[str, Array], more: str = "") -> dict[str, Array]:
    names = "boxes: boxes, scores: scores, classes: labels, masks: masks"
    yaml = BOXED + f"head: {{type: mask_rcnn, {names}{more}}}\nlabels: [cat, dog]\n"
    outputs = {name: ("FP32", (-1, *value.shape[1:])) for name, value in row.items()}
    return finish(make_processor(yaml, INPUT, outputs, max_batch_size=0), row)


@pytest.mark.parametrize("over", ["boxes", "input"])
def test_masks_over_boxes_or_over_the_input(make_processor, over: str) -> None:
    row = masked(over)
    found = mask_rcnn(make_processor, row, f", masks_over: {over}")
    assert found["LABELS"].tolist() == ["cat", "dog"]
    instances = found["INSTANCE_MAP"]
    assert (instances[21:54, 78:109] == 1).all()
    assert (instances[21:54, 52:72] == 0).all()
    assert (instances[11:49, 11:39] == 2).all()


def test_fields_of_masks_over_boxes(make_processor) -> None:
    row = masked("boxes")
    assert not mask_rcnn(make_processor, row, ", mask_threshold: 1")["INSTANCE_MAP"].any()
    shifted = mask_rcnn(make_processor, row, ", label_offset: 0")
    assert shifted["CLASS_IDS"].tolist() == [1, 2]
    row["boxes"] /= 64
    found = mask_rcnn(make_processor, row, ", units: normalized")
    np.testing.assert_allclose(found["BOXES"], BOXES[::-1], atol=1e-3)


@pytest.mark.parametrize("box", [[200, 10, 240, 50], [30, 30, 30, 30]])
def test_a_box_without_area_in_the_frame_has_no_mask(make_processor, box: list[float]) -> None:
    row = masked("boxes", np.array([BOXES[0], box]))
    found = mask_rcnn(make_processor, row)
    assert len(found["BOXES"]) == 2
    assert np.unique(found["INSTANCE_MAP"]).tolist() == [0, 2]


def test_more_instances_than_a_map_can_name_leave_it_as_it_is() -> None:
    canvas = np.zeros((4, 4), np.uint16)
    whole, place = np.array([0.0, 0, 4, 4]), np.array([[1.0, 0, 0], [0, 1, 0]])
    paint(canvas, np.ones((4, 4)), whole, place, 65534, 0.5)
    paint(canvas, np.ones((4, 4)), whole, place, 65535, 0.5)
    assert (canvas == 65535).all()
