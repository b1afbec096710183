# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Anchors (priors, default boxes): boxes that a detector's raw outputs are offsets from.

      anchors:
        file: priors.npy       # [n, 4] in the model's directory, .npy or .csv
        box_format: cxcywh     # of the file: xyxy | yxyx | xywh | cxcywh | cycxhw
        units: normalized      # of the file: normalized | pixels

or generated from the fixed size of the model's input, layer by layer, row by row, cell by cell:

        strides: [8, 16, 32]   # of the layers; a layer has ceil(side / stride) cells
        sizes: [32, 64, 128]   # pixels of the input, one a layer
        ratios: [1, 2, 0.5]    # width / height
        scales: [1, 1.26]      # each size times these
        slowest: scales        # scales | ratios: which of them changes more slowly in a cell
        extra: false           # true: one more of ratio 1, between a layer's size and the next
                               #   one's (geometric mean), so sizes has one number more (SSD)
        offset: 0.5            # of a cell's centre, in cells

and for both how offsets are meant:

        regressors: cxcywh     # cxcywh | cycxhw (TensorFlow): the order of the raw numbers
        variances: [0.1, 0.2]  # of centres and of sizes; 1 over TensorFlow's 10 and 5

    centre = anchor's centre + raw * variance * anchor's size
    size = anchor's size * exp(raw * variance)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from triton_ros.core.tensor import Array, TensorSpec
from triton_ros.vision.heads.base import BOX_FORMATS, Facts, corners
from triton_ros.vision.yaml_fields import Fields

_LARGE = 65536.0
_MOST = 1 << 22
"""Anchors, or cells of a grid."""


@dataclass(frozen=True, slots=True)
class Anchors:
    """See the module's docstring for the fields."""

    boxes: Array = field(repr=False, compare=False)
    """float32 [n, 4]: centre x, centre y, width, height."""
    units: str
    tall_first: bool
    """Raw numbers come as y, x, height, width."""
    variances: tuple[float, float]

    def decode(self, raw: Array, places: Array) -> Array:
        """Boxes [k, 4] (cxcywh) of raw offsets [k, 4] from the anchors at `places` [k]."""
        if self.tall_first:
            raw = raw[:, [1, 0, 3, 2]]
        anchors = self.boxes[places]
        sizes, (center, size) = anchors[:, 2:], self.variances
        # What overflows is no box: `suppressed` drops it.
        with np.errstate(over="ignore"):
            middles = anchors[:, :2] + raw[:, :2] * center * sizes
            return np.concatenate([middles, sizes * np.exp(raw[:, 2:] * size)], axis=1)


def check_count(
    fields: Fields, size: tuple[int, int], strides: Sequence[int], each: int = 1
) -> None:
    """Refuse strides that make more anchors, `each` a cell, than any output has."""
    found = each * sum(math.ceil(size[0] / s) * math.ceil(size[1] / s) for s in strides)
    if found > _MOST:
        fields.fail("strides", f"make {found} anchors of an input of {list(size)}; most: {_MOST}")


def layer_anchors(
    size: tuple[int, int],
    strides: Sequence[int],
    shapes: Sequence[Array],
    offset: float,
) -> Array:
    """float32 [n, 4] (cxcywh, pixels) for shapes [k, 2] (width, height) a layer."""
    layers = []
    for stride, sides in zip(strides, shapes, strict=True):
        rows, columns = math.ceil(size[0] / stride), math.ceil(size[1] / stride)
        ys, xs = np.mgrid[0:rows, 0:columns]
        middles = (np.stack([xs, ys], axis=-1).reshape(-1, 1, 2) + offset) * stride
        cells = np.broadcast_to(middles, (rows * columns, len(sides), 2))
        sizes = np.broadcast_to(sides, cells.shape)
        layers.append(np.concatenate([cells, sizes], axis=2).reshape(-1, 4))
    anchors: Array = np.concatenate(layers).astype(np.float32)
    return anchors


