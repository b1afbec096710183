# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether a model whose file has a batch of one baked in can be given a batch: it is tried out.

A runtime may let such a file be resized, and a Reshape with the batch in it then answers one image
whose rows are a mixture: no error, wrong numbers.  So two random elements are run one by one and
as a batch of two, and only equal rows count.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from triton_ros.core.errors import TritonError
from triton_ros.core.tensor import Array, TensorSpec

Run = Callable[[Mapping[str, Array]], Mapping[str, Array]]


def rows_are_independent(run: Run, inputs: Sequence[TensorSpec]) -> bool:
    """Whether a batch of two random elements answers the same rows as each alone.

    `inputs` are the file's own, with a first dim of 1; other variable dims are tried as 1.
    """
    random = np.random.default_rng(0)
    singles = [{spec.name: _random_value(spec, random) for spec in inputs} for _ in range(2)]
    both = {name: np.concatenate([one[name] for one in singles]) for name in singles[0]}
    try:
        alone = [run(one) for one in singles]
        together = run(both)
    except TritonError:
        return False
    return all(
        _same(np.concatenate([one[name] for one in alone]), rows) for name, rows in together.items()
    )


def _random_value(spec: TensorSpec, random: np.random.Generator) -> Array:
    """Any pixel, but small integers: an index into a table must stay inside it."""
    dtype, shape = spec.dtype, tuple(dim if dim > 0 else 1 for dim in spec.dims)
    if dtype.kind == "O":
        return random.integers(0, 9, shape).astype("U1").astype(np.object_)
    if dtype.kind == "f":
        return random.uniform(-1.0, 1.0, shape).astype(dtype)
    high = 256 if dtype.itemsize == 1 and dtype.kind != "b" else 2
    return random.integers(0, high, shape).astype(dtype)


def _same(expected: Array, got: Array) -> bool:
    """Equal up to another order of summation; a quantised number may differ by one step."""
    if expected.shape != got.shape:
        return False
    if expected.dtype.kind in "Ob":
        return bool((expected == got).all())
    wide = expected.astype(np.float64)
    exact = expected.dtype.kind in "iu"
    scale = float(np.abs(wide).max(initial=0.0))
    tolerance = 1.0 if exact else 1e-3 * scale + 1e-6
    return bool(np.allclose(got.astype(np.float64), wide, rtol=0.0, atol=tolerance, equal_nan=True))
