# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which files an ONNX file's weights are in.

TensorRT's parser opens them itself, so where they lie is looked at before: a model cannot read
outside its version's directory.  Only the fields on the way to them are read, of protobuf's wire
format, which takes no time and no package.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from triton_ros.core.errors import InvalidArgumentError, NotFoundError

_FIELDS = {
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
}
"""onnx.proto: messages, and where in them the next ones are."""
_SIZES = {1: 8, 5: 4}
"""Wire types of fixed size."""


def weight_files(model: str, path: Path, data: bytes) -> list[Path]:
    """Those beside `path`; raises `InvalidArgumentError` for one elsewhere, or a broken file."""
    root = path.parent.resolve()
    found: dict[str, Path] = {}
    try:
        locations = set(_locations(memoryview(data), "model"))
    except (IndexError, ValueError, RecursionError) as error:
        raise InvalidArgumentError(f"model '{model}': {path} is no ONNX file: {error}") from error
    for location in sorted(locations):
        target = (root / location).resolve()
        if not target.is_relative_to(root):
            raise InvalidArgumentError(
                f"model '{model}': {path} has weights in '{location}', outside its directory"
            )
        if not target.is_file():
            raise NotFoundError(f"model '{model}': {path} has weights in {target}: no such file")
        found[location] = target
    return list(found.values())


def _locations(message: memoryview, kind: str) -> Iterator[str]:
    for number, value in _fields(message):
        inner = _FIELDS[kind].get(number)
        if inner is None or value is None:
            continue
        if inner != "entry":
            yield from _locations(value, inner)
            continue
        entry = {key: bytes(text or b"") for key, text in _fields(value)}
        if entry.get(1) == b"location":
            yield entry.get(2, b"").decode()


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview | None]]:
    """Field numbers, with the bytes of those that have any."""
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        wire = tag & 7
        value: memoryview | None = None
        if wire == 0:
            _, place = _varint(message, place)
        elif wire == 2:
            length, place = _varint(message, place)
            value = message[place : place + length]
            place += length
        elif wire in _SIZES:
            place += _SIZES[wire]
        else:
            raise ValueError(f"field {tag >> 3} has wire type {wire}")
        if place > len(message):
            raise ValueError(f"field {tag >> 3} is cut off")
        yield tag >> 3, value


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    """A number, and where the next thing is."""
    number = shift = 0
    while True:
        byte = message[place]
        place += 1
        number |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return number, place
        shift += 7
