# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Regions and other pixel values that a request asks for, and the way back into the whole frame."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triton_ros.core.errors import InvalidArgumentError
from triton_ros.core.tensor import Array, materialize
from triton_ros.vision.geometry import Part, centred, clipped, fit, fit_part
from triton_ros.vision.image import Image, ImageError

OUT = {"boxes": ("FP32", (-1, 4)), "scores": ("FP32", (-1, 2))}
YAML = """
input: {color: rgb, resize: %s, scale: 1/255, %s}
head: {type: ssd, box_format: xyxy, units: pixels, boxes: boxes, scores: scores}
"""


def make(
    make_processor: Any,
    size: tuple[int, int] = (24, 32),
    resize: str = "stretch",
    more: str = "fill: 0",
) -> Any:
    return make_processor(YAML % (resize, more), {"x": ("FP32", (3, *size))}, OUT)


def element(processor: Any, picture: Array, **parameters: Any) -> Array:
    (found,) = processor.prepare({"IMAGE": picture}, parameters).elements
    return materialize(found["x"])


def test_a_region_is_what_the_model_sees(make_processor, picture: Array) -> None:
    processor = make(make_processor)
    seen = element(processor, picture, region="16,8,32,24")
    expected = picture[8:32, 16:48].transpose(2, 0, 1) / 255
    np.testing.assert_allclose(seen, expected, atol=1e-6)


def test_what_was_found_in_a_region_is_in_the_whole_frame(make_processor, picture: Array) -> None:
    processor = make(make_processor)
    work = processor.prepare({"IMAGE": picture}, {"region": "16,8,32,24"})
    rows = [
        {
            "boxes": np.float32([[0, 0, 32, 24], [-9, 4, 5, 99]]),
            "scores": np.float32([[1, 0], [0, 0.9]]),
        }
    ]
    found = processor.finish(work, rows)
    assert found["BOXES"].tolist() == [[16, 8, 48, 32], [16, 12, 21, 32]], "clipped to the region"


@pytest.mark.parametrize("kind", ["mono8", "nv12", "16UC1", "png"])
def test_a_region_of_any_kind_of_frame(make_processor, picture: Array, kind: str) -> None:
    processor = make(make_processor, (12, 16))
    if kind == "png":
        frame = Image.compressed(cv2.imencode(".png", picture)[1].tobytes(), "png")
    else:
        data = np.random.default_rng(0).integers(0, 255, 48 * 64 * 2, np.uint8)
        size = {"mono8": 48 * 64, "nv12": 48 * 96, "16UC1": 48 * 128}[kind]
        frame = Image.raw(data[:size], 48, 64, kind)
    whole = frame.pixels("rgb")
    seen = element(processor, frame, region="20,10,16,12")
    np.testing.assert_allclose(seen, whole[10:22, 20:36].transpose(2, 0, 1) / 255, atol=1e-6)


def test_a_models_own_region_is_a_share_and_a_requests_goes_before(
    make_processor, picture: Array
) -> None:
    processor = make(make_processor, (24, 32), more="region: [0.5, 0.5, 0.5, 0.5]")
    lower = picture[24:, 32:].transpose(2, 0, 1) / 255
    np.testing.assert_allclose(element(processor, picture), lower, atol=1e-6)
    upper = picture[:24, :32].transpose(2, 0, 1) / 255
    np.testing.assert_allclose(element(processor, picture, region="0,0,32,24"), upper, atol=1e-6)


def test_a_region_beside_the_frame_is_that_frames_fault(make_processor, picture: Array) -> None:
    processor = make(make_processor)
    with pytest.raises(ImageError, match="outside of a frame of 64x48") as caught:
        processor.prepare({"IMAGE": picture}, {"region": "64,0,10,10"})
    assert caught.value.reason == "bad_region"
    assert element(processor, picture, region="60,40,100,100").shape == (3, 24, 32)


def test_crop_is_the_middle(make_processor, picture: Array) -> None:
    processor = make(make_processor, (24, 24), resize="crop")
    seen = element(processor, picture)
    half = element(make(make_processor, (24, 24)), picture, region="8,0,48,48")
    assert np.array_equal(seen, half)
    work = processor.prepare({"IMAGE": picture}, {})
    found = processor.finish(
        work, [{"boxes": np.float32([[0, 0, 24, 24]]), "scores": np.float32([[1, 0]])}]
    )
    assert found["BOXES"].tolist() == [[8, 0, 56, 48]]
    centre = make(make_processor, (24, 24), resize="crop", more="crop_fraction: 0.5")
    assert np.allclose(
        element(centre, picture), picture[12:36, 20:44].transpose(2, 0, 1) / 255, atol=1e-6
    )


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("color", "bgr", lambda p: p[..., ::-1] / 255),
        ("scale", "1/127.5", lambda p: p / 127.5),
        ("mean", "0.1, 0.2, 0.3", lambda p: p / 255 - (0.1, 0.2, 0.3)),
        ("std", "[0.5, 0.25, 1]", lambda p: p / 255 / (0.5, 0.25, 1)),
    ],
)
def test_pixel_values_that_a_request_wants_otherwise(
    make_processor, picture: Array, name: str, value: str, expected: Any
) -> None:
    processor = make(make_processor, (48, 64))
    found = element(processor, picture, **{name: value})
    np.testing.assert_allclose(found, expected(picture).transpose(2, 0, 1), atol=1e-5)
    np.testing.assert_allclose(
        element(processor, picture), picture.transpose(2, 0, 1) / 255, atol=1e-6
    )


