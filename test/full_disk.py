# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A disk that takes no more, for this process."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def full_disk(left: int = 4096) -> Iterator[None]:
    """Files cannot grow beyond so many bytes: a write of more raises `OSError`, as ENOSPC does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (left, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
