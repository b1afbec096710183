# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Anchors: generated ones by hand, files of both kinds, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from triton_ros.core.errors import ConfigError
from triton_ros.core.tensor import Array

FRAME = np.zeros((32, 64, 3), np.uint8)
PRIORS = np.array([[0.5, 0.5, 0.2, 0.4], [0.25, 0.75, 0.1, 0.1]], np.float32)


def make(make_processor, anchors: str, rows: int = 2, files: dict[str, str] | None = None, side=32):
    yaml = (
        "input: {resize: stretch, size: [32, 64]}\n"
        f"head: {{type: ssd, boxes: b, scores: s, anchors: {{{anchors}}}}}\n"
    )
    return make_processor(
        yaml,
        {"x": ("UINT8", (side, -1, 3))},
        {"b": ("FP32", (rows, 4)), "s": ("FP32", (rows, 1))},
        files=files,
    )


def generated(make_processor, anchors: str, rows: int) -> Array:
    return make(make_processor, anchors, rows).head.anchors.boxes


def test_a_cell_per_stride_row_by_row(make_processor) -> None:
    found = generated(make_processor, "strides: [16, 32], sizes: [10, 20]", 8 + 2)
    assert found[:2].tolist() == [[8, 8, 10, 10], [24, 8, 10, 10]]
    assert found[4].tolist() == [8, 24, 10, 10]
    assert found[8:].tolist() == [[16, 16, 20, 20], [48, 16, 20, 20]]


def test_a_layer_whose_stride_does_not_divide_the_side(make_processor) -> None:
    found = generated(make_processor, "strides: 24, sizes: 10, offset: 0", 2 * 3)
    assert found[:, :2].tolist() == [[0, 0], [24, 0], [48, 0], [0, 24], [24, 24], [48, 24]]


def test_ratios_keep_the_area_and_scales_multiply(make_processor) -> None:
    text = "strides: 32, sizes: 10, ratios: [1, 4], scales: [1, 3]"
    by_scale = generated(make_processor, text, 8)[:4, 2:]
    assert by_scale.tolist() == [[10, 10], [20, 5], [30, 30], [60, 15]]
    by_ratio = generated(make_processor, text + ", slowest: ratios", 8)[:4, 2:]
    assert by_ratio.tolist() == [[10, 10], [30, 30], [20, 5], [60, 15]]


def test_the_extra_one_of_ssd(make_processor) -> None:
    text = "strides: [32, 64], sizes: [9, 16, 25], ratios: [4], extra: true"
    found = generated(make_processor, text, 2 * 2 + 2)
    assert found[:2, 2:].tolist() == [[18, 4.5], [12, 12]]
    assert found[4:, 2:].tolist() == [[32, 8], [20, 20]]


def boxes(processor, raw: list[list[float]]) -> list[list[float]]:
    work = processor.prepare({"IMAGE": FRAME}, {})
    scores = np.array([[0.9], [0.8]], np.float32)
    found = processor.finish(work, [{"b": np.array(raw, np.float32), "s": scores}])["BOXES"]
    return [[round(v, 2) for v in row] for row in found.tolist()]


WANTED = [[25.6, 9.6, 38.4, 22.4], [12.8, 22.4, 19.2, 25.6]]


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("units: normalized", PRIORS),
        ("units: pixels", PRIORS * [64, 32, 64, 32]),
        ("units: normalized, box_format: xyxy", [[0.4, 0.3, 0.6, 0.7], [0.2, 0.7, 0.3, 0.8]]),
        ("units: normalized, box_format: cycxhw", PRIORS[:, [1, 0, 3, 2]]),
    ],
)
def test_files(make_processor, tmp_path: Path, text: str, content) -> None:
    table = np.array(content, np.float64)
    np.save(tmp_path / "priors.npy", table)
    files = {"priors.csv": "\n".join(",".join(map(str, row)) for row in table.tolist())}
    for name in ("priors.npy", "priors.csv"):
        processor = make(make_processor, f"file: {name}, {text}", files=files)
        assert boxes(processor, [[0] * 4] * 2) == WANTED


