# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The `input:` section of vision.yaml, held against the model's input tensor.

    input:
      tensor: images         # the input's name; may be left out when the model has one input
      color: rgb             # rgb | bgr | gray | depth (one channel of metres, 0 for none)
      depth: [0.3, 10]       # metres that a model which wants pixels sees of a depth image
      layout: auto           # auto | nchw | nhwc; auto finds the dim that is 1 or 3
      size: [640, 640]       # height, width; only where the model's own dims are variable
      multiple_of: 32        # instead of size: the image's own size, rounded to this,
      shortest: 0            #   enlarged until its shorter side is this (0: never),
      longest: 960           #   shrunk until its longer side is this (0: never)
      region: [0, 0.5, 1, 0.5]   # x, y, width, height as shares of the frame: what is looked at
      resize: letterbox      # stretch | letterbox | letterbox_top_left | crop (the middle)
      crop_fraction: 1       # of crop: how much of the middle
      fill: 114              # 0..255, the bars of a letterbox; one number, or one a channel
      scale: 1/255           # tensor value = (pixel * scale - mean) / std
      mean: 0                #   each one number, or one a channel in the order of color
      std: 1
      regions:               # the model looks at crops of the image (IMAGE and REGIONS)
        height: 48           # may be left out where the model's own dims say it
        widths: [160, 320]   # a crop gets the narrowest that it fits; the widest is squeezed into
        pad: 0               # tensor value right of a crop (resize: letterbox_top_left)
        rotate_tall: 1.5     # a crop this many times higher than wide is turned; 0: never
        margin: 0            # each crop grows by this share of its size on each of its sides,
        square: false        #   and then its shorter sides until it is square
        only: [person, car]  # may be left out: takes LABELS too, and runs these regions alone
      size_inputs:           # what the model's other inputs get: see size_inputs.py
        orig_target_sizes: source_wh

Integer tensors are rounded and saturated.  A request can have another region (of the frame's
pixels), resize, color, scale, mean, std and fill: see overrides.py.  Layout and datatype are the
tensor's own, and what a crop of a region model goes through is not a request's to change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np

from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.tensor import Array, TensorSpec
from triton_ros.vision.encodings import DEPTH_RANGE, Order, depth_to_gray
from triton_ros.vision.geometry import (
    RESIZES,
    Geometry,
    Part,
    Resize,
    centred,
    clipped,
    fit_part,
    limited_size,
)
from triton_ros.vision.image import Image
from triton_ros.vision.pixel_writer import PixelWriter, channels_of
from triton_ros.vision.size_inputs import NO_SIZE_INPUTS, SizeInputs, read_size_inputs
from triton_ros.vision.yaml_fields import Fields

_MAX_SIDE = 16384


@dataclass(frozen=True, slots=True)
class RegionRule:
    """How a crop becomes an input: see `regions:` above."""

    height: int
    widths: tuple[int, ...]
    pad: float
    rotate_tall: float
    margin: float = 0.0
    square: bool = False
    only: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SizeRule:
    """The input's (height, width) for a source: a fixed one, or the source's own, limited."""

    fixed: tuple[int, int] | None = None
    multiple_of: int = 1
    shortest: int = 0
    longest: int = 0

    def size_for(self, source: tuple[int, int]) -> tuple[int, int]:
        """The input's (height, width) for a source of (height, width)."""
        if self.fixed:
            return self.fixed
        return limited_size(source, self.multiple_of, self.shortest, self.longest)


