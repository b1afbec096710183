# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a frame that got no answer is counted as, in a stream's statistics."""

from __future__ import annotations

from triton_ros.core.errors import (
    CancelledError,
    DeadlineError,
    DroppedError,
    NotFoundError,
    QueueFullError,
    TimeoutExpiredError,
    TritonError,
    UnavailableError,
)
from triton_ros.vision.image import ImageError

WANTED = frozenset({"superseded", "for_newer", "deadline"})
"""Dropped as the stream or the model's queue was told to: no fault."""

_BY_TYPE: tuple[tuple[type[TritonError], str], ...] = (
    (CancelledError, "superseded"),  # by a newer frame of the same stream
    (DroppedError, "for_newer"),  # of whatever stream, in a queue with drop_oldest
    (DeadlineError, "deadline"),
    (TimeoutExpiredError, "timeout"),
    (QueueFullError, "queue_full"),
    (UnavailableError, "model_unavailable"),
    (NotFoundError, "model_unavailable"),
)
"""A type before those that it derives from."""


def reason_of(error: TritonError) -> str:
    """One word, as it stands behind ``dropped_`` in /diagnostics."""
    if isinstance(error, ImageError):
        return error.reason
    return next((reason for kind, reason in _BY_TYPE if isinstance(error, kind)), "model_error")
