# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Classes and depth of generated maps, through a letterbox, in pixels of the frame."""

from __future__ import annotations

import numpy as np
import pytest
from letterboxed import BOXED, FRAME, INPUT, finish


@pytest.mark.parametrize("layout", ["chw", "hwc", "ids", "auto"])
def test_classes_of_pixels(make_processor, layout: str) -> None:
    ids = np.zeros((32, 32), np.int64)
    ids[8:16, 16:32] = 2  # the upper right quarter of the frame
    ids[:8] = 1  # a bar
    scores = (np.arange(3)[:, None, None] == ids).astype(np.float32)
    raw = {"chw": scores, "auto": scores, "hwc": scores.transpose(1, 2, 0), "ids": ids}[layout]
    chosen = "" if layout in ("ids", "auto") else f", layout: {layout}"
    dims = ("INT64" if layout == "ids" else "FP32", raw.shape)
    yaml = BOXED + f"head: {{type: segmentation{chosen}}}\nlabels: [a, b, c]\n"
    processor = make_processor(yaml, INPUT, {"out": dims})
    found = finish(processor, {"out": raw})["CLASS_MAP"]
    assert (found.shape, found.dtype) == ((60, 120), np.uint8)
    expected = np.zeros((60, 120), np.uint8)
    expected[:30, 60:] = 2
    assert np.array_equal(found, expected)


@pytest.mark.parametrize(("layout", "dims"), [("chw", (1, 64, 64)), ("hwc", (64, 64, 1))])
def test_one_channel_has_a_threshold_and_a_request_another(
    make_processor, layout: str, dims: tuple[int, ...]
) -> None:
    fields = f"layout: {layout}, activation: sigmoid, score_threshold: 0.7"
    yaml = BOXED + f"head: {{type: segmentation, {fields}}}\nlabels: [ground, person]\n"
    processor = make_processor(yaml, INPUT, {"out": ("FP32", dims)})
    logits = np.full((64, 64), 0.5, np.float32)  # 0.62
    logits[:, 32:] = 2.0  # 0.88
    row = {"out": logits.reshape(dims)}
    found = finish(processor, row)["CLASS_MAP"]
    assert found[:, :58].max() == 0
    assert found[:, 62:].min() == 1
    for threshold, expected in ((0.5, 1), (0.95, 0)):
        work = processor.prepare({"IMAGE": FRAME}, {"score_threshold": threshold})
        assert (processor.finish(work, [row])["CLASS_MAP"] == expected).all()


def test_one_channel_of_integers_is_of_class_ids(make_processor) -> None:
    """What a network that ends with ArgMax answers."""
    yaml = BOXED + "head: {type: segmentation}\nlabels: [a, b, c, d, e, f, g, h]\n"
    processor = make_processor(yaml, INPUT, {"out": ("INT64", (1, 32, 32))})
    ids = np.full((1, 32, 32), 3, np.int64)
    ids[:, :, 16:] = 7
    found = finish(processor, {"out": ids})["CLASS_MAP"]
    assert (found[:, :60] == 3).all()
    assert (found[:, 60:] == 7).all()


@pytest.mark.parametrize("raw_dims", [(3, 32, 32), (32, 32, 3)])
def test_sides_that_vary_are_not_the_classes(make_processor, raw_dims: tuple[int, ...]) -> None:
    dims = tuple(dim if dim == 3 else -1 for dim in raw_dims)
    yaml = BOXED + "head: {type: segmentation}\nlabels: [a, b, c]\n"
    processor = make_processor(yaml, INPUT, {"out": ("FP32", dims)})
    scores = np.zeros(raw_dims, np.float32)
    scores[2 if dims[0] == 3 else (..., 2)] = 1.0
    assert (finish(processor, {"out": scores})["CLASS_MAP"] == 2).all()


def test_a_coarse_map_lies_where_its_cells_are(make_processor) -> None:
    """A bar that ends inside of a cell moves nothing: what is in the middle stays there."""
    yaml = "input: {resize: letterbox, layout: nchw}\nhead: {type: depth}\n"
    processor = make_processor(yaml, {"x": ("UINT8", (3, 640, 640))}, {"out": ("FP32", (80, 80))})
    frame = np.zeros((360, 640, 3), np.uint8)  # rows 140 to 500, 17.5 cells to 62.5
    ramp = np.broadcast_to((np.arange(80, dtype=np.float32)[:, None] + 0.5) * 8, (80, 80))
    work = processor.prepare({"IMAGE": frame}, {})
    found = processor.finish(work, [{"out": ramp.copy()}])["DEPTH"]
    assert np.abs(found[:, 0] - (np.arange(360) + 0.5 + 140)).max() < 0.3


@pytest.mark.parametrize("kind", ["metric", "inverse"])
@pytest.mark.parametrize("dims", [(32, 32), (1, 32, 32), (32, 32, 1)])
def test_depth(make_processor, kind: str, dims: tuple[int, ...]) -> None:
    yaml = BOXED + f"head: {{type: depth, kind: {kind}, scale: 2}}\n"
    processor = make_processor(yaml, INPUT, {"out": ("FP32", dims)})
    found = finish(processor, {"out": np.full(dims, 4.0, np.float32)})["DEPTH"]
    assert (found.shape, found.dtype) == ((60, 120), np.float32)
    assert np.allclose(found, 8.0 if kind == "metric" else 0.5)
    if kind == "inverse":
        assert np.isnan(finish(processor, {"out": np.zeros(dims, np.float32)})["DEPTH"]).all()
