# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One camera frame, viewed in place and decoded when somebody needs its pixels.

A raw frame is a strided view of the message's own bytes (`step` padding included).  A compressed
frame is its bytes, and a size that a header probe found without decoding.  Everything that can be
wrong with a frame is found at construction, except broken compressed data: decoding happens later,
on the instance thread that wants the pixels, once, whoever asks first.

Resizing before converting colours is cheaper than the reverse, so the workhorse is `base`: the
pixels in whatever 8-bit order they came in.  Only what cannot be resized as it is (Bayer, YUV,
16 bit, compressed) is converted first; the result is kept for the next reader.

A depth image is told by its encoding (REP 118: 16UC1 is millimetres, 32FC1 metres): its `base` is
metres, and whoever wants a picture gets the near in white and the far in black.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from triton_ros.core.tensor import Array
from triton_ros.vision.compressed import probe
from triton_ros.vision.compressed_depth import read_compressed_depth
from triton_ros.vision.encodings import RAW, Encoding, Order, convert, millimetres
from triton_ros.vision.image_error import MAX_PIXELS, MAX_SIDE, REASONS, ImageError

__all__ = ["ENCODINGS", "MAX_SIDE", "REASONS", "Image", "ImageError"]

ENCODINGS = tuple(RAW)
"""The raw encodings that are understood."""


