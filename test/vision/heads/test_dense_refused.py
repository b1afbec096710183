# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a dense head refuses at load."""

from __future__ import annotations

import pytest
from letterboxed import BOXED, INPUT

from triton_ros.core.errors import ConfigError


@pytest.mark.parametrize(
    ("head", "outputs", "words"),
    [
        (
            "type: segmentation, layout: chw",
            {"out": (300, 8, 8)},
            "makes 300 classes; accepted: 256",
        ),
        ("type: segmentation", {"out": (3,)}, r"must have dims \[classes, h, w\]"),
        ("type: segmentation", {"out": (4, 8, 8)}, "makes 4 classes.*has 2 labels"),
        (
            "type: segmentation, score_threshold: 0.5",
            {"out": (2, 8, 8)},
            "score_threshold is not a field; the fields are type, output, layout",
        ),
        ("type: segmentation, layout: hwc", {"out": (8, 8)}, "layout is not a field"),
        ("type: landmarks, score_threshold: 0.5", {"out": (4,)}, "threshold is not a field"),
        ("type: depth", {"out": (3, 8, 8)}, r"must have dims \[h, w\]"),
        ("type: landmarks, values: 3", {"out": (4,)}, "is 3, but 'out' has 4 numbers"),
        ("type: landmarks, score: third", {"out": (4,)}, "there are 2 values a point"),
        ("type: heatmap", {"out": (4,)}, r"must have dims \[points, h, w\]"),
        ("type: yolo_pose, points: 2", {"out": (6, 99)}, "format v8 leaves -4 classes"),
        ("type: yolo_pose, format: v10", {"out": (99, 8)}, "v10 reads rows of 57"),
        (
            "type: yolo_seg, output: out, protos: p",
            {"out": (40, 99), "p": (32, 8, 8)},
            "makes 4 classes.*has 2 labels",
        ),
        ("type: yolo_seg, output: out, protos: p", {"out": (40, 9), "p": (8, 8)}, "protos must"),
    ],
)
def test_what_cannot_fit_is_refused_at_load(
    make_processor, head: str, outputs: dict[str, tuple[int, ...]], words: str
) -> None:
    yaml = BOXED + f"head: {{{head}}}\nlabels: [cat, dog]\n"
    specs = {name: ("FP32", dims) for name, dims in outputs.items()}
    with pytest.raises(ConfigError, match=words):
        make_processor(yaml, INPUT, specs)
