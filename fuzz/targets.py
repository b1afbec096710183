# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""All targets, by name."""

from __future__ import annotations

from collections.abc import Mapping

from fuzz import codec_targets, config_targets, image_targets
from fuzz.target import Target

TARGETS: Mapping[str, Target] = {
    target.name: target
    for target in (*image_targets.TARGETS, *config_targets.TARGETS, *codec_targets.TARGETS)
}
