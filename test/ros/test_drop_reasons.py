# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Every error of a frame is counted as what it is, also inside an ensemble."""

from __future__ import annotations

import pytest

from triton_ros.core import errors
from triton_ros.core.errors import TritonError
from triton_ros.ros.drop_reasons import WANTED, reason_of
from triton_ros.vision.image import ImageError

CASES = [
    (errors.CancelledError("e"), "superseded"),
    (errors.DroppedError("e"), "for_newer"),
    (errors.DeadlineError("e"), "deadline"),
    (errors.TimeoutExpiredError("e"), "timeout"),
    (errors.QueueFullError("e"), "queue_full"),
    (errors.UnavailableError("e"), "model_unavailable"),
    (errors.NotFoundError("e"), "model_unavailable"),
    (errors.InternalError("e"), "model_error"),
    (errors.InvalidArgumentError("e"), "model_error"),
    (ImageError("e", "bad_size"), "bad_size"),
]


@pytest.mark.parametrize(("error", "reason"), CASES, ids=lambda case: type(case).__name__)
def test_reasons(error: TritonError, reason: str) -> None:
    assert reason_of(error) == reason
    assert reason_of(error.within("in ensemble 'e'")) == reason


def test_what_is_no_fault_is_a_reason() -> None:
    assert {reason for _, reason in CASES} > WANTED
