# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Every value goes into the field of its type, and comes back from it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tritonclient.grpc import service_pb2

from triton_ros.core.errors import InvalidArgumentError
from triton_ros.core.infer_parameter import set_parameter
from triton_ros.core.request import Parameter


@given(
    st.booleans() | st.text() | st.floats(allow_nan=False) | st.integers(-(1 << 63), (1 << 64) - 1)
)
def test_values_come_back(value: Parameter) -> None:
    field = service_pb2.InferParameter()
    set_parameter(field, "p", value)
    found = getattr(field, field.WhichOneof("parameter_choice"))
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize("value", [1 << 64, -(1 << 63) - 1])
def test_integers_beyond_64_bits_are_refused(value: int) -> None:
    with pytest.raises(InvalidArgumentError, match=r"parameter 'p' -?\d+ does not fit 64 bits"):
        set_parameter(service_pb2.InferParameter(), "p", value)
