# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What commands need of main, which alone knows every layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Application:
    """Main's functions of the same names."""

    make_server: Callable[..., Any]
    start_frontends: Callable[..., Any]
    tune_process: Callable[[], None]
