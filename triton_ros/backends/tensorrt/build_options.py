# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a configuration asks of a plan that is to be built from an ONNX file.

Precision and workspace are those of Triton's TensorRT accelerator, so a configuration of the
onnxruntime backend needs no other words.  Shapes are written as trtexec takes them, several
profiles separated by semicolons; without them, the one profile follows from `max_batch_size` and
the configured dims.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from triton_ros.backends.support import choice_parameter, integer_parameter, listed
from triton_ros.core.config.config_completion import DEFAULT_MAX_BATCH_SIZE
from triton_ros.core.config.config_lines import PlacedError
from triton_ros.core.config.model_config import ModelConfig

FALLBACK = "gpu_fallback"
LEVEL = "builder_optimization_level"
SHAPES = ("min_shapes", "opt_shapes", "max_shapes")
PARAMETERS = (*SHAPES, LEVEL, FALLBACK)
"""Names in `parameters` that are heeded when a plan is built."""
_ACCELERATOR = ("optimization", "execution_accelerators", "gpu_execution_accelerator")
_PRECISIONS = ("FP32", "FP16", "INT8")
_LEVELS = range(6)
_PLACE = ("parameters", "opt_shapes")
Shape = tuple[int, ...]
Range = tuple[Shape, Shape, Shape]
"""The least, the most usual and the largest shape."""


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """All that has an influence on the plan, beside the file, TensorRT and the device."""

    precision: str = "FP32"
    workspace: int | None = None
    """Bytes; None for what there is."""
    level: int | None = None
    gpu_fallback: bool = False
    profiles: tuple[Mapping[str, Range], ...] = ({},)
    """For each profile, inputs (of shape inputs: their values) to ranges."""
    max_batch_size: int = 0
    best_batch_size: int = 0
    dims: tuple[tuple[str, Shape], ...] = ()
    """Configured dims of inputs, with -1 for the batch."""

    def range_of(self, model: str, profile: int, name: str, shape: Shape) -> Range:
        """An input's range, where the file leaves `shape` open.

        Raises `PlacedError` for one that nobody says.
        """
        given = self.profiles[profile].get(name)
        if given is None:
            return self._derived(model, name, shape)
        for limit in given:
            fits = all(size in (-1, have) for size, have in zip(shape, limit, strict=False))
            if len(limit) != len(shape) or not fits:
                raise PlacedError(
                    f"model '{model}': parameters: shape {_shown(limit)} does not fit input"
                    f" '{name}' of the file, whose shape is {_shown(shape)}",
                    *_PLACE,
                )
        return given

    def _derived(self, model: str, name: str, shape: Shape) -> Range:
        configured = dict(self.dims).get(name, ())
        if len(configured) == len(shape):
            shape = tuple(
                have if size == -1 else size for size, have in zip(shape, configured, strict=True)
            )
        if self.max_batch_size and shape[:1] == (-1,) and shape[1:] and -1 not in shape[1:]:
            batches = (1, self.best_batch_size, self.max_batch_size)
            low, best, high = ((batch, *shape[1:]) for batch in batches)
            return low, best, high
        if -1 in shape:
            raise PlacedError(
                f"model '{model}': input '{name}' has the shape {_shown(shape)}, and TensorRT"
                " builds for ranges: state max_batch_size and the input's dims, or the parameters"
                f" min_shapes, opt_shapes and max_shapes (as '{name}:1x3x224x224')",
                *_PLACE,
            )
        return shape, shape, shape


def build_options(config: ModelConfig) -> BuildOptions:
    """Read them; raises `ConfigError`."""
    precision, workspace = _accelerator(config)
    level = integer_parameter(config, LEVEL, -1)
    if level != -1 and level not in _LEVELS:
        raise PlacedError(
            f"model '{config.name}': parameters['{LEVEL}'] must be 0 to {_LEVELS[-1]}, got {level}",
            *("parameters", LEVEL),
        )
    if FALLBACK in config.parameters and not any(
        group.secondary_devices for group in config.instance_group
    ):
        raise PlacedError(
            f"model '{config.name}': parameters['{FALLBACK}'] does nothing without an"
            " instance_group.secondary_devices of KIND_NVDLA",
            *("parameters", FALLBACK),
        )
    largest = config.max_batch_size
    if not ({"max_batch_size", "input"} & config.stated or largest or config.input):
        largest = DEFAULT_MAX_BATCH_SIZE  # what completion takes, too
    batching = config.dynamic_batching
    preferred = batching.preferred_batch_size if batching else ()
    return BuildOptions(
        precision,
        workspace,
        None if level == -1 else level,
        choice_parameter(config, FALLBACK, "false", ("false", "true")) == "true",
        _profiles(config),
        largest,
        max(preferred, default=largest),
        tuple((i.spec.name, _model_dims(config, i.reshape, i.spec.dims)) for i in config.input),
    )


