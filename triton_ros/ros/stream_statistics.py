# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What happened to a stream's frames: every one of them is in exactly one of these numbers."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from triton_ros.core.telemetry.stream_figures import StreamFigures


@dataclass(frozen=True, slots=True)
class StreamSnapshot:
    """`received` = `answered` + all of `dropped` + `waiting` (queued or running)."""

    received: int
    answered: int
    detections: int
    dropped: dict[str, int] = field(default_factory=dict)
    latency_ms: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """p50, p95 and maximum from reception to publication, of the newest answers."""
    batch_sizes: dict[int, int] = field(default_factory=dict)
    last_error: str = ""
    rates_hz: tuple[float, float] = (0.0, 0.0)
    """Frames received and answered a second since the snapshot before."""
    silent_s: float = 0.0
    """How long no frame came; since the stream began if none did."""
    unanswered_s: float = 0.0
    """The same of answers."""
    restarts: int = 0
    """How often the stamps jumped back, as at the start of a bag's next round."""

    @property
    def waiting(self) -> int:
        return self.received - self.answered - sum(self.dropped.values())


class StreamStatistics:
    """Thread-safe."""

    def __init__(self, window: int = 1000, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._received_at = self._answered_at = clock()
        self._before = clock(), 0, 0
        self._lock = threading.Lock()
        self._received = self._answered = self._detections = 0
        self._dropped: Counter[str] = Counter()
        self._batch_sizes: Counter[int] = Counter()
        self._latencies_ns: deque[int] = deque(maxlen=window)
        self._last_error = ""
        self._restarts = 0

    def received(self) -> None:
        with self._lock:
            self._received += 1
            self._received_at = self._clock()

    def dropped(self, reason: str, message: str = "") -> None:
        with self._lock:
            self._dropped[reason] += 1
            self._last_error = message or self._last_error

    def note(self, message: str) -> None:
        """Something to show in diagnostics that cost no frame by itself; "" when it is over."""
        with self._lock:
            self._last_error = message

    def answered(self, detections: int, latency_ns: int, batch_size: int) -> None:
        with self._lock:
            self._answered += 1
            self._answered_at = self._clock()
            self._detections += detections
            self._batch_sizes[batch_size] += 1
            self._latencies_ns.append(latency_ns)

    def snapshot(self) -> StreamSnapshot:
        with self._lock:
            ordered = sorted(self._latencies_ns)
            now = self._clock()
            rates = self._rates(now)
            return StreamSnapshot(
                self._received,
                self._answered,
                self._detections,
                dict(self._dropped),
                (percentile(ordered, 50), percentile(ordered, 95), percentile(ordered, 100)),
                dict(sorted(self._batch_sizes.items())),
                self._last_error,
                rates,
                now - self._received_at,
                now - self._answered_at,
                self._restarts,
            )

    def figures(self, name: str) -> StreamFigures:
        """The counters alone: leaves the rates of the next snapshot as they are."""
        with self._lock:
            age = self._clock() - self._answered_at
            return StreamFigures(name, self._received, self._answered, dict(self._dropped), age)

    def began_anew(self) -> None:
        """The stamps jumped back."""
        with self._lock:
            self._restarts += 1

    def _rates(self, now: float) -> tuple[float, float]:
        then, received, answered = self._before
        self._before = now, self._received, self._answered
        seconds = now - then
        if seconds <= 0:
            return 0.0, 0.0
        return (self._received - received) / seconds, (self._answered - answered) / seconds

    def began(self) -> None:
        """Frames are awaited from now on."""
        with self._lock:
            self._received_at = self._answered_at = self._clock()


class Throttle:
    """Lets one report a key through every `period_s` seconds.  Thread-safe."""

    def __init__(self, period_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._period_s = period_s
        self._clock = clock
        self._lock = threading.Lock()
        self._last: dict[str, float] = {}

    def due(self, key: str) -> bool:
        """Whether to report now; if so, the period begins."""
        now = self._clock()
        with self._lock:
            if now - self._last.get(key, -self._period_s) < self._period_s:
                return False
            self._last[key] = now
            return True


def percentile(ordered_ns: list[int], percent: int) -> float:
    """Of sorted nanoseconds, in milliseconds (nearest rank); 0 for none."""
    if not ordered_ns:
        return 0.0
    rank = max(0, -(-len(ordered_ns) * percent // 100) - 1)
    return ordered_ns[rank] / 1e6
