# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Requests to a real V2 server and back, by both protocols: everything that V2 has in a request."""

from __future__ import annotations

import numpy as np
from kserve_server import Remote

X = np.arange(8, dtype=np.float32).reshape(2, 4)


def test_a_remote_model_is_completed_and_answers_as_if_it_were_here(near, remote: Remote) -> None:
    near.load("affine", url=remote.url, protocol=remote.protocol)
    config = near.server.describe("affine").config
    assert [(i.spec.name, i.spec.datatype, i.spec.dims) for i in config.input] == [
        ("x", "FP32", (4,))
    ]
    assert config.max_batch_size == 4
    assert near.server.describe("affine").instance_count == 4
    y = near.ask("affine").outputs["y"]
    np.testing.assert_array_equal(y, 3 * X + 5)
    assert y.flags.writeable
    assert near.server.model_ready("affine")
    assert near.counters("affine") == {"circuits_open": 0, "circuits_opened": 0}
