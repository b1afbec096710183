# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Inputs beside the picture that tell a model how large it is: `input.size_inputs`.

    input:
      tensor: images
      size_inputs:
        orig_target_sizes: source_wh   # RT-DETR, D-FINE: they scale their boxes to it
        im_shape: input_hw             # PaddleDetection
        scale_factor: scale_hw         # PaddleDetection: input / source, each way

Each is a tensor of two numbers in the order that the last letters say.  Boxes that a model scaled
by these are in `units: source` for its head, whatever `resize` is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.tensor import Array, TensorSpec
from triton_ros.vision.geometry import Geometry
from triton_ros.vision.yaml_fields import Fields

MEANINGS = ("source_wh", "source_hw", "input_wh", "input_hw", "scale_wh", "scale_hw")


@dataclass(frozen=True, slots=True)
class SizeInputs:
    """What each such input means, by name, and the tensor that it is."""

    values: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    specs: tuple[TensorSpec, ...] = ()

    def tensors(self, geometry: Geometry) -> dict[str, Array]:
        """The tensors of one frame, without batch dim."""
        return {spec.name: _tensor(spec, self.values[spec.name], geometry) for spec in self.specs}


NO_SIZE_INPUTS = SizeInputs()


def _tensor(spec: TensorSpec, meaning: str, geometry: Geometry) -> Array:
    source = np.array([geometry.source_width, geometry.source_height], np.float64)
    inside = np.array([geometry.width, geometry.height], np.float64)
    what, order = meaning.split("_")
    pair = {"source": source, "input": inside, "scale": inside / source}[what]
    ordered = pair if order == "wh" else pair[::-1]
    return ordered.astype(spec.dtype).reshape((1,) * (len(spec.dims) - 1) + (2,))


def read_size_inputs(fields: Fields, config: ModelConfig) -> SizeInputs:
    """The section, if there is one; raises `ConfigError`."""
    if "size_inputs" not in fields:
        return NO_SIZE_INPUTS
    section = fields.section("size_inputs")
    inputs = {item.spec.name: item.spec for item in config.input}
    values = {name: section.choice(name, MEANINGS) for name in section.given}
    for name, meaning in values.items():
        if name not in inputs:
            section.fail(name, f"is no input of the model; its inputs are {', '.join(inputs)}")
        spec = inputs[name]
        if spec.dims[-1:] not in ((2,), (-1,)) or any(d not in (1, -1) for d in spec.dims[:-1]):
            section.fail(name, f"must have dims [2], the input has {list(spec.dims)}")
        if spec.dtype.kind not in "iuf":
            section.fail(name, f"must be of numbers, the input is {spec.datatype}")
        if meaning.startswith("scale") and spec.dtype.kind != "f":
            section.fail(name, f"is {meaning}, a fraction, but the input is {spec.datatype}")
    return SizeInputs(MappingProxyType(values), tuple(inputs[name] for name in values))
