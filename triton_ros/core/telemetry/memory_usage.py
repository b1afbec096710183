# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How much memory a loaded model holds: a value, and who can tell it.

A backend that knows says so itself.  For any other, the growth of the process while the model
loads and warms up is its memory: right to a few pages for weights that are read and a first
execution that allocates, blind to what requests of other models do meanwhile, and for the first
model of a runtime the runtime's own libraries are in it.  Where the growth says nothing about one
model (others load at the same time, memory of an unloaded one is used again, the system has no
``/proc``), the size of its files is the estimate.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol, TypeAlias, runtime_checkable

Kind: TypeAlias = Literal["CPU", "GPU"]
How: TypeAlias = Literal["measured", "estimated", "backend"]


@dataclass(frozen=True, slots=True)
class MemoryUsage:
    """One entry of Triton's `memory_usage`.

    `how` is ours: "backend" is the backend's own word, "measured" the growth of the process while
    only this model loaded, "estimated" the size of its files.
    """

    kind: Kind
    id: int
    """The GPU's, 0 for CPU."""
    byte_size: int
    how: How = "backend"


@runtime_checkable
class ReportsMemory(Protocol):
    """A `BackendModel` may have this, too."""

    @property
    def memory_usage(self) -> Sequence[MemoryUsage]:
        """What the model holds after its warm-up; may be empty."""
        ...


def resident_bytes() -> int | None:
    """Memory of this process, None where the system does not tell."""
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    except OSError:
        return None
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


class Loading:
    """One load that a `MemoryMeter` watches."""

    def __init__(self, version_dir: Path, resident: Callable[[], int | None]) -> None:
        self.alone = True
        """False once another load ran at the same time."""
        self._version_dir = version_dir
        self._resident = resident
        self._before = resident()
        self._after: int | None = None

    def result(self, backend_model: object = None) -> tuple[MemoryUsage, ...]:
        """What the load left behind, up to now or to its end.

        What the backend's model says of itself comes first (see `ReportsMemory`); if it says
        nothing of the CPU's memory, that is added.
        """
        reported: tuple[MemoryUsage, ...] = ()
        if isinstance(backend_model, ReportsMemory):
            reported = tuple(replace(u, how="backend") for u in backend_model.memory_usage)
        if any(usage.kind == "CPU" for usage in reported):
            return reported
        return (*reported, self._grown())

    def finish(self) -> None:
        self._after = self._resident()

    def _grown(self) -> MemoryUsage:
        after = self._resident() if self._after is None else self._after
        if self.alone and self._before is not None and after is not None and after > self._before:
            return MemoryUsage("CPU", 0, after - self._before, "measured")
        return MemoryUsage("CPU", 0, _size_of(self._version_dir), "estimated")


class MemoryMeter:
    """Watches loads; thread-safe.  `resident` tells the process' memory in bytes, or None."""

    def __init__(self, resident: Callable[[], int | None] = resident_bytes) -> None:
        self._resident = resident
        self._lock = threading.Lock()
        self._running: list[Loading] = []

    @contextmanager
    def loading(self, version_dir: Path) -> Iterator[Loading]:
        """Around a load and its warm-up; ask the `Loading` for the result, inside or after."""
        with self._lock:
            load = Loading(version_dir, self._resident)
            self._running.append(load)
            if len(self._running) > 1:
                for each in self._running:
                    each.alone = False
        try:
            yield load
        finally:
            load.finish()
            with self._lock:
                self._running.remove(load)


def _size_of(directory: Path) -> int:
    total = 0
    for path in directory.rglob("*"):
        try:
            if path.is_file():
                total += path.stat().st_size
        except OSError:  # gone a moment ago, or a link to nowhere
            continue
    return total