class Image:
    """One frame.  As a `TensorSource` it is uint8 [height, width, 3] RGB.

    Made by `raw`, `compressed` or `from_array`, which raise `ImageError`.  Usable from many
    threads at once.
    """

    __slots__ = ("_base", "_cache", "_decode", "_lock", "encoding", "height", "width")

    def __init__(
        self,
        height: int,
        width: int,
        encoding: str,
        base: tuple[Array, Order] | None,
        decode: Callable[[], tuple[Array, Order]] | None = None,
    ) -> None:
        """For the constructors below: either `base` is there, or `decode` makes it."""
        self.height = height
        self.width = width
        self.encoding = encoding
        self._base = base
        self._decode = decode
        self._cache: dict[Order, Array] = {}
        self._lock = threading.Lock()

    @classmethod
    def raw(
        cls,
        pixels: bytes | bytearray | memoryview | Array | Any,
        height: int,
        width: int,
        encoding: str,
        step: int | None = None,
        is_bigendian: bool = False,
    ) -> Image:
        """A frame as `sensor_msgs/Image` has it; nothing is copied, `pixels` must stay as it is.

        `pixels` is anything with a buffer.  `step` is the length of a row in bytes (None: rows
        have no padding).
        """
        kind = RAW.get(encoding)
        if kind is None:
            raise ImageError(
                f"encoding '{encoding}' is not one of {', '.join(RAW)}",
                "unsupported_encoding",
            )
        view = _strided(pixels, height, width, encoding, step, kind, is_bigendian)
        if kind.convert is None:
            return cls(height, width, encoding, (view, kind.order))
        function = kind.convert
        return cls(height, width, encoding, None, lambda: (function(view), kind.order))

    @classmethod
    def compressed(cls, data: bytes | bytearray | memoryview | Array | Any, format: str) -> Image:
        """A frame as `sensor_msgs/CompressedImage` has it: JPEG or PNG by its bytes' own word.

        `format` is the message's field, as in ``rgb8; jpeg compressed bgr8``; it only tells depth
        images: a PNG of ``16UC1``, and what ``compressedDepth`` says (PNG or RVL).
        """
        buffer = _bytes_of(data)
        if buffer.size == 0:
            raise ImageError("the compressed image has no data", "empty")
        if "compressedDepth" in format:
            height, width, decode = read_compressed_depth(buffer, format)
            _check_size(height, width, MAX_PIXELS)
            return cls(height, width, format, None, decode)
        found = probe(buffer.data)
        if found is None:
            raise ImageError(
                f"compressed format '{format}': the data is neither a whole JPEG nor a whole PNG"
                f" ({buffer.size} bytes, starting {bytes(buffer[:4]).hex()})"
            )
        kind, height, width = found
        _check_size(height, width, MAX_PIXELS)
        deep = format.startswith("16UC1")
        return cls(height, width, kind, None, lambda: _imdecode(buffer, kind, height, width, deep))

    @classmethod
    def from_array(cls, rgb: Array) -> Image:
        """A frame from uint8 [height, width, 3] RGB."""
        if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8:
            raise ImageError(
                "an image array must be uint8 [height, width, 3] RGB,"
                f" got {rgb.dtype} {list(rgb.shape)}",
                "bad_size",
            )
        height, width = rgb.shape[:2]
        _check_size(height, width)
        # OpenCV reads rows with padding between them in place, but nothing more exotic.
        plain = rgb.strides[2] == 1 and rgb.strides[1] == 3 and rgb.strides[0] >= 3 * width
        return cls(height, width, "rgb8", (rgb if plain else np.ascontiguousarray(rgb), "rgb"))

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, 3)."""
        return self.height, self.width, 3

    @property
    def dtype(self) -> np.dtype[Any]:
        """uint8."""
        return np.dtype(np.uint8)

    def base(self) -> tuple[Array, Order]:
        """The pixels in the 8-bit order that costs least, and that order; not to be written to.

        Raises `ImageError` when the data cannot be decoded.
        """
        if self._base is None:
            with self._lock:
                if self._base is None:
                    assert self._decode is not None
                    try:
                        self._base = self._decode()
                    except cv2.error as error:
                        raise ImageError(f"{self!r} cannot be converted: {error}") from error
        return self._base

    def pixels(self, order: Order) -> Array:
        """uint8 [height, width, 3] ("rgb", "bgr") or [height, width] ("gray"); read only.

        No copy when the frame is in this order already; else converted once and kept.
        """
        base, have = self.base()
        if have == order:
            return base
        with self._lock:
            found = self._cache.get(order)
            if found is None:
                found = self._cache[order] = convert(base, have, order)
            return found

    def write(self, out: Array) -> None:
        """Fill `out`, uint8 [height, width, 3], with RGB."""
        base, have = self.base()
        if _is_plain(out):
            convert(base, have, "rgb", out)
        else:
            np.copyto(out, self.pixels("rgb"))

    def __repr__(self) -> str:
        return f"Image({self.width}x{self.height} {self.encoding})"


def _is_plain(out: Array) -> bool:
    return out.strides[2] == 1 and out.strides[1] == out.shape[2]


def _bytes_of(data: Any) -> Array:
    if isinstance(data, np.ndarray):
        if not data.flags.c_contiguous:
            raise ImageError("image data must be contiguous in memory", "bad_size")
        return data.reshape(-1).view(np.uint8)
    try:
        return np.frombuffer(data, np.uint8)
    except ValueError:  # numpy's answer to a buffer of no bytes
        return np.empty(0, np.uint8)


def _check_size(height: int, width: int, most: int = MAX_SIDE**2) -> None:
    if not (0 < height <= MAX_SIDE and 0 < width <= MAX_SIDE):
        reason = "empty" if height == 0 or width == 0 else "bad_size"
        raise ImageError(
            f"an image of {width}x{height} pixels; accepted: 1 to {MAX_SIDE} each way", reason
        )
    if height * width > most:
        raise ImageError(
            f"a compressed image of {width}x{height} pixels; accepted: {most} of them", "bad_size"
        )


def _strided(
    pixels: Any,
    height: int,
    width: int,
    encoding: str,
    step: int | None,
    kind: Encoding,
    is_bigendian: bool,
) -> Array:
    """The view [height, width] or [height, width, channels] of a raw frame, checked."""
    buffer = _bytes_of(pixels)
    _check_size(height, width)
    if buffer.size == 0:
        raise ImageError(f"a {width}x{height} {encoding} image without data", "empty")
    if (kind.channels == 2 or kind.planes) and width % 2:
        raise ImageError(f"width {width} of a {encoding} image must be even", "bad_size")
    if kind.planes and height % 2:
        raise ImageError(f"height {height} of a {encoding} image must be even", "bad_size")
    rows = kind.rows(height)
    dtype = np.dtype(kind.dtype).newbyteorder(">" if is_bigendian else "<")
    pixel = kind.channels * dtype.itemsize
    row = width * pixel
    step = row if step is None else step
    if step < row or step % dtype.itemsize:
        raise ImageError(
            f"step {step} of a {width}x{height} {encoding} image must be {row} or more"
            + (f" and a multiple of {dtype.itemsize}" if dtype.itemsize > 1 else ""),
            "bad_step",
        )
    # Some drivers leave out the padding of the last row.
    if buffer.size not in (rows * step, (rows - 1) * step + row):
        raise ImageError(
            f"{buffer.size} bytes of data for a {width}x{height} {encoding} image with step {step};"
            f" expected {rows * step}",
            "bad_size",
        )
    if kind.channels == 1:
        return np.ndarray((rows, width), dtype, buffer, 0, (step, pixel))
    shape = (height, width, kind.channels)
    return np.ndarray(shape, dtype, buffer, 0, (step, pixel, dtype.itemsize))


def _imdecode(buffer: Array, kind: str, height: int, width: int, deep: bool) -> tuple[Array, Order]:
    if deep:
        depth: Any = cv2.imdecode(buffer, cv2.IMREAD_UNCHANGED)
        if depth is None or depth.shape != (height, width) or depth.dtype != np.uint16:
            raise ImageError(f"the {kind} data of a {width}x{height} image is no 16-bit depth")
        return millimetres(depth), "depth"
    # A detection refers to the pixels as sent: an orientation tag must not turn them.
    pixels: Any = cv2.imdecode(buffer, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if pixels is None or pixels.shape != (height, width, 3):
        raise ImageError(f"the {kind} data of a {width}x{height} image cannot be decoded")
    return pixels, "bgr"
