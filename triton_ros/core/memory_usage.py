# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How much memory a loaded model holds: a value, and who can tell it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["CPU", "GPU"]
How: TypeAlias = Literal["measured", "estimated", "backend"]


@dataclass(frozen=True, slots=True)
class MemoryUsage:
    """One entry of Triton's `memory_usage`.

    `how` is ours: "backend" is the backend's own word, "measured" the growth of the process while
    only this model loaded, "estimated" anything less certain.
    """

    kind: Kind
    id: int
    byte_size: int
    how: How = "backend"
