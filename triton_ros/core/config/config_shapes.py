# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether a stated tensor can exist, in Triton's words: its name, datatype, dims and reshape."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from triton_ros.core.config.config_lines import PlacedError
from triton_ros.core.errors import ConfigError
from triton_ros.core.tensor import TensorSpec, numpy_dtype


def check_dims(what: str, spec: TensorSpec) -> None:
    """Whether a stated tensor can exist; `what` goes in front of its name."""
    if not spec.name:
        raise ConfigError(f"{what} must specify 'name'")
    numpy_dtype(spec.datatype)
    for dim in spec.dims:
        if dim < 1 and dim != -1:
            raise ConfigError(
                f"{what} '{spec.name}' dimension must be integer >= 1, or -1 to indicate a"
                f" variable-size dimension; got dims {list(spec.dims)}"
            )


def check_reshape(what: str, spec: TensorSpec, reshape: tuple[int, ...] | None) -> None:
    """Whether a reshape holds as many elements as the dims, between variable dims too."""
    if reshape is None:
        return
    what = f"{what} '{spec.name}'"
    got = f"dims {list(spec.dims)}, reshape {list(reshape)}"
    if any(dim < 1 and dim != -1 for dim in reshape):
        raise PlacedError(
            f"{what} reshape dimensions must be integer >= 1, or -1 to indicate a variable-size"
            f" dimension; got {got}",
            "reshape",
        )
    if spec.dims.count(-1) != reshape.count(-1):
        raise PlacedError(
            f"{what} has different number of variable-size dimensions for dims and reshape;"
            f" got {got}",
            "reshape",
        )
    if _chunks(spec.dims) != _chunks(reshape):
        raise PlacedError(f"{what} has different size for dims and reshape; got {got}", "reshape")


def _chunks(dims: Sequence[int]) -> list[int]:
    """The element counts before, between and behind the variable dims."""
    ends = [i for i, dim in enumerate(dims) if dim == -1]
    starts = [0, *(end + 1 for end in ends)]
    return [prod(dims[a:b]) for a, b in zip(starts, [*ends, len(dims)], strict=True)]
