# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Bodies of requests and answers: read once into place, unpacked and packed within limits.

A body whose length is announced is read into one buffer that lies so that the binary tensors
behind its JSON begin at a multiple of 64 bytes: the first of them (an image, say) is then used
where it is.
"""

from __future__ import annotations

import asyncio
import gzip
import zlib

import numpy as np
from aiohttp import StreamReader, web

from triton_ros.core.errors import InvalidArgumentError, OutOfBoundsError, UnsupportedError

ALIGNMENT = 64
_ENCODINGS = ("identity", "gzip", "deflate")
_LEVEL = 1
"""Of packing: more costs far more time than it saves bytes, of tensors anyway."""


class SlowClientError(asyncio.TimeoutError):
    """No byte of a body came for too long; answered with 408.

    A timeout, because aiohttp meets it again where it reads what nobody wants, and expects one.
    """


async def read_body(
    request: web.BaseRequest, limit: int, timeout_s: float, json_size: int | None
) -> memoryview:
    """The whole body, still packed.

    Raises `InvalidArgumentError` for one beyond `limit`, `SlowClientError`, and what aiohttp raises
    for a client that hangs up.
    """
    stream, length = request.content, request.content_length
    if length is not None and length > limit:
        raise too_large(length, limit, raw=json_size == 0)
    if length is not None and stream.total_bytes == length and stream.is_eof():
        return memoryview(stream.read_nowait(-1))  # it came with the head
    watch = _Watch(request, timeout_s)
    try:
        if length is None:
            return await _read_chunked(stream, limit)
        return await _read_placed(stream, length, json_size or 0)
    finally:
        watch.stop()


def too_large(size: int, limit: int, raw: bool = False) -> OutOfBoundsError:
    """What Triton says; `raw` for a body without JSON."""
    if raw:
        return OutOfBoundsError(
            f"Raw input has a byte_size ({size} bytes) that exceeds the maximum allowed value of"
            f" {limit} bytes. Use --http-max-input-size to increase the limit."
        )
    return OutOfBoundsError(
        f"request JSON size of {size} bytes exceeds the maximum allowed input size of {limit}"
        " bytes. Use --http-max-input-size to increase the limit."
    )


class _Watch:
    """Makes a read raise if no byte comes for `timeout_s`."""

    def __init__(self, request: web.BaseRequest, timeout_s: float) -> None:
        self._stream = request.content
        self._timeout_s = timeout_s
        self._loop = asyncio.get_running_loop()
        self._seen = -1
        self._handle = self._loop.call_later(timeout_s, self._look)

    def _look(self) -> None:
        seen = self._stream.total_bytes
        if seen == self._seen:
            self._stream.set_exception(SlowClientError(f"no data for {self._timeout_s:g} s"))
            return
        self._seen = seen
        self._handle = self._loop.call_later(self._timeout_s, self._look)

    def stop(self) -> None:
        self._handle.cancel()


async def _read_placed(stream: StreamReader, length: int, json_size: int) -> memoryview:
    room = np.empty(length + ALIGNMENT, np.uint8)
    begin = -(room.ctypes.data + json_size) % ALIGNMENT
    body = room.data[begin : begin + length]
    at = 0
    while at < length:
        chunk = await stream.readany()
        if not chunk:
            raise InvalidArgumentError(f"the body has {at} bytes, {length} were announced")
        body[at : at + len(chunk)] = chunk
        at += len(chunk)
    return body


async def _read_chunked(stream: StreamReader, limit: int) -> memoryview:
    body = bytearray()
    while chunk := await stream.readany():
        body += chunk
        if len(body) > limit:
            raise too_large(len(body), limit)
    return memoryview(body)


def unpacked(body: memoryview, encoding: str, limit: int) -> memoryview:
    """A body without its ``Content-Encoding``; never more than `limit` bytes are made.

    Raises `UnsupportedError` for another encoding and `InvalidArgumentError` for bad data.
    """
    if encoding in ("", "identity"):
        return body
    if encoding not in _ENCODINGS:
        raise UnsupportedError("Unsupported compression type")
    # 32: gzip and zlib alike, as their headers say
    machine = zlib.decompressobj(wbits=32 + zlib.MAX_WBITS)
    try:
        found = machine.decompress(body, limit + 1)
    except zlib.error as error:
        raise InvalidArgumentError(f"the body is not {encoding}: {error}") from error
    if len(found) > limit:
        raise OutOfBoundsError(
            f"Decompressed data size exceeds the maximum allowed value of {limit} bytes. Use"
            " --http-max-input-size to increase the limit."
        )
    if not machine.eof or machine.unused_data:
        raise InvalidArgumentError(f"the body is not {encoding}: it is truncated, or goes on")
    return memoryview(found)


def accepted_encoding(header: str) -> str:
    """What an ``Accept-Encoding`` likes best of identity, gzip and deflate."""
    best, weight = "identity", 0.0
    for entry in header.split(","):
        name, _, quality = entry.strip().partition(";q=")
        try:
            wanted = float(quality) if quality else 1.0
        except ValueError:
            continue
        if name in _ENCODINGS and wanted > weight:
            best, weight = name, wanted
    return best


def packed(parts: list[memoryview | bytes], encoding: str) -> bytes:
    """An answer's parts in an encoding."""
    if encoding == "gzip":
        return gzip.compress(b"".join(parts), _LEVEL, mtime=0)
    return zlib.compress(b"".join(parts), _LEVEL)


def expected_json_size(header: str | None) -> int | None:
    """What a header promises, for a buffer that is made before `json_size_of` can be asked."""
    sensible = header is not None and header.isascii() and header.isdigit() and len(header) < 10
    return int(header) if sensible and header is not None else None


def json_size_of(header: str | None, length: int) -> int | None:
    """Where a body's binary tensors begin, by its header; None if the whole body is JSON.

    Raises `InvalidArgumentError`.
    """
    if header is None:
        return None
    if not (header.isascii() and header.isdigit()) or len(header) > 18:
        raise InvalidArgumentError(
            f"Unable to parse Inference-Header-Content-Length, got: {header[:100]}"
        )
    size = int(header)
    if size > length:
        raise InvalidArgumentError(
            f"inference header size should be in range (0, {length}), got: {size}"
        )
    return size