def cell_shapes(
    size: float, following: float, scales: Sequence[float], ratios: Sequence[float], slowest: str
) -> Array:
    """[k, 2] (width, height) of one cell; `following` (0: none) is the next layer's size."""
    pairs = [(s, r) for s in scales for r in ratios]
    if slowest == "ratios":
        pairs = [(s, r) for r in ratios for s in scales]
    if following:
        pairs.append((math.sqrt(following / size), 1.0))
    return np.array([(size * s * math.sqrt(r), size * s / math.sqrt(r)) for s, r in pairs])


def read_anchors(fields: Fields, facts: Facts, spec: TensorSpec) -> Anchors:
    """The section `anchors` for the output of raw offsets; raises `ConfigError`."""
    section = fields.section("anchors")
    if "file" in section:
        boxes, units = _from_file(section), section.choice("units", ("normalized", "pixels"))
    else:
        boxes, units = _generated(section, facts), "pixels"
    if spec.dims[-2] not in (-1, len(boxes)):
        fields.fail("anchors", f"are {len(boxes)}, but output '{spec.name}' has {list(spec.dims)}")
    tall_first = section.choice("regressors", ("cxcywh", "cycxhw"), "cxcywh") == "cycxhw"
    variances = section.numbers("variances", 2, (0.1, 0.2))
    if min(variances) <= 0:
        section.fail("variances", f"must be above 0, got {list(variances)}")
    section.finish()
    return Anchors(boxes, units, tall_first, (variances[0], variances[1]))


def _from_file(section: Fields) -> Array:
    """[n, 4], centre and size."""
    name = section.text("file")
    path = section.beside("file", name)
    try:
        found = _load(path)
    except (OSError, ValueError) as error:
        section.fail("file", f"{name} cannot be read: {error}")
    if found.ndim != 2 or found.shape[1] != 4 or found.dtype.kind not in "iuf":
        section.fail("file", f"{name} must have numbers [n, 4], has {list(found.shape)}")
    edges = corners(found.astype(np.float32), section.choice("box_format", BOX_FORMATS, "cxcywh"))
    sizes = edges[:, 2:] - edges[:, :2]
    if not np.isfinite(edges).all() or (sizes <= 0).any():
        section.fail("file", f"{name} has anchors without a size; is box_format right?")
    return np.concatenate([edges[:, :2] + sizes / 2, sizes], axis=1)


def _load(path: Path) -> Array:
    """Raises `OSError` or `ValueError`."""
    if path.suffix == ".npy":
        array: Array = np.load(path, allow_pickle=False)
        return array
    if path.suffix == ".csv":
        return np.loadtxt(path, delimiter=",", dtype=np.float32, ndmin=2)
    raise ValueError("its name must end with .npy or .csv")


def _generated(section: Fields, facts: Facts) -> Array:
    if facts.input_size is None:
        section.fail("strides", "need an input of a fixed size; give a file instead")
    strides = section.integers("strides", 1, 4096)
    extra = section.flag("extra", False)
    sizes = section.floats("sizes", 1e-3, _LARGE)
    if len(sizes) != len(strides) + extra:
        words = "one more than strides (extra: true)" if extra else "as many as strides"
        section.fail("sizes", f"must be {words}: {len(strides) + extra}, got {len(sizes)}")
    scales = section.floats("scales", 1e-3, _LARGE, (1.0,))
    ratios = section.floats("ratios", 1e-3, _LARGE, (1.0,))
    slowest = section.choice("slowest", ("scales", "ratios"), "scales")
    following = sizes[1:] if extra else (0.0,) * len(strides)
    shapes = [
        cell_shapes(size, after, scales, ratios, slowest)
        for size, after in zip(sizes[: len(strides)], following, strict=True)
    ]
    check_count(section, facts.input_size, strides, max(map(len, shapes)))
    return layer_anchors(facts.input_size, strides, shapes, section.number("offset", 0, 1, 0.5))