@dataclass(frozen=True)
class InputPlan:
    """Everything that is known at load about how pixels reach the model."""

    tensor: str
    writer: PixelWriter
    leading_one: bool
    """The model has no batch dim of its own, but a first dim of 1 all the same."""
    size: SizeRule
    resize: Resize
    fill: Array
    """One tensor value a channel."""
    fill_pixels: tuple[float, ...]
    regions: RegionRule | None
    sizes: SizeInputs = NO_SIZE_INPUTS
    region: tuple[float, ...] = ()
    """x, y, width, height as shares of the frame; empty for the whole."""
    crop_fraction: float = 1.0
    depth: tuple[float, float] = DEPTH_RANGE

    def shape(self, height: int, width: int) -> tuple[int, ...]:
        """The shape of one element."""
        channels = channels_of(self.writer.color)
        plane = (height, width)
        shape = (channels, *plane) if self.writer.channels_first else (*plane, channels)
        return (1, *shape) if self.leading_one else shape

    def fit(self, height: int, width: int, region: tuple[float, ...] = ()) -> Geometry:
        """Where an image of this size lands, or a region (x, y, width, height) of its pixels.

        Raises `ImageError` for a region outside of the image.
        """
        frame = (height, width)
        if not region and self.region:
            region = tuple(np.array(self.region) * (width, height, width, height))
        part = clipped(frame, region) if region else Part(0, 0, height, width)
        target = self.size.size_for((part.height, part.width))
        if self.resize == "crop":
            part = centred(part, target, self.crop_fraction)
        return fit_part(frame, part, target, self.resize)

    def pixels_of(self, image: Image) -> tuple[Array, Order]:
        """What the model's pixels are made from."""
        pixels, order = image.base()
        if order == "depth" and self.writer.color != "depth":
            return depth_to_gray(pixels, *self.depth), "gray"
        return pixels, order


def read_input(fields: Fields, config: ModelConfig) -> InputPlan:
    """The plan for a completed configuration; raises `ConfigError`."""
    sizes = read_size_inputs(fields, config)
    spec = _input_spec(fields, config, sizes)
    color = cast(Order, fields.choice("color", COLORS, "rgb"))
    layout = fields.choice("layout", ("auto", "nchw", "nhwc"), "auto")
    leading_one = config.max_batch_size == 0 and len(spec.dims) == 4
    dims = spec.dims[1:] if leading_one else spec.dims
    if len(dims) != 3 or (leading_one and spec.dims[0] not in (1, -1)):
        fields.fail("tensor", f"'{spec.name}' has dims {list(spec.dims)}, which is no image")
    first = _channels_first(fields, spec.name, dims, layout, channels_of(color))
    plane = (dims[1], dims[2]) if first else (dims[0], dims[1])
    writer = _read_writer(fields, color, first, spec)
    resize = cast(Resize, fields.choice("resize", RESIZES, "stretch"))
    regions = _read_regions(fields, plane, resize) if "regions" in fields else None
    size = SizeRule(fixed=(1, 1)) if regions else _read_size(fields, spec.name, plane)
    pixels = np.array(fields.numbers("fill", channels_of(color), 0.0))
    if ((pixels < 0) | (pixels > 255)).any():
        fields.fail("fill", f"must be from 0 to 255, got {pixels.tolist()}")
    near, far = fields.numbers("depth", 2, DEPTH_RANGE) if "depth" in fields else DEPTH_RANGE
    if not 0 <= near < far:
        fields.fail("depth", f"must be [near, far] in metres, 0 <= near < far, got {[near, far]}")
    plan = InputPlan(
        spec.name,
        writer,
        leading_one,
        size,
        resize,
        fill_values(writer, pixels),
        tuple(pixels.tolist()),
        regions,
        sizes,
        _read_region(fields, regions),
        fields.number("crop_fraction", 0.01, 1.0, 1.0),
        (near, far),
    )
    if regions and sizes.values:
        fields.fail("size_inputs", "is for models that look at frames, not at regions")
    fields.finish()
    return plan


def _input_spec(fields: Fields, config: ModelConfig, sizes: SizeInputs) -> TensorSpec:
    items = [item for item in config.input if item.spec.name not in sizes.values]
    specs = {item.spec.name: item.spec for item in items}
    only = next(iter(specs)) if len(specs) == 1 else ""
    required = {item.spec.name for item in items if not item.optional}
    name = fields.text("tensor", only) if only else fields.text("tensor")
    if name not in specs:
        fields.fail("tensor", f"must be one of {', '.join(specs) or '(none)'}, got '{name}'")
    if required - {name}:
        others = ", ".join(sorted(required - {name}))
        fields.fail("tensor", f"is '{name}', but the model needs {others} as well (size_inputs)")
    return specs[name]


