# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Crops: the right pixels the right way up, buckets, padding, and quads that cannot be cropped."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from triton_ros.core.errors import ConfigError, InvalidArgumentError
from triton_ros.core.tensor import Array, materialize
from triton_ros.vision.image import Image
from triton_ros.vision.regions import grown, region_sizes, upright, usable, warp

YAML = """
input:
  color: rgb
  resize: {resize}
  regions: {{height: 8, widths: [32, 16], pad: 5, rotate_tall: 1.5}}
head: {{type: classification, activation: none}}
"""
OUT = {"out": ("FP32", (3,))}


def quad(x0: float, y0: float, x1: float, y1: float) -> list[list[float]]:
    return [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]


def regions(*quads: list[list[float]]) -> Array:
    return np.array(quads, np.float32).reshape(-1, 4, 2)


def element(work, index: int) -> Array:
    return materialize(work.elements[index]["x"])


@pytest.fixture
def keeping(make_processor):
    dims = {"x": ("UINT8", (8, -1, 3))}
    return make_processor(YAML.format(resize="letterbox_top_left"), dims, OUT)


def test_an_upright_crop_of_its_own_size_is_a_slice(keeping, picture: Array) -> None:
    work = keeping.prepare({"IMAGE": picture, "REGIONS": regions(quad(10, 4, 26, 12))}, {})
    assert np.array_equal(element(work, 0), picture[4:12, 10:26])


def test_a_crop_gets_the_narrowest_bucket_and_padding(keeping, picture: Array) -> None:
    quads = regions(quad(0, 0, 12, 8), quad(0, 0, 17, 8), quad(0, 0, 60, 8))
    work = keeping.prepare({"IMAGE": picture, "REGIONS": quads}, {})
    assert [e["x"].shape for e in work.elements] == [(8, 16, 3), (8, 32, 3), (8, 32, 3)]
    first = element(work, 0)
    assert np.array_equal(first[:, :12], picture[:8, :12])
    assert (first[:, 12:] == 5).all()
    squeezed = element(work, 2).astype(int)
    assert np.abs(squeezed[:, 0] - picture[:8, 0]).max() <= 5
    assert np.abs(squeezed[:, -1] - picture[:8, 59]).max() <= 5


def test_stretch_fills_the_widest(make_processor, picture: Array) -> None:
    dims = {"x": ("UINT8", (8, -1, 3))}
    processor = make_processor(YAML.format(resize="stretch"), dims, OUT)
    work = processor.prepare({"IMAGE": picture, "REGIONS": regions(quad(0, 0, 8, 8))}, {})
    assert work.elements[0]["x"].shape == (8, 32, 3)
    assert (element(work, 0)[:, -1] != 5).any()


def test_float_planes_in_a_batch(make_processor, picture: Array) -> None:
    yaml = YAML.format(resize="letterbox_top_left").replace("color: rgb", "color: bgr, scale: 0.5")
    yaml = yaml.replace("color: bgr, scale: 0.5", "color: bgr\n  scale: 0.5")
    processor = make_processor(yaml, {"x": ("FP32", (3, 8, -1))}, OUT)
    work = processor.prepare({"IMAGE": picture, "REGIONS": regions(quad(3, 2, 15, 10))}, {})
    batch = np.full((2, 3, 8, 16), -1, np.float32)
    work.elements[0]["x"].write(batch[1])
    wanted = picture[2:10, 3:15, ::-1].transpose(2, 0, 1) * np.float32(0.5)
    assert np.array_equal(batch[1, :, :, :12], wanted)
    assert (batch[1, :, :, 12:] == 5).all()
    assert (batch[0] == -1).all()


def test_rolled_corners_turn_the_crop(keeping, picture: Array) -> None:
    upside_down = np.roll(regions(quad(10, 4, 26, 12)), 2, axis=1)
    work = keeping.prepare({"IMAGE": picture, "REGIONS": upside_down}, {})
    assert np.array_equal(element(work, 0), picture[4:12, 10:26][::-1, ::-1])


def test_a_tall_crop_is_turned_counter_clockwise(keeping, picture: Array) -> None:
    work = keeping.prepare({"IMAGE": picture, "REGIONS": regions(quad(10, 4, 18, 20))}, {})
    assert np.array_equal(element(work, 0), np.rot90(picture[4:20, 10:18]))
    assert work.context.regions[0, 0].tolist() == [18, 4]


def test_the_tall_rule_needs_its_ratio() -> None:
    quads = regions(quad(0, 0, 10, 14), quad(0, 0, 10, 15))
    turned = upright(quads, 1.5)
    assert np.array_equal(turned[0], quads[0])
    assert turned[1, 0].tolist() == [10, 0]
    assert np.array_equal(upright(quads, 0), quads)
    assert [w.tolist() for w in region_sizes(turned)] == [[10, 15], [14, 10]]