def test_resize_and_fill_go_together(make_processor, picture: Array) -> None:
    processor = make(make_processor, (64, 64))
    boxed = element(processor, picture, resize="letterbox", fill="51")
    assert np.allclose(boxed[:, :8], 0.2)
    assert np.allclose(boxed[:, 8:56], picture.transpose(2, 0, 1) / 255, atol=1e-6)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"region": "1,2,3"}, "parameter 'region' is '1,2,3'; accepted: 4 numbers"),
        ({"region": "5"}, "accepted: 4 numbers"),
        ({"region": "1,2,0,4"}, "accepted: x, y, width, height in pixels"),
        ({"resize": "squash"}, "accepted: stretch | letterbox | letterbox_top_left | crop"),
        ({"color": "gray"}, "parameter 'color' is 'gray'; accepted: rgb | bgr"),
        ({"scale": "a lot"}, "parameter 'scale' is 'a lot'; accepted: a number, or 3 numbers"),
        ({"mean": "1,2"}, "parameter 'mean' is '1,2'; accepted: a number, or 3 numbers"),
        ({"std": "0"}, "parameter 'std' is '0'; accepted: numbers other than 0"),
        ({"fill": "300"}, "parameter 'fill' is '300'; accepted: numbers from 0 to 255"),
        ({"score_threshold": 7}, "score_threshold"),
    ],
)
def test_what_no_request_can_have_is_refused_before_it_runs(
    make_processor, picture: Array, parameters: dict[str, Any], words: str
) -> None:
    processor = make(make_processor)
    with pytest.raises(InvalidArgumentError) as caught:
        processor.check_parameters(parameters)
    assert words in str(caught.value)
    with pytest.raises(InvalidArgumentError):
        processor.prepare({"IMAGE": picture}, parameters)
    processor.check_parameters({"somebody_elses": 1})


def test_plans_are_kept_but_not_without_end(make_processor, picture: Array) -> None:
    processor = make(make_processor)
    first = processor._plans.plan({"scale": "0.5"})
    assert processor._plans.plan({"scale": "0.5"}) is first
    for number in range(100):
        processor._plans.plan({"scale": str(number)})
    assert len(processor._plans._derived) <= 16
    assert processor._plans.plan({}) is processor.plan


@given(
    st.tuples(st.integers(4, 300), st.integers(4, 300)),
    st.tuples(st.integers(4, 100), st.integers(4, 100)),
    st.sampled_from(["stretch", "letterbox", "letterbox_top_left", "crop"]),
    st.tuples(*[st.floats(0, 299)] * 2, *[st.floats(1, 300)] * 2),
)
def test_points_go_there_and_back(frame: Any, target: Any, resize: Any, region: Any) -> None:
    try:
        part = clipped(frame, region)
    except ImageError:
        return
    if resize == "crop":
        part = centred(part, target)
    geometry = fit_part(frame, part, target, resize)
    points = np.array([[part.left, part.top], [part.left + part.width, part.top + part.height]])
    np.testing.assert_allclose(geometry.to_source(geometry.to_model(points)), points, atol=1e-3)
    inside = geometry.to_model(points)
    assert (inside >= -1e-6).all()
    assert (inside <= (target[1] + 1e-6, target[0] + 1e-6)).all()


def test_maps_come_back_over_the_frame() -> None:
    ids = np.zeros((10, 20), np.uint8)
    ids[2:8, 5:15] = 3
    whole = fit((60, 120), (20, 40), "stretch").map_to_source(ids, nearest=True)
    assert whole.shape == (60, 120)
    assert set(np.unique(whole)) == {0, 3}
    assert (whole[12:48, 30:90] == 3).all()
    part = fit_part((60, 120), Part(20, 40, 20, 40), (20, 40), "stretch")
    inside = part.map_to_source(np.full((10, 20), 7, np.uint8), nearest=True)
    assert (inside[20:40, 40:80] == 7).all()
    assert inside.sum() == 7 * 20 * 40
    boxed = fit((30, 60), (40, 40), "letterbox")
    bars = np.full((40, 40), 9, np.float32)
    bars[10:30] = 1.5
    assert np.allclose(boxed.map_to_source(bars, nearest=False), 1.5), "no bar comes back"
