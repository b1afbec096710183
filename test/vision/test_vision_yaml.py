# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a broken vision.yaml is told: file, line, field, value and what is accepted."""

from __future__ import annotations

from pathlib import Path

import pytest

from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.config.scheduling_config import EnsembleStep
from triton_ros.core.errors import ConfigError
from triton_ros.vision.processor import load_processor

GOOD = """\
# A comment, so that lines differ from fields.
input:
  color: rgb
  resize: letterbox
  fill: 114
  scale: 1/255
  mean: [0.1, 0.2, 0.3]
head:
  type: yolo
  format: v8
  score_threshold: 0.25
labels: [cat, dog]
"""
INPUTS = {"images": ("FP32", (3, 64, 64))}
OUTPUTS = {"output0": ("FP32", (6, 84))}

BROKEN = [
    ("color: rgb", "color: red", 3, "input.color must be one of rgb, bgr, gray, depth, got 'red'"),
    ("color: rgb", "colour: rgb", 3, "input.colour is not a field; the fields are tensor, color,"),
    ("color: rgb", "color: gray", 2, "input.layout must be nchw or nhwc.*1 channel"),
    ("color: rgb", "tensor: image", 3, "input.tensor must be one of images, got 'image'"),
    ("color: rgb", "layout: nhwc", 3, r"input.layout is nhwc with 3 .*dims \[3, 64, 64\]"),
    ("color: rgb", "size: [32, 32]", 3, r"input.size is \[32, 32\], but .* \[64, 64\]"),
    ("color: rgb", "size: 64", 3, r"input.size must be \[height, width\]"),
    ("color: rgb", "multiple_of: 32", 3, r"is for variable dims, input 'images' has \[64, 64\]"),
    ("resize: letterbox", "resize: cut", 4, "must be one of stretch, letterbox, letterbox_top"),
    ("resize: letterbox", "crop_fraction: 0", 4, "must be a number from 0.01 to 1"),
    ("resize: letterbox", "region: [0, 0, 2, 1]", 4, "within 0..1 of the frame"),
    ("resize: letterbox", "depth: [5, 1]", 4, "must be .near, far. in metres"),
    ("resize: letterbox", "regions: {}", 9, "head.type is yolo, which looks at frames"),
    ("fill: 114", "fill: 300", 5, "input.fill must be from 0 to 255"),
    ("fill: 114", "fill: [1, 2]", 5, r"must be a number, or a list of 3 numbers, got \[1, 2\]"),
    ("fill: 114", "fill: yes", 5, "got True"),
    ("scale: 1/255", "scale: 1/0", 6, "input.scale must be a number, .*got '1/0'"),
    ("scale: 1/255", "scale: [.nan, 1, 1]", 6, "input.scale must be a number"),
    ("scale: 1/255", "std: 0", 6, "input.std must not be 0"),
    ("scale: 1/255", "fill: 3", 6, "input.fill is given twice"),
    ("type: yolo", "type: yolov8", 9, "head.type must be one of yolo, ssd, .* got 'yolov8'"),
    ("  type: yolo\n", "", 8, "head.type is missing"),
    ("format: v8", "frmat: v8", 8, "head.format is missing"),
    ("0.25", "1.5", 11, "head.score_threshold must be a number from 0 to 1, got 1.5"),
    ("0.25", "high", 11, "must be a number from 0 to 1, got 'high'"),
    ("score_threshold: 0.25", "max_detections: 0", 11, "must be a whole number from 1 to"),
    ("score_threshold: 0.25", "max_detections: true", 11, "got True"),
    ("score_threshold: 0.25", "score_treshold: 0.25", 11, "is not a field; .*score_threshold"),
    ("score_threshold: 0.25", "output: out", 11, "head.output must be one of output0, got 'out'"),
    ("labels: [cat, dog]", "labels: [cat, dog, owl]", 10, "2 classes, but labels has 3 labels"),
    ("labels: [cat, dog]", "labels: [[cat], dog]", 12, "labels must be a list of names"),
    ("labels: [cat, dog]", "label: [cat, dog]", 12, "label is not a field; .*input, labels, head"),
    ("labels: [cat, dog]", "labels: [cat, dog", 13, "not YAML"),
    ("labels: [cat, dog]", "labels: ../x", 12, "labels must stay inside the model's directory"),
    ("labels: [cat, dog]", "labels: /etc/passwd", 12, "labels must stay inside the model's"),
    ("labels: [cat, dog]", 'labels: "a\\0b"', 12, "labels must stay inside the model's"),
    ("labels: [cat, dog]", "keypoint_names: ../x", 12, "keypoint_names must stay inside"),
    (GOOD, "- input\n", 1, "the file must be a mapping"),
    (GOOD, "", 1, "the file must be a mapping"),
    (GOOD, "input: 3\n", 1, "input must be a mapping"),
    (GOOD, "head: {}\n", 1, "input is missing"),
]


@pytest.mark.parametrize(("old", "new", "line", "words"), BROKEN, ids=lambda v: str(v)[:30])
def test_broken_files(make_processor, old: str, new: str, line: int, words: str) -> None:
    assert old in GOOD
    with pytest.raises(ConfigError, match=rf"vision\.yaml:{line}: .*{words}"):
        make_processor(GOOD.replace(old, new, 1), INPUTS, OUTPUTS)