def test_a_slanted_quad_is_straightened() -> None:
    canvas = np.zeros((200, 200), np.uint8)
    canvas[80:120, 40:160] = 100
    canvas[80:120, 40:80] = 250
    matrix = cv2.getRotationMatrix2D((100, 100), -25, 1)
    turned = cv2.warpAffine(canvas, matrix, (200, 200))
    corners = np.array(quad(40, 80, 160, 120)) @ matrix[:, :2].T + matrix[:, 2]
    found = warp(turned, corners.astype(np.float32), 60, 20)
    assert (found[4:-4, 3:17] > 240).all()
    assert (np.abs(found[4:-4, 24:57].astype(int) - 100) < 8).all()


def test_shrinking_a_lot_averages() -> None:
    stripes = np.zeros((64, 256), np.uint8)
    stripes[:, ::2] = 200
    found = warp(stripes, regions(quad(0, 0, 256, 64))[0], 64, 16)
    assert (np.abs(found[2:-2, 2:-2].astype(int) - 100) <= 3).all()


def test_outside_of_the_image_its_edge_goes_on(keeping, picture: Array) -> None:
    work = keeping.prepare({"IMAGE": picture, "REGIONS": regions(quad(56, 4, 72, 12))}, {})
    found = element(work, 0)
    assert np.array_equal(found[:, :8], picture[4:12, 56:])
    assert np.array_equal(found[:, 15], picture[4:12, 63])


DEGENERATE = {
    "a point": [[5, 5]] * 4,
    "a line": quad(0, 5, 40, 5),
    "thinner than a pixel": quad(0, 5, 40, 5.5),
    "a bow tie": [[0, 0], [20, 10], [20, 0], [0, 10]],
    "three corners": [[0, 0], [20, 0], [20, 10], [10, 5]],
}


@pytest.mark.parametrize("name", sorted(DEGENERATE))
def test_degenerate_quads_become_no_elements_but_keep_their_place(
    keeping, picture: Array, name: str
) -> None:
    quads = regions(quad(0, 0, 16, 8), DEGENERATE[name], quad(8, 8, 24, 16))
    assert usable(quads).tolist() == [True, False, True]
    work = keeping.prepare({"IMAGE": picture, "REGIONS": quads}, {})
    assert len(work.elements) == 2
    rows = [{"out": np.array(v, np.float32)} for v in ([0, 1, 0], [0, 0, 1])]
    answer = keeping.finish(work, rows)
    assert answer["CLASS_IDS"].tolist() == [1, -1, 2]
    assert answer["LABELS"].tolist() == ["1", "", "2"]
    assert answer["SCORES"].tolist() == [1, 0, 1]


def test_mirrored_quads_are_usable() -> None:
    assert usable(regions(quad(0, 0, 16, 8)[::-1])).all()


def test_no_regions_no_elements(keeping, picture: Array) -> None:
    work = keeping.prepare({"IMAGE": picture, "REGIONS": regions()}, {})
    assert list(work.elements) == []
    answer = keeping.finish(work, [])
    assert {name: value.shape for name, value in answer.items()} == {
        "LABELS": (0,),
        "CLASS_IDS": (0,),
        "SCORES": (0,),
    }


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "'REGIONS' is missing"),
        (np.zeros((1, 4), np.float32), r"must be FP32 \[n, 4, 2\]"),
        (np.zeros((4, 2), np.float32), r"got float32 \[4, 2\]"),
        (np.zeros((1, 4, 2), np.int32), "got int32"),
        (np.full((1, 4, 2), np.nan, np.float32), "not finite"),
    ],
)
def test_regions_that_cannot_be_used(keeping, picture: Array, value, words: str) -> None:
    inputs = {"IMAGE": picture} if value is None else {"IMAGE": picture, "REGIONS": value}
    with pytest.raises(InvalidArgumentError, match=words):
        keeping.prepare(inputs, {})


def test_a_crop_of_a_compressed_frame_decodes_it_once(keeping, picture: Array) -> None:
    image = Image.compressed(cv2.imencode(".png", picture[..., ::-1])[1], "png")
    quads = regions(quad(10, 4, 26, 12), quad(0, 0, 16, 8))
    work = keeping.prepare({"IMAGE": image, "REGIONS": quads}, {})
    assert np.array_equal(element(work, 0), picture[4:12, 10:26])
    assert np.array_equal(element(work, 1), picture[:8, :16])


@pytest.mark.parametrize(
    ("margin", "square", "wanted"),
    [
        (0.0, False, quad(10, 10, 30, 20)),
        (0.5, False, quad(0, 5, 40, 25)),
        (0.0, True, quad(10, 5, 30, 25)),
        (0.1, True, quad(8, 3, 32, 27)),
    ],
)
def test_regions_grow(margin: float, square: bool, wanted: list[list[float]]) -> None:
    quads = regions(quad(10, 10, 30, 20))
    assert np.abs(grown(quads, margin, square)[0] - wanted).max() < 1e-4
    turn = np.array([[0.6, -0.8], [0.8, 0.6]], np.float32)
    turned = grown(quads @ turn.T, margin, square)
    assert np.abs(turned[0] - np.array(wanted) @ turn.T).max() < 1e-4


