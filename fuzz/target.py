# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a target is: a function of bytes, with limits.

A target may return, or raise a `TritonError`.  Everything else is a finding: another exception, an
input that takes more CPU time or memory than `Limits` allows, and of course the end of the process.
"""

from __future__ import annotations

import os
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from triton_ros.core.errors import TritonError

_STATUS = os.open("/proc/self/status", os.O_RDONLY)


class FindingError(Exception):
    """An input did what no input may do."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one input may take, however long it is."""

    cpu_s: float = 2.0
    """Of the thread: a machine that has other work to do finds nothing."""
    memory_mb: int = 256


@dataclass(frozen=True, slots=True)
class Target:
    """Something that reads what strangers send."""

    name: str
    run: Callable[[bytes], object]
    seeds: Callable[[], Iterator[bytes]]
    """Valid inputs, made by the package's own code or taken from its examples."""
    longest: int = 4096
    limits: Limits = Limits()
    words: tuple[str, ...] = ()
    """What the seeds' words do not have and its language does."""


class Checker:
    """Runs inputs of a target, within its limits."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._memory = _Memory(target.limits.memory_mb)
        self.taken = 0
        self.refused = 0

    def check(self, data: bytes) -> None:
        """One input; raises what it found."""
        self._memory.begin()
        began = time.thread_time()
        try:
            self._target.run(data)
            self.taken += 1
        except TritonError as error:
            str(error).encode(errors="surrogatepass")
            self.refused += 1
        took = time.thread_time() - began
        if took > self._target.limits.cpu_s:
            raise FindingError(f"{len(data)} bytes took {took:.1f} s of CPU time")
        self._memory.end(len(data))


class _Memory:
    """How much an input allocates at most.

    The process's highest resident size never falls, so no input may take it beyond what it was at
    the beginning and what one may have.  That costs little, and sees what libraries allocate.
    Where `tracemalloc` runs (in tests, in processes that were larger before), it is asked instead.
    """

    def __init__(self, limit_mb: int) -> None:
        self._limit_kb = limit_mb * 1024
        self._base = 0
        self._highest = _resident_kb()

    def begin(self) -> None:
        if tracemalloc.is_tracing():
            tracemalloc.reset_peak()
            self._base = tracemalloc.get_traced_memory()[0]

    def end(self, size: int) -> None:
        if tracemalloc.is_tracing():
            taken = (tracemalloc.get_traced_memory()[1] - self._base) // 1024
        else:
            taken = _resident_kb() - self._highest
        if taken > self._limit_kb:
            raise FindingError(f"{size} bytes took {taken // 1024} MB")


def _resident_kb() -> int:
    """The highest since this program began (`getrusage` has the parent's in it)."""
    found = os.pread(_STATUS, 4096, 0)
    return int(found[found.index(b"VmHWM:") + 6 :].split(maxsplit=1)[0])


class Script:
    """An input's first bytes as decisions, and what is left of it.

    It never ends: where there are no bytes, they are 0.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def byte(self) -> int:
        """The next one."""
        self._at += 1
        return self._data[self._at - 1] if self._at <= len(self._data) else 0

    def short(self) -> int:
        """0 to 65535."""
        return self.byte() | self.byte() << 8

    def one_of(self, count: int) -> int:
        """An index."""
        return self.byte() % count

    def rest(self) -> bytes:
        """All that is left."""
        return self._data[self._at :]
