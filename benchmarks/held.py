# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a process holds (memory, threads, descriptors, shared-memory maps), and whether it grows."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from benchmarks.resources import resident_mb

WARM_UP = 0.25
"""The share of the samples that is not looked at."""


@dataclass(frozen=True)
class Sample:
    """What a process holds."""

    resident_mb: float
    threads: int
    descriptors: int
    shared_maps: int


def sample(pid: int) -> Sample:
    """Of a process now."""
    place = Path(f"/proc/{pid}")
    maps = (place / "maps").read_text()
    return Sample(
        resident_mb(pid),
        len(list((place / "task").iterdir())),
        len(list((place / "fd").iterdir())),
        maps.count("/dev/shm/") + maps.count("/memfd:"),
    )


def drift(samples: list[Sample]) -> dict[str, float]:
    """Of each figure from the first quarter after the warm-up to the last: 0.02 is 2 % more.

    Of memory the median; of what is counted the least, which is there when no client has anything
    open: what clients hold comes and goes, and a median of 9 and 10 tosses a coin.
    """
    kept = samples[int(len(samples) * WARM_UP) :]
    quarter = max(1, len(kept) // 4)
    found = {}
    for name, value in asdict(kept[0]).items():
        level = min if isinstance(value, int) else median
        first = level(getattr(each, name) for each in kept[:quarter])
        last = level(getattr(each, name) for each in kept[-quarter:])
        found[name] = last / first - 1 if first else float(last)
    return found
