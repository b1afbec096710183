# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Every layout of a detector's outputs: what is encoded as the exports do has to come back."""

from __future__ import annotations

import numpy as np
import pytest
from detector_encodings import ROWS, SIDE, Found, yolox
from detector_families import FAMILIES, READY, TWO, Family
from hypothesis import given, settings
from hypothesis import strategies as st

from triton_ros.core.errors import ConfigError
from triton_ros.core.tensor import Array
from triton_ros.vision.processor import VisionProcessor

FRAME = np.zeros((90, 160, 3), np.uint8)
TRUTH = np.array([[10, 20, 60, 70], [100, 5, 159, 85], [1, 2, 30, 18]], np.float32)
CLASSES = np.array([1, 2, 0])
SCORES = np.array([0.9, 0.8, 0.6], np.float32)
RESIZES = ("letterbox", "letterbox_top_left", "stretch")


def processor_for(make_processor, name: str, resize: str = "letterbox") -> VisionProcessor:
    family = FAMILIES[name]
    yaml = (
        f"input: {{{family.input}, layout: nchw, resize: {resize}}}\n"
        f"head: {{{family.head}}}\nlabels: [cat, dog, bird]\n"
    )
    dims = (1, 3, SIDE, SIDE) if family.batch == 0 else (3, SIDE, SIDE)
    kinds = {output: family.kinds.get(output, "FP32") for output in family.outputs}
    return make_processor(
        yaml,
        {"x": ("FP32", dims), **family.more_inputs},
        {output: (kinds[output], dims) for output, dims in family.outputs.items()},
        max_batch_size=max(family.batch, 0),
    )


def answer(
    processor: VisionProcessor, name: str, boxes: Array, scores: Array, classes: Array, **parameters
) -> dict[str, Array]:
    work = processor.prepare({"IMAGE": FRAME}, parameters)
    geometry = work.context.geometry
    inside = geometry.to_model(boxes.reshape(-1, 2, 2)).reshape(-1, 4)
    raw = FAMILIES[name].encode(Found(inside, scores, classes, geometry))
    for output, dims in FAMILIES[name].outputs.items():
        pairs = zip(raw[output].shape, dims, strict=True)
        assert all(want in (-1, is_) for is_, want in pairs), "the test's own encoding"
    return processor.finish(work, [raw])


@pytest.mark.parametrize("resize", RESIZES)
@pytest.mark.parametrize("name", FAMILIES)
def test_what_is_encoded_comes_back(make_processor, name: str, resize: str) -> None:
    processor = processor_for(make_processor, name, resize)
    found = answer(processor, name, TRUTH, SCORES, CLASSES)
    assert np.abs(found["BOXES"] - TRUTH).max() < 0.01
    assert found["SCORES"].tolist() == pytest.approx(SCORES.tolist(), abs=1e-4)
    assert found["CLASS_IDS"].tolist() == CLASSES.tolist()
    assert found["LABELS"].tolist() == ["dog", "bird", "cat"]
    assert found["REGIONS"].shape == (3, 4, 2)
    kinds = [found[n].dtype for n in ("BOXES", "REGIONS", "SCORES", "CLASS_IDS")]
    assert kinds == [np.float32, np.float32, np.float32, np.int32]
    assert list(found) == [spec.name for spec in processor.outputs]


@pytest.mark.parametrize("name", FAMILIES)
def test_thresholds_of_a_request(make_processor, name: str) -> None:
    processor = processor_for(make_processor, name)

    def labels(**parameters: float) -> list[str]:
        return answer(processor, name, TRUTH, SCORES, CLASSES, **parameters)["LABELS"].tolist()

    assert labels(score_threshold=0.7) == ["dog", "bird"]
    assert labels(max_detections=1) == ["dog"]
    assert labels(score_threshold=0.95) == []
    assert labels() == ["dog", "bird", "cat"]


@pytest.mark.parametrize("name", FAMILIES)
def test_nothing_found(make_processor, name: str) -> None:
    processor = processor_for(make_processor, name)
    nothing = np.zeros((0, 4), np.float32)
    found = answer(processor, name, nothing, np.zeros(0, np.float32), np.zeros(0, int))
    shapes = {output: value.shape for output, value in found.items()}
    assert shapes.pop("BOXES") == (0, 4)
    assert shapes.pop("REGIONS") == (0, 4, 2)
    assert set(shapes.values()) == {(0,)}


