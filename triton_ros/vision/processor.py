# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A model's vision.yaml as a `core.processing.Processor`.

    input: ...      # how pixels reach the model: see input_plan.py
    head: ...       # what its outputs mean: `type` and the fields of that file under heads/
    labels: ...     # class names: a list, or a file with one a line (or label_filename in
                    # config.pbtxt, as Triton has it)
    keypoint_names: ... # of the points in KEYPOINTS, in the same two ways

`prepare` makes one element of a frame, or one of each region; no pixel is touched before an
element's source writes itself into its row of a batch.  What has to be known again at the end (the
geometry to undo, this request's thresholds) travels in `Work.context`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.errors import ConfigError, InvalidArgumentError
from triton_ros.core.processing import Work
from triton_ros.core.request import Parameter
from triton_ros.core.tensor import Array, Tensors, TensorSpec, materialize
from triton_ros.vision.geometry import fit
from triton_ros.vision.heads import read_head
from triton_ros.vision.heads.base import LABELS, REGIONS, Context, Facts, Head, Thresholds
from triton_ros.vision.image import Image
from triton_ros.vision.input_plan import InputPlan, read_input
from triton_ros.vision.labels import read_keypoint_names, read_labels
from triton_ros.vision.overrides import Plans, region_of
from triton_ros.vision.preprocess import FrameSource
from triton_ros.vision.regions import (
    RegionSource,
    crop_geometry,
    grown,
    region_sizes,
    upright,
    usable,
)
from triton_ros.vision.yaml_fields import Fields, read_fields

IMAGE = TensorSpec("IMAGE", "UINT8", (-1, -1, 3))
FILE_NAME = "vision.yaml"

_NO_REGIONS = np.zeros((0, 4, 2), np.float32)
_NONE_USED = np.zeros(0, np.intp)


def load_processor(config: ModelConfig, model_dir: Path) -> VisionProcessor | None:
    """The processor of a model whose directory has a vision.yaml, else None.

    `config` is completed.  Raises `ConfigError` naming the file, line, field and accepted values.
    """
    path = model_dir / FILE_NAME
    if not path.is_file():
        return None
    if config.is_ensemble:
        raise ConfigError(f"{path}: an ensemble has none, its steps' models have")
    return read_processor(read_fields(path), config, model_dir)


def read_processor(fields: Fields, config: ModelConfig, model_dir: Path) -> VisionProcessor:
    """The processor from the file's top mapping; raises `ConfigError`."""
    plan = read_input(fields.section("input"), config)
    labels, labels_from = read_labels(fields, config, model_dir)
    strip = config.max_batch_size == 0 and plan.leading_one
    specs = [_without_one(item.spec) if strip else item.spec for item in config.output]
    facts = Facts(
        {spec.name: spec for spec in specs},
        labels,
        labels_from,
        None if plan.regions else plan.size.fixed,
        plan.regions is not None,
    )
    head = read_head(fields.section("head"), facts)
    keypoint_names = read_keypoint_names(fields, head.outputs)
    fields.finish()
    processor = VisionProcessor(plan, head, labels, keypoint_names)
    _refuse_overlap(fields, config, processor)
    return processor


def _without_one(spec: TensorSpec) -> TensorSpec:
    """The spec of an output without the first dim of 1 that it has instead of a batch dim."""
    ones = spec.dims[:1] in ((1,), (-1,)) and len(spec.dims) > 1
    return TensorSpec(spec.name, spec.datatype, spec.dims[1:]) if ones else spec


def _refuse_overlap(fields: Fields, config: ModelConfig, processor: VisionProcessor) -> None:
    """A request's input names say which of a model's two interfaces it means."""
    for kind, own, raw in (
        ("input", processor.inputs, [i.spec.name for i in config.input]),
        ("output", processor.outputs, [o.spec.name for o in config.output]),
    ):
        for spec in own:
            if spec.name in raw:
                fields.fail(
                    "head", f"makes an {kind} '{spec.name}', but the model's own has that name"
                )