def test_a_region_without_height_grows_to_nothing_that_breaks() -> None:
    assert np.isfinite(grown(regions(quad(5, 5, 9, 5), [[5, 5]] * 4), 0.2, True)).all()


GROWING = """
input:
  regions: {{margin: {margin}, square: {square}}}
head: {{type: flip}}
"""


@pytest.mark.parametrize(
    ("margin", "square", "rows", "columns"),
    [
        (0, "false", (16, 24), (16, 24)),
        (0.5, "false", (12, 28), (12, 28)),
        (0, "true", (16, 24), (16, 24)),
    ],
)
def test_the_crop_grows_and_the_region_does_not(
    make_processor, picture: Array, margin: float, square: str, rows, columns
) -> None:
    dims = {"x": ("UINT8", (16, 16, 3))}
    yaml = GROWING.format(margin=margin, square=square)
    processor = make_processor(yaml, dims, {"out": ("FP32", (2,))})
    quads = regions(quad(16, 16, 24, 24))
    work = processor.prepare({"IMAGE": picture, "REGIONS": quads}, {})
    crop = picture[slice(*rows), slice(*columns)]
    wanted = cv2.resize(crop, (16, 16), interpolation=cv2.INTER_LINEAR).astype(int)
    assert np.abs(element(work, 0).astype(int) - wanted)[2:-2, 2:-2].max() <= 2
    answer = processor.finish(work, [{"out": np.float32([1, 0])}])
    assert np.array_equal(answer["REGIONS"], quads)


def test_square_widens_the_crop(make_processor, picture: Array) -> None:
    dims = {"x": ("UINT8", (16, 16, 3))}
    processor = make_processor(
        GROWING.format(margin=0, square="true"), dims, {"out": ("FP32", (2,))}
    )
    tall = regions(quad(20, 8, 28, 24))
    work = processor.prepare({"IMAGE": picture, "REGIONS": tall}, {})
    assert np.array_equal(element(work, 0), picture[8:24, 16:32])


ONLY = """
input:
  regions: {only: [cat, dog]}
head: {type: classification, activation: none}
labels: [a, b, c]
"""


def texts(*items: str | bytes) -> Array:
    return np.array(items, np.object_)


@pytest.mark.parametrize("labels", [("car", "cat", "dog"), (b"car", b"cat", b"dog")])
def test_only_regions_of_some_labels_run(make_processor, picture: Array, labels) -> None:
    processor = make_processor(ONLY, {"x": ("UINT8", (8, 8, 3))}, OUT)
    assert [spec.name for spec in processor.inputs] == ["IMAGE", "REGIONS", "LABELS"]
    quads = regions(quad(0, 0, 8, 8), quad(8, 8, 16, 16), DEGENERATE["a line"])
    inputs = {"IMAGE": picture, "REGIONS": quads, "LABELS": texts(*labels)}
    work = processor.prepare(inputs, {})
    assert len(work.elements) == 1
    assert np.array_equal(element(work, 0), picture[8:16, 8:16])
    answer = processor.finish(work, [{"out": np.float32([0, 0, 1])}])
    assert answer["LABELS"].tolist() == ["", "c", ""]
    assert answer["CLASS_IDS"].tolist() == [-1, 2, -1]
    assert answer["SCORES"].tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (None, "'LABELS' is missing: regions.only chooses by it"),
        (texts("cat"), r"'LABELS' must be BYTES \[2\], one text a region .* got object \[1\]"),
        (np.zeros(2, np.int32), r"must be BYTES \[2\], .* got int32 \[2\]"),
    ],
)
def test_labels_that_cannot_be_used(make_processor, picture: Array, labels, words: str) -> None:
    processor = make_processor(ONLY, {"x": ("UINT8", (8, 8, 3))}, OUT)
    inputs = {"IMAGE": picture, "REGIONS": regions(quad(0, 0, 8, 8), quad(8, 8, 16, 16))}
    if labels is not None:
        inputs["LABELS"] = labels
    with pytest.raises(InvalidArgumentError, match=words):
        processor.prepare(inputs, {})


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("margin: -1", "margin must be a number from 0 to 10, got -1"),
        ("square: 2", "square must be true or false"),
        ("only: []", r"only must be a list of names, got \[\]"),
        ("only: [3]", r"only must be a list of names, got \[3\]"),
    ],
)
def test_region_fields_that_cannot_be_used(make_processor, field: str, words: str) -> None:
    yaml = f"input: {{regions: {{{field}}}}}\nhead: {{type: classification}}\n"
    with pytest.raises(ConfigError, match="input.regions." + words):
        make_processor(yaml, {"x": ("UINT8", (8, 8, 3))}, OUT)
