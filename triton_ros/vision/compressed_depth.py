# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Depth images as image_transport's compressedDepth plugin sends them.

Twelve bytes (a number that means nothing any more, and two floats), then a 16-bit PNG, or width,
height and RVL (Wilson, "Fast Lossless Depth Image Compression", 2017).  ``16UC1`` is millimetres.
``32FC1`` was quantised by its inverse: value v stands for ``a / (v - b)`` metres, 0 for none.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

import cv2
import numpy as np

from triton_ros.core.tensor import Array
from triton_ros.vision.compressed import probe
from triton_ros.vision.encodings import Order, millimetres
from triton_ros.vision.image_error import ImageError

_HEADER = struct.Struct("<iff")
_SIZE = struct.Struct("<ii")
Decode = Callable[[], "tuple[Array, Order]"]


def read_compressed_depth(data: Array, format: str) -> tuple[int, int, Decode]:
    """Height, width, and what decodes the metres.

    `format` is as in ``16UC1; compressedDepth png``.  Raises `ImageError`.
    """
    encoding = format.partition(";")[0].strip()
    if encoding not in ("16UC1", "32FC1"):
        raise ImageError(
            f"compressed format '{format}'; accepted: 16UC1 or 32FC1; compressedDepth [png | rvl]",
            "unsupported_encoding",
        )
    if data.size <= _HEADER.size:
        raise ImageError(f"compressed format '{format}': {data.size} bytes are not enough")
    _, a, b = _HEADER.unpack_from(data.data)
    body = data[_HEADER.size :]
    height, width, read = _rvl(body, format) if "rvl" in format else _png(body, format)

    def decode() -> tuple[Array, Order]:
        values = read()
        return (millimetres(values) if encoding == "16UC1" else _inverse(values, a, b)), "depth"

    return height, width, decode


def _inverse(values: Array, a: float, b: float) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        metres = values.astype(np.float32)
        metres -= np.float32(b)
        np.divide(np.float32(a), metres, out=metres)
    metres[(values == 0) | ~(metres > 0) | ~np.isfinite(metres)] = np.nan
    return metres


def _png(data: Array, format: str) -> tuple[int, int, Callable[[], Array]]:
    found = probe(data.data)
    if found is None or found[0] != "png":
        raise ImageError(f"compressed format '{format}': there is no whole PNG in the data")
    _, height, width = found

    def read() -> Array:
        values = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
        if values is None or values.shape != (height, width) or values.dtype != np.uint16:
            raise ImageError(f"compressed format '{format}': no 16-bit PNG of one channel")
        return np.asarray(values)

    return height, width, read


def _rvl(data: Array, format: str) -> tuple[int, int, Callable[[], Array]]:
    if data.size < _SIZE.size:
        raise ImageError(f"compressed format '{format}': {data.size} bytes are not enough")
    width, height = _SIZE.unpack_from(data.data)
    body = bytes(data[_SIZE.size :])
    return height, width, lambda: rvl_decode(body, height, width)


def rvl_decode(data: bytes, height: int, width: int) -> Array:
    """uint16 [height, width] of RVL; raises `ImageError` for data that ends early or runs over.

    The stream is one sequence of numbers, three bits a nibble: how many zeros, how many others,
    the others' differences, and again.  All numbers are taken apart at once; only the runs, which
    are few, are walked.
    """
    numbers = _numbers(data)
    counts: list[tuple[int, int, int]] = []
    at = pixel = 0
    total = height * width
    while pixel < total:
        if at + 2 > len(numbers):
            raise ImageError(f"the RVL data of a {width}x{height} image ends early")
        zeros, others = int(numbers[at]), int(numbers[at + 1])
        at, pixel = at + 2, pixel + zeros
        if pixel + others > total or at + others > len(numbers) or not zeros + others:
            raise ImageError(f"the RVL data of a {width}x{height} image does not fit it")
        counts.append((pixel, at, others))
        at, pixel = at + others, pixel + others
    values = np.zeros(total, np.uint16)
    last = np.int64(0)
    for start, first, others in counts:
        coded = numbers[first : first + others]
        levels = last + np.cumsum((coded >> 1) ^ -(coded & 1))
        values[start : start + others] = levels
        last = levels[-1] if others else last
    return values.reshape(height, width)


def _numbers(data: bytes) -> Array:
    """All numbers of the stream, int64: groups of nibbles of which all but the last have bit 3."""
    words = np.frombuffer(data[: len(data) // 4 * 4], "<u4")
    shifted = words[:, None] >> np.arange(28, -4, -4, dtype=np.uint32)
    nibbles: Array = (shifted & 15).reshape(-1).astype(np.int64)
    ends = np.flatnonzero(nibbles < 8)
    if not len(ends):
        return np.zeros(0, np.int64)
    nibbles = nibbles[: ends[-1] + 1]
    starts = np.concatenate([[0], ends[:-1] + 1])
    place = np.arange(len(nibbles)) - np.repeat(starts, np.diff(np.append(starts, len(nibbles))))
    # Beyond 30 bits no depth has a difference: such a number does not fit anyway.
    parts = (nibbles & 7) << np.minimum(3 * place, 33)
    return np.asarray(np.add.reduceat(parts, starts))