@dataclass(frozen=True)
class VisionProcessor:
    """Images in, named results out; see `core.processing.Processor`."""

    plan: InputPlan
    head: Head
    labels: tuple[str, ...]
    keypoint_names: tuple[str, ...] = ()
    _plans: Plans = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_plans", Plans(self.plan))

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        if self.plan.regions is None:
            return (IMAGE,)
        return (IMAGE, REGIONS, LABELS) if self.plan.regions.only else (IMAGE, REGIONS)

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        return self.head.outputs

    def check_parameters(self, parameters: Mapping[str, Parameter]) -> None:
        """Raises `InvalidArgumentError` for a threshold or override that no request could have."""
        self.head.thresholds.override(parameters)
        if self.plan.regions is None:
            self._plans.plan(parameters)
            region_of(parameters)

    def prepare(self, inputs: Tensors, parameters: Mapping[str, Parameter]) -> Work:
        """One element a frame, or one a region that can be warped."""
        image = _image(inputs)
        thresholds = self.head.thresholds.override(parameters)
        if self.plan.regions:
            quads = _regions(inputs)
            return self._scatter(image, quads, self._wanted(inputs, len(quads)), thresholds)
        plan = self._plans.plan(parameters)
        geometry = plan.fit(image.height, image.width, region_of(parameters))
        source = FrameSource(plan, image, geometry)
        context = Context(geometry, thresholds, _NO_REGIONS, _NONE_USED)
        return Work([{self.plan.tensor: source, **self.plan.sizes.tensors(geometry)}], context)

    def finish(self, work: Work, outputs: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
        """The head's answer, in source pixels."""
        if self.plan.leading_one:
            outputs = [{name: _first(value) for name, value in row.items()} for row in outputs]
        return self.head.finish(work.context, outputs)

    def _wanted(self, inputs: Tensors, count: int) -> Array:
        """Which of the regions [n] have a label that the model is for."""
        assert self.plan.regions is not None
        only = self.plan.regions.only
        if not only:
            return np.ones(count, bool)
        return np.array([label in only for label in _labels(inputs, count)], bool)

    def _scatter(self, image: Image, quads: Array, wanted: Array, thresholds: Thresholds) -> Work:
        rule = self.plan.regions
        assert rule is not None
        quads = upright(quads, rule.rotate_tall)
        used = np.flatnonzero(usable(quads) & wanted)
        keep_ratio = self.plan.resize != "stretch"
        # What is answered and handed on stays the region itself, only the crop grows.
        crops = grown(quads, rule.margin, rule.square)
        widths, heights = region_sizes(crops)
        geometries = [
            crop_geometry(rule, keep_ratio, float(widths[index]), float(heights[index]))
            for index in used
        ]
        sources = [
            RegionSource(self.plan, image, crops[index], geometry)
            for index, geometry in zip(used, geometries, strict=True)
        ]
        size = image.height, image.width
        context = Context(
            fit(size, size, "stretch"), thresholds, quads, used, list(crops[used]), geometries
        )
        return Work([{self.plan.tensor: source} for source in sources], context)


def _image(inputs: Tensors) -> Image:
    value = inputs.get("IMAGE")
    if value is None:
        raise InvalidArgumentError("input 'IMAGE' is missing")
    return value if isinstance(value, Image) else Image.from_array(materialize(value))


def _regions(inputs: Tensors) -> Array:
    value = inputs.get("REGIONS")
    if value is None:
        raise InvalidArgumentError("input 'REGIONS' is missing")
    quads = materialize(value)
    if quads.ndim != 3 or quads.shape[1:] != (4, 2) or quads.dtype.kind != "f":
        raise InvalidArgumentError(
            "input 'REGIONS' must be FP32 [n, 4, 2] (corners x, y in the order TL, TR, BR, BL),"
            f" got {quads.dtype} {list(quads.shape)}"
        )
    if not np.isfinite(quads).all():
        raise InvalidArgumentError("input 'REGIONS' has coordinates that are not finite")
    return quads.astype(np.float32, copy=False)


def _labels(inputs: Tensors, count: int) -> list[str]:
    value = inputs.get("LABELS")
    if value is None:
        raise InvalidArgumentError("input 'LABELS' is missing: regions.only chooses by it")
    labels = materialize(value)
    if labels.shape != (count,) or labels.dtype != np.object_:
        raise InvalidArgumentError(
            f"input 'LABELS' must be BYTES [{count}], one text a region of REGIONS,"
            f" got {labels.dtype} {list(labels.shape)}"
        )
    # Texts from another model are str, those from a client bytes.
    return [v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in labels]


def _first(value: Array) -> Array:
    found: Array = value[0] if value.ndim > 1 and value.shape[0] == 1 else value
    return found