def refuse_build_options(config: ModelConfig, file: str) -> None:
    """A plan is built already: what would have an influence on that is refused."""
    given = [name for name in PARAMETERS if name in config.parameters]
    place: tuple[str | int, ...] = ("parameters", *given[:1])
    if config.optimization.gpu_execution_accelerator:
        given, place = ["gpu_execution_accelerator"], _ACCELERATOR
    if given:
        raise PlacedError(
            f"model '{config.name}': '{given[0]}' does nothing for {file}, which is built already;"
            " it takes effect when default_model_filename is an ONNX file",
            *place,
        )


def _accelerator(config: ModelConfig) -> tuple[str, int | None]:
    """Precision and workspace."""
    precision, workspace = "FP32", None
    for index, accelerator in enumerate(config.optimization.gpu_execution_accelerator):
        place = (*_ACCELERATOR, index)
        if accelerator.name != "tensorrt":
            raise PlacedError(
                f"model '{config.name}': gpu_execution_accelerator '{accelerator.name}' is unknown"
                " to backend tensorrt; accepted: tensorrt",
                *(*place, "name"),
            )
        for key, value in accelerator.parameters.items():
            if key == "precision_mode" and value in _PRECISIONS:
                precision = value
            elif key == "max_workspace_size_bytes" and value.isdigit() and int(value):
                workspace = int(value)
            else:
                raise PlacedError(
                    f"model '{config.name}': accelerator tensorrt: '{key}' = '{value}'; accepted:"
                    f" precision_mode ({', '.join(_PRECISIONS)}), max_workspace_size_bytes (1 or"
                    " more)",
                    *(*place, "parameters", key),
                )
    return precision, workspace


def _model_dims(config: ModelConfig, reshape: Shape | None, dims: Sequence[int]) -> Shape:
    own = tuple(dims if reshape is None else reshape)
    return (-1, *own) if config.max_batch_size else own


def _profiles(config: ModelConfig) -> tuple[Mapping[str, Range], ...]:
    best = _shapes(config, "opt_shapes")
    if best is None:
        stated = [name for name in SHAPES if name in config.parameters]
        if stated:
            raise PlacedError(
                f"model '{config.name}': parameters['{stated[0]}'] needs opt_shapes beside it",
                *("parameters", stated[0]),
            )
        return ({},)
    low, high = (_shapes(config, name) or best for name in ("min_shapes", "max_shapes"))
    made = []
    nothing: dict[str, Shape] = {}
    for three in zip_longest(low, best, high, fillvalue=nothing):
        if three[0].keys() != three[1].keys() or three[1].keys() != three[2].keys():
            names = "; ".join(f"{n}: {listed(s)}" for n, s in zip(SHAPES, three, strict=True))
            raise PlacedError(
                f"model '{config.name}': parameters: min_shapes, opt_shapes and max_shapes must"
                f" name the same inputs in each profile; {names}",
                *_PLACE,
            )
        made.append({name: _range(config, name, *(s[name] for s in three)) for name in three[1]})
    return tuple(made)


def _range(config: ModelConfig, name: str, low: Shape, best: Shape, high: Shape) -> Range:
    same_rank = len(low) == len(best) == len(high)
    if not same_rank or any(not a <= b <= c for a, b, c in zip(low, best, high, strict=True)):
        raise PlacedError(
            f"model '{config.name}': parameters: input '{name}' needs min <= opt <= max, got"
            f" {_shown(low)}, {_shown(best)}, {_shown(high)}",
            *_PLACE,
        )
    return low, best, high


def _shapes(config: ModelConfig, key: str) -> list[dict[str, Shape]] | None:
    """``x:1x4,y:1x4;x:8x4,y:8x4``: for each profile, inputs to shapes."""
    text = config.parameters.get(key)
    if text is None:
        return None
    profiles = []
    for profile in text.split(";"):
        shapes: dict[str, Shape] = {}
        for entry in profile.split(","):
            name, _, sizes = entry.strip().rpartition(":")
            if not name or name in shapes or not re.fullmatch(r"\d+(x\d+)*", sizes):
                raise PlacedError(
                    f"model '{config.name}': parameters['{key}']: '{entry.strip()}'; accepted is"
                    " <input>:<size>x<size>..., with commas between inputs and semicolons between"
                    " profiles",
                    *("parameters", key),
                )
            shapes[name] = tuple(int(size) for size in sizes.split("x"))
        profiles.append(shapes)
    return profiles


def _shown(shape: Shape) -> str:
    return "x".join(map(str, shape)) or "scalar"
