# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Maps drawn over a frame: classes and instances as veils of colour, depth in its place."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

from triton_ros.core.tensor import Array
from triton_ros.vision.colors import color

_VEIL = 0.45
"""How much of a veil's pixel is its colour."""


def draw_maps(canvas: Array, outputs: Mapping[str, Array], instance_keys: list[int]) -> None:
    """Draw CLASS_MAP, INSTANCE_MAP and DEPTH of an answer on a BGR uint8 canvas [h, w, 3].

    `instance_keys` are the colours of the instances, by `color`.
    """
    if "DEPTH" in outputs:
        canvas[...] = _depth(outputs["DEPTH"])
    if "CLASS_MAP" in outputs:
        _veil(canvas, outputs["CLASS_MAP"], list(range(256)))
    if "INSTANCE_MAP" in outputs:
        _veil(canvas, outputs["INSTANCE_MAP"], [0, *instance_keys])


def _veil(canvas: Array, ids: Array, keys: list[int]) -> None:
    """Colour what is not 0; `keys` say how, by id."""
    table = np.array([color(key) for key in keys], np.uint8)
    covered = ids != 0
    colors = table[np.minimum(ids, len(keys) - 1)]
    mixed = cv2.addWeighted(canvas, 1 - _VEIL, colors, _VEIL, 0)
    np.copyto(canvas, mixed, where=covered[..., None])


def _depth(metres: Array) -> Array:
    """Near is warm, far is cold, nothing is black."""
    known = np.isfinite(metres)
    if not known.any():
        return np.zeros((*metres.shape, 3), np.uint8)
    low, high = np.percentile(metres[known], (2, 98))
    share = np.clip((high - np.where(known, metres, high)) / max(high - low, 1e-6), 0, 1)
    found = np.asarray(cv2.applyColorMap(np.rint(255 * share).astype(np.uint8), cv2.COLORMAP_TURBO))
    found[~known] = 0
    return found