def test_the_good_one_is_good(make_processor) -> None:
    processor = make_processor(GOOD, INPUTS, OUTPUTS)
    assert processor.labels == ("cat", "dog")
    assert processor.head.thresholds.score == 0.25


@pytest.mark.parametrize(
    ("yaml", "inputs", "words"),
    [
        ("input: {}\n", {"a": ("FP32", (3, 8, 8)), "b": ("FP32", (3, 8, 8))}, "tensor is missing"),
        (
            "input: {tensor: a}\n",
            {"a": ("FP32", (3, 8, 8)), "b": ("FP32", (2,))},
            "is 'a', but the model needs b as well",
        ),
        ("input: {}\n", {"a": ("FP32", (8, 8))}, r"'a' has dims \[8, 8\], which is no image"),
        ("input: {}\n", {"a": ("BYTES", (3, 8, 8))}, "is BYTES, which holds no pixels"),
        ("input: {}\n", {"a": ("FP32", (3, 8, 3))}, "layout must be nchw or nhwc"),
        ("input: {}\n", {"a": ("FP32", (-1, -1, -1))}, "layout must be nchw or nhwc"),
        ("input: {}\n", {"a": ("FP32", (3, -1, -1))}, r"size is missing \(or multiple_of\)"),
        (
            "input: {size: [8, 8], multiple_of: 4}\n",
            {"a": ("FP32", (3, -1, -1))},
            "multiple_of and size exclude each other",
        ),
        ("input: {regions: {}}\n", {"a": ("FP32", (3, -1, 8))}, "regions.height must be given"),
        ("input: {regions: {}}\n", {"a": ("FP32", (3, 8, -1))}, "regions.widths must be given"),
        (
            "input: {regions: {widths: [4, 8]}}\n",
            {"a": ("FP32", (3, 8, 8))},
            r"widths must be given and fit the model's 8, got \[4, 8\]",
        ),
        (
            "input: {resize: letterbox, regions: {}}\n",
            {"a": ("FP32", (3, 8, 8))},
            "must be stretch or letterbox_top_left for regions",
        ),
    ],
)
def test_inputs_that_do_not_fit(make_processor, yaml: str, inputs, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make_processor(yaml + "head: {type: classification}\n", inputs, {"y": ("FP32", (3,))})


@pytest.mark.parametrize(
    ("inputs", "outputs", "words"),
    [
        ({"IMAGE": ("UINT8", (8, 8, 3))}, {"y": ("FP32", (2,))}, "makes an input 'IMAGE'"),
        ({"x": ("UINT8", (8, 8, 3))}, {"SCORES": ("FP32", (2,))}, "makes an output 'SCORES'"),
    ],
)
def test_the_two_interfaces_never_overlap(make_processor, inputs, outputs, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make_processor("input: {}\nhead: {type: classification}\n", inputs, outputs)


CLASSIFY = "input: {}\nhead: {type: classification}\n"
ONE = {"x": ("UINT8", (8, 8, 3))}


def test_labels_from_a_file_by_either_config(make_processor) -> None:
    outputs = {"y": ("FP32", (2,))}
    files = {"names.txt": "cat\r\n dog \n"}
    by_yaml = make_processor(CLASSIFY + "labels: names.txt\n", ONE, outputs, files=files)
    assert by_yaml.labels == ("cat", "dog")
    by_triton = make_processor(CLASSIFY, ONE, outputs, files=files, label_filename="names.txt")
    assert by_triton.labels == ("cat", "dog")
    with pytest.raises(ConfigError, match=r"yaml:3: labels are given by label_filename .*names"):
        make_processor(
            CLASSIFY + "labels: [a, b]\n", ONE, outputs, files=files, label_filename="names.txt"
        )
    with pytest.raises(ConfigError, match=r"names.txt has 2 labels"):
        make_processor(CLASSIFY, ONE, {"y": ("FP32", (3,))}, label_filename="names.txt")
    with pytest.raises(ConfigError, match=r"other.txt: cannot be read"):
        make_processor(CLASSIFY, ONE, outputs, label_filename="other.txt")


def test_no_file_no_processor(tmp_path: Path) -> None:
    assert load_processor(ModelConfig("plain"), tmp_path) is None


def test_an_ensemble_has_none(tmp_path: Path) -> None:
    (tmp_path / "vision.yaml").write_text(GOOD)
    config = ModelConfig("e", platform="ensemble", ensemble=(EnsembleStep("a"),))
    with pytest.raises(ConfigError, match="an ensemble has none"):
        load_processor(config, tmp_path)


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "vision.yaml").write_bytes(b"\xff\xfe\x00input")
    with pytest.raises(ConfigError, match=r"vision.yaml: cannot be read"):
        load_processor(ModelConfig("m"), tmp_path)


def test_a_name_that_no_file_has(make_processor) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        make_processor(GOOD.replace("[cat, dog]", r'"\ud800"'), INPUTS, OUTPUTS)
