# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A colour for every number, neighbours well apart."""

from __future__ import annotations

import colorsys
from functools import cache
from typing import TypeAlias

Color: TypeAlias = tuple[int, int, int]
"""Blue, green, red."""

_GOLDEN = 0.618034
"""Steps of this share of the colour circle keep neighbours apart however many there are."""


@cache
def color(key: int) -> Color:
    """Of a class, a track or an instance."""
    red, green, blue = colorsys.hsv_to_rgb((0.33 + key * _GOLDEN) % 1.0, 0.85, 0.95)
    return round(blue * 255), round(green * 255), round(red * 255)
