# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Tensors as the model answers them."""

from __future__ import annotations

import numpy as np
from letterboxed import BOXED, INPUT, finish


def test_raw_tensors_have_another_name(make_processor) -> None:
    processor = make_processor(BOXED + "head: {type: raw}\n", INPUT, {"out": ("FP16", (3, 4))})
    values = np.arange(12, dtype=np.float16).reshape(3, 4)
    found = finish(processor, {"out": values})
    assert [(s.name, s.datatype, s.dims) for s in processor.outputs] == [
        ("RAW_out", "FP16", (3, 4))
    ]
    assert np.array_equal(found["RAW_out"], values)