@st.composite
def scenes(draw: st.DrawFn, most: int) -> tuple[Array, Array, Array]:
    """Boxes on the frame, scores that differ, classes."""
    count = draw(st.integers(0, most))
    sides = [FRAME.shape[1], FRAME.shape[0]] * 2
    corner = st.tuples(*(st.floats(0, 0.875, width=32) for _ in range(4)))
    boxes = np.array(draw(st.lists(corner, min_size=count, max_size=count)), np.float32)
    boxes = boxes.reshape(count, 4)
    boxes[:, 2:] = boxes[:, :2] + np.maximum(0.05, (1 - boxes[:, :2]) * boxes[:, 2:])
    ranks = draw(st.permutations(range(count)))
    scores = np.array([0.6 + 0.05 * rank for rank in ranks], np.float32)
    classes = draw(st.lists(st.integers(0, 2), min_size=count, max_size=count))
    return boxes * np.array(sides, np.float32), scores, np.array(classes, int)


@pytest.mark.parametrize("name", FAMILIES)
def test_any_boxes_come_back_best_first(make_processor, name: str) -> None:
    processors = [processor_for(make_processor, name, resize) for resize in RESIZES]

    @settings(max_examples=40)
    @given(scenes(FAMILIES[name].most), st.sampled_from(processors))
    def check(scene: tuple[Array, Array, Array], processor: VisionProcessor) -> None:
        boxes, scores, classes = scene
        found = answer(processor, name, boxes, scores, classes)
        order = np.argsort(-scores)
        assert found["BOXES"].shape == boxes.shape
        assert np.abs(found["BOXES"] - boxes[order]).max(initial=0) < 0.05
        assert found["CLASS_IDS"].tolist() == classes[order].tolist()
        assert np.abs(found["SCORES"] - scores[order]).max(initial=0) < 1e-3

    check()


SUPPRESSING = ("yolo v5", "yolo v8", "yolox", "ssd")


@pytest.mark.parametrize("name", SUPPRESSING)
@pytest.mark.parametrize(
    ("mode", "kept"),
    [
        ("class_aware", ["dog", "bird", "cat"]),
        ("agnostic", ["dog", "cat"]),
        ("none", ["dog", "bird", "dog", "cat"]),
    ],
)
def test_who_suppresses_whom(
    make_processor, monkeypatch: pytest.MonkeyPatch, name: str, mode: str, kept: list[str]
) -> None:
    family = FAMILIES[name]
    head = family.head.replace("nms: none", f"nms: {mode}")
    monkeypatch.setitem(FAMILIES, name, Family(head, family.outputs, family.encode))
    processor = processor_for(make_processor, name)
    boxes = np.array([[10, 20, 60, 70], [12, 20, 60, 70], [10, 22, 60, 70], [100, 5, 150, 80]])
    scores = np.array([0.9, 0.8, 0.7, 0.6], np.float32)
    found = answer(processor, name, boxes, scores, np.array([1, 2, 1, 0]))
    assert found["LABELS"].tolist() == kept
    everything = answer(processor, name, boxes, scores, np.array([1, 2, 1, 0]), iou_threshold=1.0)
    assert len(everything["LABELS"]) == 4


def test_boxes_of_infinities_are_none(make_processor) -> None:
    processor = processor_for(make_processor, "yolox")
    work = processor.prepare({"IMAGE": FRAME}, {})
    raw = yolox(Found(TRUTH[:1] / 4, SCORES[:1], CLASSES[:1], work.context.geometry))
    raw["y"][50:53] = [[0, 0, 999, 0, 1, 1, 0, 0], [np.nan] * 4 + [1, 1, 0, 0], [np.nan] * 8]
    with np.errstate(over="raise"):
        assert processor.finish(work, [raw])["LABELS"].tolist() == ["dog"]


