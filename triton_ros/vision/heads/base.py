# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the heads have in common: the port, thresholds, and how detections become an answer.

A head knows one family of output tensors.  It is a frozen value made once, at load, from the
`head:` section of vision.yaml and the model's own dims, and refuses there what cannot fit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from triton_ros.core.errors import InvalidArgumentError
from triton_ros.core.request import Parameter
from triton_ros.core.tensor import Array, TensorSpec
from triton_ros.vision.geometry import Geometry, box_quads
from triton_ros.vision.nms import nms, surest
from triton_ros.vision.yaml_fields import Fields

BOXES = TensorSpec("BOXES", "FP32", (-1, 4))
REGIONS = TensorSpec("REGIONS", "FP32", (-1, 4, 2))
SCORES = TensorSpec("SCORES", "FP32", (-1,))
CLASS_IDS = TensorSpec("CLASS_IDS", "INT32", (-1,))
LABELS = TensorSpec("LABELS", "BYTES", (-1,))

DETECTIONS = (BOXES, REGIONS, SCORES, CLASS_IDS, LABELS)
"""What every box detector answers."""

Outputs = Mapping[str, Array]
"""The raw outputs of one element, without batch dim."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What a request may override: the parameters score_threshold, iou_threshold, max_detections.

    A head without NMS has no use for `iou`, one that answers for every region has none at all.
    """

    score: float = 0.0
    iou: float = 1.0
    max_detections: int = 100

    def override(self, parameters: Mapping[str, Parameter]) -> Thresholds:
        """These with a request's parameters; raises `InvalidArgumentError` for a bad value.

        Other parameters are somebody else's.
        """
        score = _fraction(parameters, "score_threshold", self.score)
        iou = _fraction(parameters, "iou_threshold", self.iou)
        count = parameters.get("max_detections", self.max_detections)
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise InvalidArgumentError(
                f"parameter 'max_detections' must be a whole number of 1 or more, got {count!r}"
            )
        return replace(self, score=score, iou=iou, max_detections=count)


NO_THRESHOLDS = Thresholds()
"""Of a head that answers for every pixel, or as it is."""


def _fraction(parameters: Mapping[str, Parameter], name: str, default: float) -> float:
    value = parameters.get(name, default)
    if isinstance(value, (bool, str)) or not 0 <= value <= 1:
        raise InvalidArgumentError(f"parameter '{name}' must be from 0 to 1, got {value!r}")
    return float(value)


@dataclass(frozen=True, slots=True)
class Context:
    """A prepared request, as its head sees it again at the end.

    `geometry` is the whole frame's.  `regions` [n, 4, 2] are those of a region model, turned as
    they were read; `used` are the indices of the ones that became elements.
    """

    geometry: Geometry
    thresholds: Thresholds
    regions: Array
    used: Array
    crops: Sequence[Array] = ()
    """The quads [4, 2] that were cut out for the used ones."""
    geometries: Sequence[Geometry] = ()
    """How each of these went into the input."""


class Head(Protocol):
    """Raw outputs to named results in source pixels."""

    @property
    def outputs(self) -> tuple[TensorSpec, ...]: ...

    @property
    def thresholds(self) -> Thresholds: ...

    def finish(self, context: Context, rows: Sequence[Outputs]) -> dict[str, Array]:
        """The answer; `rows` is one element for a frame, or one a used region."""
        ...


@dataclass(frozen=True, slots=True)
class Facts:
    """What a head is held against: the model's outputs (dims without batch), labels, input."""

    outputs: Mapping[str, TensorSpec]
    labels: tuple[str, ...]
    labels_from: str
    """Where the labels are from, for a message; empty when there are none."""
    input_size: tuple[int, int] | None
    """(height, width) where it is fixed."""
    regions: bool

    def output(self, fields: Fields, field: str = "output", usual: str = "") -> TensorSpec:
        """The output that a field names; `usual` is its name where the field is left out.

        Where the model has one output only, it is that one.
        """
        only = next(iter(self.outputs)) if len(self.outputs) == 1 else usual
        name = fields.text(field, only) if only else fields.text(field)
        if name not in self.outputs:
            fields.fail(field, f"must be one of {', '.join(self.outputs)}, got '{name}'")
        return self.outputs[name]

    def check_classes(self, fields: Fields, field: str, spec: TensorSpec, classes: int) -> None:
        """Refuse labels that are not as many as the classes of an output."""
        if self.labels and classes != len(self.labels):
            fields.fail(
                field,
                f"makes {classes} classes of output '{spec.name}' with dims {list(spec.dims)},"
                f" but {self.labels_from} has {len(self.labels)} labels",
            )


Reader = Callable[[Fields, Facts], Head]


def channel_axis(fields: Fields, dims: Sequence[int]) -> int:
    """Where the channels of [channels, h, w] or [h, w, channels] are, as the field `layout` has it.

    `auto` takes the smaller end, and the first one in doubt.  A dim that varies is a side of the
    picture: how many channels there are does not depend on the frame.
    """
    layout = fields.choice("layout", ("auto", "chw", "hwc"), "auto")
    if layout != "auto":
        return 0 if layout == "chw" else 2
    return min(((dims[axis], axis) for axis in (0, 2) if dims[axis] >= 0), default=(0, 0))[1]


