# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Heads of regions: texts, angles and classes, one a region, in the regions' order."""

from __future__ import annotations

import numpy as np
import pytest

from triton_ros.core.errors import ConfigError
from triton_ros.core.tensor import Array

INPUT = """
input:
  resize: letterbox_top_left
  regions: {{widths: [64], rotate_tall: {tall}}}
head: {head}
"""
INPUTS = {"x": ("FP32", (3, 32, -1))}
FRAME = np.zeros((100, 200, 3), np.uint8)
QUADS = np.array(
    [
        [[0, 0], [60, 0], [60, 20], [0, 20]],
        [[5, 5], [5, 5], [5, 5], [5, 5]],
        [[100, 0], [120, 0], [120, 60], [100, 60]],
    ],
    np.float32,
)
CHARACTERS = "a\nb\n\u3000\n\u2028\n"
CTC = "{type: ctc, characters: characters.txt}"


def make(make_processor, head: str, dims: tuple[int, ...], tall: float = 1.5):
    return make_processor(
        INPUT.format(head=head, tall=tall),
        INPUTS,
        {"out": ("FP32", dims)},
        files={"characters.txt": CHARACTERS},
    )


def steps(*classes: int, sure: float = 0.9) -> Array:
    table = np.full((len(classes), 6), (1 - sure) / 5, np.float32)
    table[np.arange(len(classes)), list(classes)] = sure
    return table


def test_ctc_drops_repetitions_and_blanks(make_processor) -> None:
    processor = make(make_processor, CTC, (-1, 6))
    work = processor.prepare({"IMAGE": FRAME, "REGIONS": QUADS}, {})
    rows = [{"out": steps(0, 1, 1, 0, 1, 2, 5, 2, 4, 3, 2)}, {"out": steps(0, 0)}]
    answer = processor.finish(work, rows)
    assert answer["LABELS"].tolist() == ["aab b\u2028\u3000b", "", ""]
    assert answer["SCORES"].tolist() == pytest.approx([0.9, 0, 0])
    assert answer["LABELS"].dtype == object


def test_ctc_score_is_the_mean_of_the_kept_steps(make_processor) -> None:
    processor = make(make_processor, CTC, (-1, 6))
    work = processor.prepare({"IMAGE": FRAME, "REGIONS": QUADS[:1]}, {})
    table = np.vstack([steps(1, sure=0.6), steps(1, sure=0.99), steps(0), steps(2, sure=1.0)])
    assert processor.finish(work, [{"out": table}])["SCORES"].tolist() == pytest.approx([0.8])


def test_ctc_strips_spaces_at_the_ends(make_processor) -> None:
    processor = make(make_processor, CTC, (-1, 6))
    work = processor.prepare({"IMAGE": FRAME, "REGIONS": QUADS[:1]}, {})
    assert processor.finish(work, [{"out": steps(5, 1, 5, 2, 5)}])["LABELS"].tolist() == ["a b"]


def test_ctc_characters_have_to_be_as_many_as_the_classes(make_processor) -> None:
    words = r"vision.yaml:5: head.characters characters.txt has 4 lines, which makes 6 classes .* 7"
    with pytest.raises(ConfigError, match=words):
        make(make_processor, CTC, (-1, 7))
    make(make_processor, CTC.replace("}", ", space: false}"), (-1, 5))


def test_ctc_needs_its_file_and_regions(make_processor) -> None:
    with pytest.raises(ConfigError, match=r"missing.txt: cannot be read"):
        make(make_processor, "{type: ctc, characters: missing.txt}", (-1, 6))
    with pytest.raises(ConfigError, match=r"input.regions is missing"):
        make_processor(
            f"input: {{size: [32, 64]}}\nhead: {CTC}\n", INPUTS, {"out": ("FP32", (-1, 6))}
        )


def test_flip_rolls_the_corners_of_upside_down_regions(make_processor) -> None:
    processor = make(make_processor, "{type: flip, threshold: 0.8}", (2,), tall=0)
    quads = QUADS[[0, 1, 0, 2]]
    work = processor.prepare({"IMAGE": FRAME, "REGIONS": quads}, {})
    rows = [{"out": np.array(v, np.float32)} for v in ([0.1, 0.9], [0.3, 0.7], [0.95, 0.05])]
    found = processor.finish(work, rows)["REGIONS"]
    assert found[0].tolist() == [[60, 20], [0, 20], [0, 0], [60, 0]]
    assert np.array_equal(found[1:], quads[1:])
    assert np.array_equal(quads[0], QUADS[0]), "the request's own array stays"


def test_flip_answers_tall_regions_lying(make_processor) -> None:
    processor = make(make_processor, "{type: flip}", (2,))
    work = processor.prepare({"IMAGE": FRAME, "REGIONS": QUADS[2:]}, {})
    upright = processor.finish(work, [{"out": np.array([1, 0], np.float32)}])["REGIONS"]
    assert upright[0].tolist() == [[120, 0], [120, 60], [100, 60], [100, 0]]
    flipped = processor.finish(work, [{"out": np.array([0, 1], np.float32)}])["REGIONS"]
    assert flipped[0].tolist() == np.roll(upright[0], 2, axis=0).tolist()


def test_flip_may_count_its_classes_the_other_way(make_processor) -> None:
    processor = make(make_processor, "{type: flip, upside_down: 0}", (2,))
    work = processor.prepare({"IMAGE": FRAME, "REGIONS": QUADS[:1]}, {})
    found = processor.finish(work, [{"out": np.array([1, 0], np.float32)}])["REGIONS"]
    assert found[0, 0].tolist() == [60, 20]
    with pytest.raises(ConfigError, match="upside_down must be a whole number from 0 to 1, got 2"):
        make(make_processor, "{type: flip, upside_down: 2}", (2,))


@pytest.mark.parametrize("head", [CTC, "{type: flip}"])
def test_no_regions(make_processor, head: str) -> None:
    processor = make(make_processor, head, (-1, 6) if "ctc" in head else (2,))
    work = processor.prepare({"IMAGE": FRAME, "REGIONS": np.zeros((0, 4, 2), np.float32)}, {})
    answer = processor.finish(work, [])
    for spec in processor.outputs:
        assert answer[spec.name].shape == (0, *spec.dims[1:])


def test_regions_have_no_thresholds_to_set(make_processor) -> None:
    with pytest.raises(ConfigError, match=r"head.score_threshold is not a field"):
        make(make_processor, "{type: classification, score_threshold: 0.5}", (2,))


FRAME_HEAD = "input: {}\nhead: {type: classification, max_detections: 3}\nlabels: [a, b, c, d]\n"


def test_the_surest_classes_of_a_frame(make_processor) -> None:
    outputs = {"out": ("FP32", (4,))}
    processor = make_processor(FRAME_HEAD, {"x": ("FP32", (3, 32, 32))}, outputs)
    raw = {"out": np.log(np.array([0.1, 0.2, 0.65, 0.05], np.float32))}

    def found(**parameters: float):
        work = processor.prepare({"IMAGE": FRAME}, parameters)
        return processor.finish(work, [raw])

    answer = found()
    assert answer["LABELS"].tolist() == ["c", "b", "a"]
    assert answer["CLASS_IDS"].tolist() == [2, 1, 0]
    assert answer["SCORES"].tolist() == pytest.approx([0.65, 0.2, 0.1])
    assert found(score_threshold=0.15)["LABELS"].tolist() == ["c", "b"]
    assert found(max_detections=1)["LABELS"].tolist() == ["c"]
    assert found(score_threshold=0.9)["SCORES"].shape == (0,)
