# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Classes of tensors: the highest first, of equals the first, in the text that Triton writes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from triton_ros.core.errors import InvalidArgumentError
from triton_ros.frontends.classification import MAX_ELEMENTS, classify

KINDS = ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8")


@pytest.mark.parametrize(
    ("values", "kind", "text"),
    [
        ([1.5, -2, 7], "f4", ["7.000000:2", "1.500000:0", "-2.000000:1"]),
        ([0.1], "f4", ["0.100000:0"]),
        ([1e20, -0.0], "f8", ["100000000000000000000.000000:0", "-0.000000:1"]),
        ([np.nan, 1, -np.inf, np.inf], "f8", ["inf:3", "1.000000:1", "nan:0", "-inf:2"]),
        ([3, 3, 1, 3], "i4", ["3:0", "3:1", "3:3", "1:2"]),
        ([-128, 127], "i1", ["127:1", "-128:0"]),
        ([0, 2**64 - 1, 2**63], "u8", ["18446744073709551615:1", "9223372036854775808:2", "0:0"]),
        ([], "f4", []),
    ],
)
def test_numbers_are_written_as_triton_writes_them(
    values: list[float], kind: str, text: list[str]
) -> None:
    found = classify("y", np.array(values, kind), 10, batched=False)
    assert [each.decode() for each in found] == text


@given(st.sampled_from(KINDS).flatmap(lambda kind: arrays.arrays(kind, (3, 2, 4))), st.data())
def test_rows_are_sorted_each_by_itself(array: Any, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 10))
    found = classify("y", array, count)
    assert found.shape == (3, min(count, 8))
    for row, line in zip(found, array.reshape(3, 8), strict=True):
        keys = [-np.inf if np.isnan(value) else value for value in line.tolist()]
        order = sorted(range(8), key=lambda at: keys[at], reverse=True)
        assert [int(text.split(b":")[1]) for text in row] == order[:count]


def test_labels_where_there_are_some() -> None:
    array = np.array([[1, 2, 3, 4]], np.int32)
    found = classify("y", array, 4, ["cat", "", "cow"])
    assert found.tolist() == [[b"4:3", b"3:2:cow", b"2:1", b"1:0:cat"]]


@pytest.mark.parametrize("array", [np.zeros(2, np.bool_), np.zeros(2, "f2"), np.array([b"a"])])
def test_datatypes_without_an_order_are_refused(array: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="not available for output due to unsupported"):
        classify("y", array, 1)


def test_the_limit_is_a_rows() -> None:
    assert classify("y", np.zeros((2, MAX_ELEMENTS), np.uint8), 1).tolist() == [[b"0:0"]] * 2
    with pytest.raises(InvalidArgumentError, match="classification output tensor too large"):
        classify("y", np.zeros((1, MAX_ELEMENTS + 1), np.uint8), 1)
