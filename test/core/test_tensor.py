# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""V2 datatype names and numpy dtypes."""

from __future__ import annotations

import numpy as np
import pytest
from fake_backend import Source

from triton_ros.core.errors import ConfigError
from triton_ros.core.tensor import (
    DATATYPES,
    TensorSource,
    TensorSpec,
    datatype_of,
    materialize,
    numpy_dtype,
)


@pytest.mark.parametrize("datatype", DATATYPES)
def test_every_datatype_comes_back(datatype: str) -> None:
    assert datatype_of(numpy_dtype(datatype)) == datatype


def test_unknown_datatype_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"'FP31' is not one of BOOL, .*FP32.*BYTES"):
        numpy_dtype("FP31")


@pytest.mark.parametrize("dtype", ["S3", "U7", "O"])
def test_strings_are_bytes(dtype: str) -> None:
    assert datatype_of(np.dtype(dtype)) == "BYTES"


def test_byte_order_is_not_a_datatype() -> None:
    assert datatype_of(np.dtype(">f4")) == "FP32"


def test_complex_has_no_datatype() -> None:
    with pytest.raises(ConfigError, match="complex64"):
        datatype_of(np.dtype(np.complex64))


@pytest.mark.parametrize(
    ("dims", "shape", "fits"),
    [
        ((4,), (4,), True),
        ((4,), (5,), False),
        ((-1, 4), (9, 4), True),
        ((-1, 4), (0, 4), True),
        ((-1, 4), (4,), False),
        ((), (), True),
        ((), (1,), False),
    ],
)
def test_accepts(dims: tuple[int, ...], shape: tuple[int, ...], fits: bool) -> None:
    assert TensorSpec("x", "FP32", dims).accepts(shape) is fits


def test_materialize_writes_a_source_and_leaves_an_array() -> None:
    array = np.zeros((2, 2))
    assert materialize(array) is array
    source = Source(3.0)
    assert isinstance(source, TensorSource)
    np.testing.assert_array_equal(materialize(source), np.full(4, 3.0, np.float32))