def read_thresholds(
    fields: Fields, score: float, iou: float | None = None, count: int = 100
) -> Thresholds:
    """The threshold fields with a head's own defaults; no `iou_threshold` where `iou` is None."""
    return Thresholds(
        score=fields.number("score_threshold", 0, 1, score),
        iou=1.0 if iou is None else fields.number("iou_threshold", 0, 1, iou),
        max_detections=fields.integer("max_detections", 1, 100_000, count),
    )


def label_array(labels: tuple[str, ...], ids: Array) -> Array:
    """Names by class id, object [n]; the number itself where there is no name."""
    names = [labels[i] if 0 <= i < len(labels) and labels[i] else str(i) for i in ids.tolist()]
    return text_array(names)


def text_array(texts: Sequence[str]) -> Array:
    """An object array [n] of str."""
    found = np.empty(len(texts), np.object_)
    found[:] = texts
    return found


def detections(
    context: Context, labels: tuple[str, ...], boxes: Array, scores: Array, classes: Array
) -> dict[str, Array]:
    """The answer of a box detector; `boxes` [n, 4] are x0, y0, x1, y1 in input pixels, sorted.

    The corners come as well, for a model that looks at regions may be next.
    """
    found = context.geometry.boxes_to_source(boxes)
    return {
        "BOXES": found,
        "REGIONS": box_quads(found),
        "SCORES": scores.astype(np.float32),
        "CLASS_IDS": classes.astype(np.int32),
        "LABELS": label_array(labels, classes),
    }


def suppressed(
    context: Context,
    labels: tuple[str, ...],
    boxes: Array,
    scores: Array,
    classes: Array,
    units: str,
    mode: str = "class_aware",
) -> dict[str, Array]:
    """Candidates [k, 4], [k], [k] without those that a better one covers: see `NMS_MODES`.

    A box that a broken model made of infinities or NaN is none.
    """
    boxes, kept = kept_boxes(context, boxes, scores, classes, units, mode)
    return detections(context, labels, boxes, scores[kept], classes[kept])


def kept_boxes(
    context: Context, boxes: Array, scores: Array, classes: Array, units: str, mode: str
) -> tuple[Array, Array]:
    """Boxes [m, 4] in input pixels and indices [m] of the candidates that stay, surest first."""
    thresholds = context.thresholds
    boxes = input_pixels(context.geometry, boxes, units)
    finite = np.flatnonzero(np.isfinite(boxes).all(axis=1))
    boxes, scores, classes = boxes[finite], scores[finite], classes[finite]
    if mode == "none":
        kept = surest(scores, thresholds.max_detections)
    else:
        groups = classes if mode == "class_aware" else np.zeros_like(classes)
        kept = nms(boxes, scores, groups, thresholds.iou, thresholds.max_detections)
    return boxes[kept], finite[kept]


NMS_MODES = ("class_aware", "agnostic", "none")
"""What a surer box suppresses: those of its class, any other, nothing."""

UNITS = ("pixels", "normalized", "source")
"""Of the model's input: pixels, 0..1; or pixels of the source, by a model that got its size."""


def input_pixels(geometry: Geometry, boxes: Array, units: str) -> Array:
    """Boxes [n, 4] (x0, y0, x1, y1) in pixels of the model's input."""
    if units == "pixels":
        return boxes
    scale = np.array([geometry.width, geometry.height] * 2, np.float32)
    if units == "source":
        # Such a model takes the whole input for the source, bars of a letterbox as well.
        scale /= np.array([geometry.source_width, geometry.source_height] * 2, np.float32)
    return boxes * scale


def corners(boxes: Array, box_format: str) -> Array:
    """Boxes [n, 4] of any format as x0, y0, x1, y1."""
    if box_format == "xyxy":
        return boxes
    if box_format in ("yxyx", "cycxhw"):
        boxes = boxes[:, [1, 0, 3, 2]]
    if box_format == "yxyx":
        return boxes
    first, size = boxes[:, :2], boxes[:, 2:]
    # Infinities of a broken model become NaN, which `suppressed` drops.
    with np.errstate(invalid="ignore"):
        low = first if box_format == "xywh" else first - size / 2
        return np.concatenate([low, low + size], axis=1)


BOX_FORMATS = ("xyxy", "yxyx", "xywh", "cxcywh", "cycxhw")


def activate(logits: Array, activation: str) -> Array:
    """Scores from a head's values: `activation` is none, sigmoid or softmax (last axis)."""
    if activation == "sigmoid":
        found: Array = 1 / (1 + np.exp(-np.clip(logits, -80, 80)))
        return found
    if activation == "softmax":
        powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
        shares: Array = powers / powers.sum(axis=-1, keepdims=True)
        return shares
    return logits


def surer(logits: Array, threshold: float) -> tuple[Array, Array]:
    """Places [k] and scores float32 [k] of the logits [n] whose sigmoid exceeds a threshold.

    Only what may exceed it is worked out.
    """
    likely = np.flatnonzero(logits > least_logit(threshold))
    scores = activate(logits[likely].astype(np.float32), "sigmoid")
    sure = scores > threshold
    return likely[sure], scores[sure]


def least_logit(threshold: float) -> float:
    """A logit that a float32 has to exceed for its sigmoid to exceed the threshold (0 to 1)."""
    if threshold < 1e-30:  # `activate` keeps them all above that
        return -math.inf
    if threshold >= 1:
        return math.inf
    # a float32 so near to 1 is rounded by as much as many logits make of a difference
    logit = min(math.log(threshold / (1 - threshold)), 8.0)
    return logit - 1e-3 * (1 + abs(logit))


ACTIVATIONS = ("none", "sigmoid", "softmax")