def _channels_first(
    fields: Fields, name: str, dims: tuple[int, ...], layout: str, channels: int
) -> bool:
    """Whether dims are [C, H, W], by `layout` or by where the channels are."""
    fits_first, fits_last = dims[0] == channels, dims[2] == channels
    if layout == "auto":
        if fits_first == fits_last:
            fields.fail(
                "layout",
                f"must be nchw or nhwc: neither can be told from input '{name}' with dims"
                f" {list(dims)} and {channels} channel(s) of color",
            )
        return fits_first
    at = 0 if layout == "nchw" else 2
    if dims[at] not in (channels, -1):
        fields.fail(
            "layout",
            f"is {layout} with {channels} channel(s) of color, but input '{name}' has dims"
            f" {list(dims)}",
        )
    return at == 0


def _read_writer(fields: Fields, color: Order, first: bool, spec: TensorSpec) -> PixelWriter:
    if spec.dtype.kind not in "iuf":
        fields.fail("tensor", f"'{spec.name}' is {spec.datatype}, which holds no pixels")
    channels = channels_of(color)
    scale = fields.numbers("scale", channels, 1.0)
    mean = fields.numbers("mean", channels, 0.0)
    std = fields.numbers("std", channels, 1.0)
    if 0.0 in std:
        fields.fail("std", "must not be 0: values are divided by it")
    return PixelWriter(color, first, spec.dtype, scale, mean, std)


def _read_size(fields: Fields, name: str, plane: tuple[int, int]) -> SizeRule:
    """The rule from the model's own dims, `size` or `multiple_of`."""
    if "multiple_of" in fields:
        if "size" in fields:
            fields.fail("multiple_of", "and size exclude each other")
        rule = SizeRule(
            multiple_of=fields.integer("multiple_of", 1, 1024),
            shortest=fields.integer("shortest", 0, _MAX_SIDE, 0),
            longest=fields.integer("longest", 0, _MAX_SIDE, 0),
        )
        if plane != (-1, -1):
            fields.fail("multiple_of", f"is for variable dims, input '{name}' has {list(plane)}")
        return rule
    size = fields.integers("size", 1, _MAX_SIDE, plane)
    if -1 in size:
        fields.fail("size", f"is missing (or multiple_of): input '{name}' has {list(plane)}")
    if len(size) != 2:
        fields.fail("size", f"must be [height, width], got {list(size)}")
    if any(own not in (-1, given) for own, given in zip(plane, size, strict=True)):
        fields.fail("size", f"is {list(size)}, but input '{name}' has {list(plane)}")
    return SizeRule(fixed=(size[0], size[1]))


COLORS = ("rgb", "bgr", "gray", "depth")


def fill_values(writer: PixelWriter, pixels: Array) -> Array:
    """The tensor's values [channels] of pixel values [channels] from 0 to 255."""
    if writer.color == "depth":
        return writer.values(pixels)
    found: Array = writer.tables[np.arange(len(pixels)), pixels.astype(np.uint8)]
    return found


def _read_region(fields: Fields, regions: RegionRule | None) -> tuple[float, ...]:
    if "region" not in fields:
        return ()
    if regions:
        fields.fail("region", "is for models that look at frames, not at regions")
    x, y, width, height = found = fields.numbers("region", 4, 0.0)
    if min(x, y) < 0 or min(width, height) <= 0 or max(x + width, y + height) > 1 + 1e-6:
        fields.fail(
            "region", f"must be [x, y, width, height] within 0..1 of the frame, got {list(found)}"
        )
    return found


def _read_regions(fields: Fields, plane: tuple[int, int], resize: Resize) -> RegionRule:
    if resize not in ("stretch", "letterbox_top_left"):
        fields.fail("resize", f"must be stretch or letterbox_top_left for regions, got '{resize}'")
    section = fields.section("regions")
    height, width = plane
    rule = RegionRule(
        height=section.integer("height", 1, _MAX_SIDE, height),
        widths=tuple(sorted(section.integers("widths", 1, _MAX_SIDE, (width,)))),
        pad=section.number("pad", default=0.0),
        rotate_tall=section.number("rotate_tall", 0.0, default=0.0),
        margin=section.number("margin", 0.0, 10.0, 0.0),
        square=section.flag("square", False),
        only=section.texts("only"),
    )
    if rule.height == -1 or (height not in (-1, rule.height)):
        section.fail("height", f"must be given and fit the model's {height}, got {rule.height}")
    if rule.widths[0] == -1 or (width != -1 and rule.widths != (width,)):
        section.fail(
            "widths", f"must be given and fit the model's {width}, got {list(rule.widths)}"
        )
    section.finish()
    return rule