REFUSED = [
    (
        "yolo v10",
        {"y": (ROWS, 7)},
        r"reads dims \[n, 6\] \(x0 y0 x1 y1 score class\), .*84, 7",
    ),
    ("yolo v7 end2end", {"y": (-1, 6)}, r"reads dims \[n, 7\] \(image x0 y0 x1 y1 class score\)"),
    ("yolo v8", {"y": (300, 6)}, "296 classes, but labels has 3 labels; v10, yolo26 would"),
    (
        "yolox",
        {"y": (80, 8)},
        r"\[8, 16, 32\] make 84 cells of an input of \[64, 64\], .*80, 8",
    ),
    ("pp-yoloe", TWO, r"as many rows: 's' has \[84, 3\], .*; classes_first: false would fit"),
    ("ssd", {**TWO, "s": (3, ROWS)}, r"\[3, 84\], .*; classes_first: true would fit"),
    ("ssd, anchors", {"b": (81, 4), "s": (81, 3)}, r"anchors are 80, but output 'b' has \[81, 4\]"),
    (
        "ssd, coco ids",
        {**TWO, "s": (ROWS, 90)},
        r"label_ids has 90, but 's' .* 90 classes",
    ),
    ("detr", {"pred_boxes": (9, 4), "logits": (9, 3)}, "makes 2 classes of output 'logits'"),
    (
        "detr",
        {"boxes": (9, 4), "logits": (9, 4)},
        "boxes must be one of boxes, logits, got 'pr",
    ),
    ("rt-detr of ultralytics", {"y": (7, ROWS)}, "makes 80 classes"),
    ("rt-detr of ultralytics", {"y": (ROWS, 4)}, r"reads dims \[n, 4 \+ classes\]"),
    ("tflite", {**READY, "b": (10,)}, r"boxes must have dims \[n, 4\], 'b' has \[10\]"),
    ("tflite", {**READY, "s": (1,), "n": (10,)}, r"scores must have dims \[10\], as many as 'b'"),
    ("detection output", {"y": (1, 20, 6)}, r"\(image class score x0 y0 x1 y1\)"),
    ("centernet, maps", {"hm": (2, 16, 16), "wh": (2, 16, 16), "reg": (2, 16, 16)}, "makes 2 cl"),
    ("centernet, maps", {"hm": (3, 16, 16), "wh": (2, 8, 8), "reg": (2, 16, 16)}, "size must have"),
    ("centernet, maps", {"hm": (3, 16, 16), "wh": (2, 16, 16), "reg": (1, 16, 16)}, "offset must"),
    ("centernet, maps", {"hm": (3, 256), "wh": (2, 16, 16), "reg": (2, 16, 16)}, "heatmap must"),
]


@pytest.mark.parametrize(("name", "outputs", "words"), REFUSED)
def test_dims_that_do_not_fit(
    make_processor, monkeypatch: pytest.MonkeyPatch, name: str, outputs, words: str
) -> None:
    family = FAMILIES[name]
    changed = Family(family.head, outputs, family.encode, batch=family.batch)
    monkeypatch.setitem(FAMILIES, name, changed)
    with pytest.raises(ConfigError, match=r"vision.yaml:2: head\..*" + words):
        processor_for(make_processor, name)


FIELDS = [
    ("yolo v10", "nms: none", "head.nms is not a field"),
    ("yolo v8", "iou_treshold: 1", "iou_treshold is not a field; .* iou_threshold"),
    ("yolo v8", "strides: [8]", "strides is not a field"),
    ("yolox", "strides: [8, 16]", r"strides \[8, 16\] make 80 cells"),
    ("detr", "format: detr", "given twice"),
    ("tensorflow", "label_ids: coco_91", "are 80, but labels has 3 labels"),
    ("tensorflow", "label_ids: [1, 1, 2]", "must all differ"),
    ("tensorflow", "label_ids: coco", "from 0 to 100000, or coco_91, got 'coco'"),
    ("tensorflow", "label_offset: 0, label_ids: [1, 2, 3]", "exclude each other"),
    ("tensorflow", "classes: detection_scores", "must be an output of its own"),
    ("tensorflow", "count: counter", "head.count must be one of num_detections, "),
    ("ssd, coco ids", "background: first", "background and label_ids exclude each other"),
    ("rt-detr of ultralytics", "classes_first: true", "is for separate scores"),
    ("ssd, anchors", "units: pixels", "units is not a field"),
]


@pytest.mark.parametrize(("name", "more", "words"), FIELDS)
def test_fields_that_do_not_fit(
    make_processor, monkeypatch: pytest.MonkeyPatch, name: str, more: str, words: str
) -> None:
    family = FAMILIES[name]
    changed = Family(f"{family.head}, {more}", family.outputs, family.encode, family.kinds)
    monkeypatch.setitem(FAMILIES, name, changed)
    with pytest.raises(ConfigError, match=r"vision.yaml:2: .*" + words):
        processor_for(make_processor, name)