def test_offsets_with_their_variances(make_processor, tmp_path: Path) -> None:
    np.save(tmp_path / "p.npy", PRIORS)
    raw = [[1, 0, 0, np.log(2) / 0.2], [0, 0, 0, 0]]
    plain = make(make_processor, "file: p.npy, units: normalized")
    # A tenth of the anchor's width to the right, and twice as high.
    assert boxes(plain, raw)[0] == [26.88, 3.2, 39.68, 28.8]
    other = make(make_processor, "file: p.npy, units: normalized, variances: [1, 0.2]")
    assert boxes(other, raw)[0] == [38.4, 3.2, 51.2, 28.8]
    turned = make(make_processor, "file: p.npy, units: normalized, regressors: cycxhw")
    assert boxes(turned, raw)[0] == [19.2, 10.88, 44.8, 23.68]


@pytest.mark.parametrize(
    ("text", "content", "words"),
    [
        ("sizes: [4]", "", "strides is missing"),
        ("strides: [16]", "", "sizes is missing"),
        ("strides: [16, 32], sizes: [4]", "", "must be as many as strides: 2, got 1"),
        ("strides: 16, sizes: 4, extra: true", "", "must be one more than strides .*: 2, got 1"),
        ("strides: 16, sizes: 4", "", r" are 8, but output 'b' has \[2, 4\]"),
        ("strides: 16, sizes: [0]", "", "sizes must be a list of numbers from 0.001 to 65536"),
        ("strides: 32, sizes: 4, ratio: 1", "", "ratio is not a field"),
        ("file: none.npy", "", "file none.npy cannot be read"),
        ("file: ../f.csv", "1,2,3,4", "file must stay inside the model's directory, got '../f"),
        ("file: f.csv", "1,2,3,4", "units is missing"),
        ("file: no.csv, units: pixels", "", "file no.csv cannot be read"),
        ("file: f.txt, units: pixels", "1,2,3,4", "must end with .npy or .csv"),
        ("file: f.csv, units: pixels", "1,2,3", r"must have numbers \[n, 4\], has \[1, 3\]"),
        ("file: f.csv, units: pixels", "a,b,c,d", "f.csv cannot be read: could not convert"),
        ("file: f.csv, units: pixels", "1,2,0,4", "anchors without a size; is box_format right"),
        ("file: f.csv, units: pixels", "1,2,3,4", r" are 1, but output 'b'"),
        ("file: f.csv, units: pixels, sizes: 3", "1,2,3,4\n1,2,3,4", "sizes is not a field"),
        ("file: f.csv, units: inches", "1,2,3,4", "units must be one of normalized, pixels"),
        (
            "file: f.csv, units: pixels, variances: [0, 1]",
            "1,2,3,4\n1,2,3,4",
            r"variances must be above 0, got \[0.0, 1.0\]",
        ),
    ],
)
def test_what_is_refused(make_processor, text: str, content: str, words: str) -> None:
    name = "f.txt" if "f.txt" in text else "f.csv"
    with pytest.raises(ConfigError, match=rf"vision.yaml:2: head.anchors.*{words}"):
        make(make_processor, text, files={name: content})


def test_a_size_that_is_not_fixed(make_processor) -> None:
    yaml = (
        "input: {multiple_of: 32}\n"
        "head: {type: ssd, boxes: b, scores: s, anchors: {strides: 8, sizes: 9}}\n"
    )
    outputs = {"b": ("FP32", (-1, 4)), "s": ("FP32", (-1, 2))}
    with pytest.raises(ConfigError, match="strides need an input of a fixed size; give a file"):
        make_processor(yaml, {"x": ("UINT8", (-1, -1, 3))}, outputs)
    yolox = "input: {multiple_of: 32}\nhead: {type: yolo, format: x}\n"
    with pytest.raises(ConfigError, match="format is x, whose grids need an input of a fixed"):
        make_processor(yolox, {"x": ("UINT8", (-1, -1, 3))}, {"y": ("FP32", (-1, 8))})


@pytest.mark.parametrize(
    "head",
    [
        "{type: ssd, boxes: c, scores: s, anchors: {strides: 1, sizes: 9}}",
        "{type: blazeface, regressors: b, scores: s, strides: 1, anchors_per_stride: 1}",
        "{type: yolo, output: b, format: x, strides: 1}",
    ],
)
def test_more_anchors_than_any_model_has(make_processor, head: str) -> None:
    yaml = f"input: {{size: [16384, 16384]}}\nhead: {head}\n"
    outputs = {"b": ("FP32", (-1, 16)), "c": ("FP32", (-1, 4)), "s": ("FP32", (-1, 1))}
    with pytest.raises(ConfigError, match=r"strides make 268435456 anchors of an .* most: 4194304"):
        make_processor(yaml, {"x": ("UINT8", (-1, -1, 3))}, outputs)
