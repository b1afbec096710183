# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The genuine module of the release that this process imitates; `install` sets it."""

from __future__ import annotations

from types import ModuleType

trt: ModuleType
