# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Answers that need no execution: least recently used ones go first when the bytes run out.

An entry is found by a hash of everything that may change the answer: model, version, load, wanted
outputs, parameters, and each input's name, datatype, shape and content.  The hash is 32 bytes of
BLAKE2b.  Triton hashes model, version, input names and bytes (so two shapes or datatypes of the
same bytes are one entry there) into 64 bits with a mixer that is not made to resist collisions;
and as a request is found by its hash alone, a collision answers it with another one's answer.

Every load of a version has a `ModelCache` of its own, which is closed with it.  So a version that
was loaded again never answers with what the old load computed, whichever requests were running
meanwhile, and a model that is gone occupies nothing.

Arrays in the cache belong to the cache: they are copied on their way in and shared read-only on
their way out, so neither who made an answer nor who got it can change it.
"""

from __future__ import annotations

import hashlib
import itertools
import sys
import threading
from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from triton_ros.core.errors import InvalidArgumentError
from triton_ros.core.request import Parameter
from triton_ros.core.tensor import Array, Tensor

Outputs: TypeAlias = dict[str, Array]

ENTRY_BYTES = 512
"""What an entry costs beside its arrays: the key, its place in the order, the mapping."""

ARRAY_BYTES = 256
"""What an array costs beside its data: the object, its shape, its name."""


@dataclass(frozen=True, slots=True)
class CacheSnapshot:
    """What the cache did so far, and what it holds."""

    hits: int = 0
    misses: int = 0
    insertions: int = 0
    evictions: int = 0
    """Entries that went to make room (not those of closed models)."""
    too_large: int = 0
    """Answers that alone are more than the budget."""
    entries: int = 0
    byte_size: int = 0
    """Never more than the budget."""


@dataclass(frozen=True, slots=True)
class _Entry:
    load: int
    outputs: Outputs
    byte_size: int


class ResponseCache:
    """All models' answers; thread-safe.  `byte_size` is the budget for everything together."""

    def __init__(self, byte_size: int) -> None:
        if byte_size < 1:
            raise InvalidArgumentError(
                f"response cache: byte_size is {byte_size}; accepted: 1 or more"
            )
        self._budget = byte_size
        self._lock = threading.Lock()
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()  # the oldest use comes first
        self._used = 0
        self._loads = itertools.count(1)
        self._open: set[int] = set()
        self._counts: Counter[str] = Counter()

    def model(self, model_name: str, version: int) -> ModelCache:
        """The part of one load of a version, until it is closed."""
        with self._lock:
            load = next(self._loads)
            self._open.add(load)
        return ModelCache(self, model_name, version, load)

    def get(self, key: bytes) -> Outputs | None:
        """An earlier answer's outputs, read-only and in a new dict; None if there is none."""
        with self._lock:
            entry = self._entries.get(key)
            self._counts["hits" if entry else "misses"] += 1
            if entry is None:
                return None
            self._entries.move_to_end(key)
        # views: who gets an array may give it another shape, but cannot make it writable
        return {name: array.view() for name, array in entry.outputs.items()}

    def put(self, key: bytes, outputs: Mapping[str, Array], load: int) -> bool:
        """Keep copies; False if they are more than the budget, or the load is closed."""
        size = answer_size(outputs)
        if size > self._budget:
            with self._lock:
                self._counts["too_large"] += 1
            return False
        entry = _Entry(load, {name: _frozen(array) for name, array in outputs.items()}, size)
        with self._lock:
            if load not in self._open:
                return False
            if key in self._entries:  # two equal requests ran side by side
                self._used -= self._entries.pop(key).byte_size
            while self._used + size > self._budget:
                _, oldest = self._entries.popitem(last=False)
                self._used -= oldest.byte_size
                self._counts["evictions"] += 1
            self._entries[key] = entry
            self._used += size
            self._counts["insertions"] += 1
        return True

    def close(self, load: int) -> None:
        """Forget a load's answers, those to come as well."""
        with self._lock:
            self._open.discard(load)
            for key in [key for key, entry in self._entries.items() if entry.load == load]:
                self._used -= self._entries.pop(key).byte_size

    def snapshot(self) -> CacheSnapshot:
        """All counters at one moment."""
        with self._lock:
            return CacheSnapshot(**self._counts, entries=len(self._entries), byte_size=self._used)


class ModelCache:
    """The answers of one load of a version; made by `ResponseCache.model`."""

    def __init__(self, cache: ResponseCache, model_name: str, version: int, load: int) -> None:
        self._cache = cache
        self._load = load
        self._seed = hashlib.blake2b(digest_size=32)
        for part in (model_name, version, load):
            _add(self._seed, str(part))

    def key(
        self,
        inputs: Mapping[str, Tensor],
        outputs: tuple[str, ...] = (),
        parameters: Mapping[str, Parameter] | None = None,
    ) -> bytes | None:
        """The key of a request; None if it cannot be cached.

        That is when an input has no content yet (a `TensorSource`) or is of no plain datatype.
        Make the key before the request is executed: its inputs may have changed after.
        """
        hasher = self._seed.copy()
        _add(hasher, str(len(outputs)))
        for output in outputs:
            _add(hasher, output)
        _add(hasher, str(len(parameters or ())))
        for name, parameter in sorted((parameters or {}).items()):
            _add(hasher, name)
            _add(hasher, f"{type(parameter).__name__} {parameter!r}")
        for name, value in sorted(inputs.items()):
            _add(hasher, name)
            if not isinstance(value, np.ndarray) or not _add_array(hasher, value):
                return None
        return hasher.digest()

    def get(self, key: bytes) -> Outputs | None:
        """An earlier answer's outputs, read-only and in a new dict; None if there is none."""
        return self._cache.get(key)

    def put(self, key: bytes, outputs: Mapping[str, Array]) -> bool:
        """Keep copies of an answer; False if it does not fit the budget, or after `close`."""
        return self._cache.put(key, outputs, self._load)

    def close(self) -> None:
        """Forget all of it; idempotent."""
        self._cache.close(self._load)


def answer_size(outputs: Mapping[str, Array]) -> int:
    """What an answer takes in the cache, in bytes: contents of strings and overhead included."""
    total = ENTRY_BYTES
    for name, array in outputs.items():
        total += ARRAY_BYTES + len(name) + array.nbytes
        if array.dtype.kind == "O":
            total += sum(sys.getsizeof(value) for value in array.ravel().tolist())
    return total


def _frozen(array: Array) -> Array:
    copy = np.array(array, copy=True)
    copy.setflags(write=False)
    return copy


def _add(hasher: hashlib.blake2b, part: str | bytes | memoryview) -> None:
    """Length first, so that no two lists of parts are the same bytes."""
    data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
    hasher.update(len(data).to_bytes(8, "little"))
    hasher.update(data)


def _add_array(hasher: hashlib.blake2b, array: Array) -> bool:
    """Datatype, shape and content; False if the content cannot be told."""
    _add(hasher, str(array.shape))
    dtype = array.dtype
    if dtype.kind in "biuf":
        little = dtype.newbyteorder("<")
        _add(hasher, little.str)
        _add(hasher, np.ascontiguousarray(array, little).reshape(-1).view(np.uint8).data)
        return True
    if dtype.kind not in "OSU":
        return False
    _add(hasher, "BYTES")
    for value in array.ravel().tolist():
        if not isinstance(value, str | bytes):
            return False
        _add(hasher, type(value).__name__)  # a model may tell them apart
        _add(hasher, value)
    return True
